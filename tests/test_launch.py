"""launch.sh, with the commands that it prints and with a stand-in for the interpreter that records its arguments."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from waiting import is_running

LAUNCH = Path(__file__).parent.parent / "launch.sh"

# Records its arguments and leaves what every run leaves. The exit code is the one that $STAND_IN_CODES has for a
# part of the working directory's name, "wait" being a run that goes on until it is interrupted; bad input leaves no
# config, unless it is found "late".
STAND_IN = """
import json, os, pathlib, sys, time
with open(os.environ["STAND_IN_LOG"], "a") as log:
    log.write(json.dumps([sys.argv[1:], os.environ.get("MALLOC_TOP_PAD_"), os.getpid()]) + "\\n")
if sys.argv[2] == "nas_jax.main":
    workdir = pathlib.Path(sys.argv[-1].partition("=")[2])
    codes = json.loads(os.environ.get("STAND_IN_CODES", "{}"))
    code = next((code for part, code in codes.items() if part in workdir.name), 0)
    if code != 2 or "late" in workdir.name:
        workdir.mkdir(parents=True, exist_ok=True)
        (workdir / "config.json").touch()
    if code == "wait":
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            code = 130
    sys.exit(code)
"""


@pytest.fixture
def home(tmp_path):
    """Where the user is: a folder with one config and the stand-in."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "quick.py").touch()
    script = tmp_path / "stand_in.py"
    script.write_text(STAND_IN)
    command = tmp_path / "python"  # not a #! line of Python's own: its path may have a space
    command.write_text(f'#!/usr/bin/env bash\nexec {shlex.quote(sys.executable)} {shlex.quote(str(script))} "$@"\n')
    command.chmod(0o755)
    return tmp_path


def environment(home, codes):
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    stand_in = {"STAND_IN_LOG": str(home / "log"), "STAND_IN_CODES": json.dumps(codes)}
    return {**inherited, "PYTHON": str(home / "python"), **stand_in}


