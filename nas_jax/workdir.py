"""What a run leaves beside its log: the config it belongs to and the machine it ran on."""

import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax

from nas_jax.errors import UserError
from nas_jax.json_files import read_json
from nas_jax.record import ENVIRONMENT_HINTS, NOTES
from nas_jax.store import FORMAT

PACKAGES = ("nas_jax", "jax", "jaxlib", "flax", "optax", "gpjax", "orbax-checkpoint", "tensorflow-datasets", "numpy")


def claim_workdir(workdir: Path, config: Mapping[str, Any], changeable: Collection[str] = ()) -> None:
    """Writes `config.json` and `environment.json`.

    A later start adds its environment to the first one's, under "later", where it differs.

    Args:
        changeable: sections on which nothing in the workdir depends yet.

    Raises:
        UserError: the workdir holds a run with another config.
    """
    path = workdir / "config.json"
    plain = json.loads(json.dumps(config))
    if path.exists():
        before = read_json(path)
        changes = [text for name, text in _differences(before, plain) if name.partition(".")[0] not in changeable]
        if changes:
            raise UserError(
                f"{workdir} holds a run with other settings ({'; '.join(changes)}); "
                "choose another --workdir, or remove the old one"
            )
    _write(path, plain)
    path, now = workdir / "environment.json", environment()
    if path.exists():
        first = read_json(path, ENVIRONMENT_HINTS)
        later = first.pop("later", [])
        if now not in (first, *later):
            later.append(now)
        now = {**first, "later": later} if later else first
    _write(path, now)


def write_notes(workdir: Path, notes: Collection[str]) -> None:
    """Writes `notes.txt`, a note a line, over that of an earlier start; no file where there are none."""
    path = workdir / NOTES
    if notes:
        path.write_text("".join(f"{' '.join(note.split())}\n" for note in notes), encoding="utf-8")
    else:
        path.unlink(missing_ok=True)


def _write(path: Path, value: Any) -> None:
    """Writes JSON so that the file is complete or not there."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)


def _differences(before: Any, now: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """The names of the fields in which two configs differ, each with a text that says how."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            yield from _differences(before.get(key), now.get(key), f"{name}.{key}" if name else key)
    elif before != now:
        yield name, f"{name}: {before} there, {now} here"


def environment() -> dict[str, Any]:
    """Versions, devices, git revision and the command, so that a number can be traced to what made it."""
    return {
        "format": FORMAT,
        "command": shlex.join(["python", "-m", "nas_jax.main", *sys.argv[1:]]),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "num_cpus": os.cpu_count(),
        "devices": [f"{device.platform}: {device.device_kind}" for device in jax.devices()],
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "git_revision": _git_revision(),
    }


def _git_revision() -> str | None:
    """The commit of this package's checkout, with a + behind it if files have changed since."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", "-C", str(Path(__file__).parent), *arguments], capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.CalledProcessError):  # no git, or installed without its history
            return None
        return done.stdout.strip()

    revision = git("rev-parse", "HEAD")
    return revision and revision + ("+" if git("status", "--porcelain", "--untracked-files=no") else "")
