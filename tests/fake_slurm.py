"""The commands of Slurm that submitit calls, for tests: `sbatch` runs the job on this machine, at once.

The folder SLURM_FAKE holds a file for each job: its script, its state and its process group. The file `fates` says in
which states jobs end instead of being run: a JSON object, states by numbers of jobs.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

FOLDER = Path(os.environ.get("SLURM_FAKE", "."))


def sbatch(path):
    job = str(len(list(FOLDER.glob("*.sh"))) + 1)
    script = FOLDER / f"{job}.sh"
    shutil.copy(path, script)
    fates = json.loads((FOLDER / "fates").read_text())
    if job in fates:
        (FOLDER / f"{job}.state").write_text(fates[job])
    else:
        (FOLDER / f"{job}.state").write_text("RUNNING")
        with (FOLDER / f"{job}.out").open("w") as out:
            process = subprocess.Popen(
                ["bash", script],
                env={**os.environ, "SLURM_JOB_ID": job},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        (FOLDER / f"{job}.group").write_text(str(process.pid))
    print(f"Submitted batch job {job}")


def srun(*arguments):
    """Runs the command behind the options; `--output FILE` is the only way in which they are given here."""
    words = list(arguments)
    while words[0].startswith("--"):
        option = words.pop(0)
        if option in ("--output", "--error"):
            path = words.pop(0).replace("%j", os.environ["SLURM_JOB_ID"]).replace("%t", "0")
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), 1 if option == "--output" else 2)
    code = subprocess.run(words, check=False).returncode
    (FOLDER / f"{os.environ['SLURM_JOB_ID']}.state").write_text("FAILED" if code else "COMPLETED")


def sacct(*arguments):
    print("JobID|State|NodeList")
    for path in FOLDER.glob("*.state"):
        print(f"{path.stem}|{path.read_text()}|node1")


def scancel(job):
    (FOLDER / f"{job}.state").write_text("CANCELLED by 1000")
    os.killpg(int((FOLDER / f"{job}.group").read_text()), signal.SIGKILL)


def install(folder):
    """Writes the commands into a folder."""
    folder.mkdir()
    for name in ("sbatch", "srun", "sacct", "scancel"):
        command = folder / name
        command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(__file__)} {name} "$@"\n')
        command.chmod(0o755)


if __name__ == "__main__":
    {"sbatch": sbatch, "srun": srun, "sacct": sacct, "scancel": scancel}[sys.argv[1]](*sys.argv[2:])