def launch(home, *arguments, codes=(), **variables):
    return subprocess.run(
        ["bash", str(LAUNCH), *arguments],
        cwd=home,
        env={**environment(home, dict(codes)), **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def printed(home, *arguments):
    """The commands of a dry run as a shell reads them, without the exports and the interpreter."""
    done = launch(home, "--dry-run", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    commands = [shlex.split(line) for line in done.stdout.splitlines() if not line.startswith("export ")]
    assert {command[0] for command in commands} == {str(home / "python")}
    return [command[1:] for command in commands]


def recorded(home):
    return [json.loads(line)[0] for line in (home / "log").read_text().splitlines()]


def workdirs(commands):
    return [flag.partition("=")[2] for command in commands for flag in command if flag.startswith("--workdir=")]


def test_the_last_field_varies_fastest(home):
    *runs, table = printed(home, "configs/quick.py", "seed=0,1,2", "surrogate.kernel=rbf,matern52")
    points = [(seed, kernel) for seed in "012" for kernel in ("rbf", "matern52")]
    names = [f"runs/quick/seed={seed},surrogate.kernel={kernel}" for seed, kernel in points]
    assert runs == [
        [
            *("-m", "nas_jax.main", "--config=configs/quick.py"),
            *(f"--config.seed={seed}", f"--config.surrogate.kernel={kernel}", f"--workdir={name}"),
        ]
        for (seed, kernel), name in zip(points, names, strict=True)
    ]
    assert table == ["-m", "nas_jax.compare", *names]


def test_a_dry_run_changes_nothing(home):
    before = sorted(home.rglob("*"))
    launch(home, "--dry-run", "configs/quick.py", "seed=0,1")
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize(
    ("arguments", "workdir"),
    [
        (["configs/quick.py"], "runs/quick"),
        (["configs/quick.py:smoke"], "runs/quick-smoke"),
        (["configs/quick.py:smoke", "seed=3"], "runs/quick-smoke/seed=3"),
        (["--workdir=else where/", "configs/quick.py"], "else where/"),
        (["configs/quick.py", "seed=3", "--workdir=else where"], "else where/seed=3"),
    ],
)
def test_working_directories(home, arguments, workdir):
    run, _ = printed(home, *arguments)
    assert workdirs([run]) == [workdir]
    assert next(argument for argument in arguments if argument.startswith("configs")) in run[2]


def test_commas_in_brackets_split_no_values(home):
    runs = printed(home, "configs/quick.py", "space.conv_sizes=(3,5),(3,),[1,(2,3)]")[:-1]
    values = ("(3,5)", "(3,)", "[1,(2,3)]")
    assert [run[3] for run in runs] == [f"--config.space.conv_sizes={value}" for value in values]
    names = [workdir.removeprefix("runs/quick/space.conv_sizes=") for workdir in workdirs(runs)]
    assert names == ["3-5", "3", "1-2-3"]


def test_a_value_in_quotes_keeps_its_commas_and_loses_the_quotes(home):
    runs = printed(home, "configs/quick.py", 'exclude="loss,time",loss,"a, (b"')[:-1]
    assert [run[3] for run in runs] == [f"--config.exclude={value}" for value in ("loss,time", "loss", "a, (b")]
    names = [workdir.removeprefix("runs/quick/exclude=") for workdir in workdirs(runs)]
    assert names == ["loss-time", "loss", "a-b"]


def test_values_survive_the_shell(home):
    values = ["a b", "it's", "$HOME", "`ls`", 'say "x"', "a*", "x=y", "~/a", "..", "\\n", "é"]
    runs = printed(home, "configs/quick.py", f"name={','.join(values)}")[:-1]
    assert [run[3] for run in runs] == [f"--config.name={value}" for value in values]
    names = [workdir.removeprefix("runs/quick/") for workdir in workdirs(runs)]
    assert all(re.fullmatch(r"name=[A-Za-z0-9._+-]+", name) for name in names)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "which config?"),
        (["missing.py", "seed=1"], "no config file missing.py"),
        (["configs/quick.py", "seed"], "'seed' is not of the form"),
        (["configs/quick.py", "=3"], "'=3' is not of the form"),
        (["configs/quick.py", "seed="], "a value is empty"),
        (["configs/quick.py", "seed=0,,1"], "a value is empty"),
        (["configs/quick.py", "sizes=(3,5"], "brackets do not match"),
        (["configs/quick.py", 'name="a,b'], "quotes do not match"),
        (["configs/quick.py", 'name="a"b'], "quotes do not match"),
        (["configs/quick.py", 'name="",b'], "a value is empty"),
        (["configs/quick.py", "seed=0", "seed=1"], "seed is given twice; one argument lists all its values"),
        (["configs/quick.py", "seed=1,1"], "would share the working directory runs/quick/seed=1"),
        (["configs/quick.py", "sizes=(3,5),[3,5]"], "would share the working directory"),
        (["configs/quick.py", "--dryrun"], "no option --dryrun"),
    ],
)
def test_bad_arguments_are_one_line_and_run_nothing(home, arguments, message):
    done = launch(home, *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (home / "log").exists()


def test_help_shows_an_example(home):
    done = launch(home, "--help")
    assert done.returncode == 0
    assert "./launch.sh configs/quickstart.py seed=0,1,2" in done.stdout


def test_runs_what_it_prints_and_the_same_again(home):
    arguments = ("configs/quick.py", "seed=0,1", "x=(1,2)")
    for _ in range(2):  # the second time, nas_jax.main is left to find out what has finished
        assert launch(home, *arguments).returncode == 0
    assert recorded(home) == 2 * printed(home, *arguments)


def test_memory_settings_are_set_unless_the_user_has(home):
    launch(home, "configs/quick.py")
    launch(home, "configs/quick.py", MALLOC_TOP_PAD_="1")
    settings = [json.loads(line)[1] for line in (home / "log").read_text().splitlines()]
    assert settings == ["536870912", "536870912", "1", "1"]


def test_goes_on_after_a_failure_and_reports_it(home):
    done = launch(home, "configs/quick.py", "seed=0,1,2,3", codes={"seed=1": 1, "seed=2": 2})
    assert done.returncode == 1
    *runs, table = recorded(home)
    assert workdirs(runs) == [f"runs/quick/seed={seed}" for seed in range(4)]
    assert table[2:] == [f"runs/quick/seed={seed}" for seed in (0, 1, 3)]  # seed=2 ended before it had a config
    assert "2 of 4 points failed" in done.stderr
    assert "runs/quick/seed=1 (exit code 1)\n  runs/quick/seed=2 (exit code 2)" in done.stderr


def test_a_first_point_that_ran_and_found_nothing_stops_no_sweep(home):
    done = launch(home, "configs/quick.py", "x=late,1", codes={"late": 2})
    assert done.returncode == 1
    assert workdirs(recorded(home)[:2]) == ["runs/quick/x=late", "runs/quick/x=1"]


@pytest.mark.parametrize("code", [2, 130, 143])
def test_stops_at_once(home, code):
    done = launch(home, "configs/quick.py", "seed=0,1", codes={"seed=0": code})
    assert done.returncode == code
    assert len(recorded(home)) == 1


@pytest.mark.parametrize(
    ("send", "number", "code"),
    [(os.killpg, signal.SIGINT, 130), (os.kill, signal.SIGTERM, 143), (os.killpg, signal.SIGTERM, 143)],
)
def test_a_signal_stops_the_sweep_and_the_run(home, send, number, code):
    process = subprocess.Popen(
        ["bash", str(LAUNCH), "configs/quick.py", "seed=0,1"],
        cwd=home,
        env=environment(home, {"seed=0": "wait"}),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 30
    while not (home / "runs/quick/seed=0/config.json").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.2)  # from the file to the sleep
    send(process.pid, number)
    assert process.wait(30) == code
    assert len(recorded(home)) == 1
    assert not is_running(json.loads((home / "log").read_text())[2])
