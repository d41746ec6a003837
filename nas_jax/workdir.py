"""What a run leaves beside its log: the config it belongs to and the machine it ran on."""

import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nas_jax.errors import UserError
from nas_jax.executors.devices import device_names
from nas_jax.json_files import read_json
from nas_jax.on_disk import to_disk
from nas_jax.record import ENVIRONMENT_HINTS, NOTES
from nas_jax.store import FORMAT

_FILES = "files.json"
PACKAGES = ("nas_jax", "jax", "jaxlib", "flax", "optax", "gpjax", "orbax-checkpoint", "tensorflow-datasets", "numpy")


def claim_workdir(
    workdir: Path,
    config: Mapping[str, Any],
    changeable: Collection[str] = (),
    digests: Mapping[str, str] = MappingProxyType({}),
    command: str | None = None,
    completed: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
) -> None:
    """Writes `config.json` and `environment.json`, and `files.json` where the run reads files.

    A later start adds its environment to the first one's, under "later", where it differs.

    Args:
        command: by which this process was started, if not that of a run.
        changeable, digests, completed: as of `check_claim`.

    Raises:
        UserError: as `check_claim`.
    """
    check_claim(workdir, config, changeable, digests, completed)
    _write(workdir / "config.json", json.loads(json.dumps(config)))
    if digests:
        _write(workdir / _FILES, digests)
    path, now = workdir / "environment.json", environment(command)
    if path.exists():
        first = read_json(path, ENVIRONMENT_HINTS)
        later = first.pop("later", [])
        if now not in (first, *later):
            later.append(now)
        now = {**first, "later": later} if later else first
    _write(path, now)


def check_claim(
    workdir: Path,
    config: Mapping[str, Any],
    changeable: Collection[str] = (),
    digests: Mapping[str, str] = MappingProxyType({}),
    completed: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
) -> None:
    """Refuses a workdir that holds another run. A file, or the folder of a data set, may have moved.

    Args:
        changeable: sections, and fields by their dotted names, on which nothing in the workdir depends yet.
        digests: of what results depend on, a file or the examples of a data set, by the field of the config that names
            it.
        completed: what a config of an earlier version is with the fields that it lacks; they have their defaults.

    Raises:
        UserError: the workdir holds a run with another config, or of another file.
    """
    path = workdir / "config.json"
    plain = json.loads(json.dumps(config))
    first_digests = _first_digests(workdir)
    if path.exists():
        before = read_json(path)
        same_files = {name for name, digest in digests.items() if first_digests.get(name) == digest}
        changes = [
            text
            for name, text in _differences(before, plain, json.loads(json.dumps(completed(before))))
            if not {name, name.partition(".")[0]} & {*changeable, *same_files}
        ]
        if changes:
            raise UserError(
                f"{workdir} holds a run with other settings ({'; '.join(changes)}); "
                "choose another folder (--workdir), or remove the old one"
            )
        fixed = {name: digest for name, digest in digests.items() if name.partition(".")[0] not in changeable}
        check_files(workdir, plain, fixed)


def check_files(workdir: Path, config: Mapping[str, Any], digests: Mapping[str, str]) -> None:
    """Refuses files, or a data set, that are not those with which a run began.

    Args:
        config: the run's, which says where the files are.
        digests: as of `claim_workdir`.

    Raises:
        UserError: a file has changed.
    """
    first_digests = _first_digests(workdir)
    for name, digest in digests.items():
        if first_digests.get(name, digest) != digest:
            raise UserError(
                f"{_at(config, name)} has changed since the run in {workdir} began with it; bring back what it was, or "
                "choose another folder (--workdir)"
            )


def _first_digests(workdir: Path) -> dict[str, str]:
    path = workdir / _FILES
    return read_json(path) if path.exists() else {}


def _at(config: Mapping[str, Any], name: str) -> str:
    """The file or folder that a field of the config names, or the field, where another section says it."""
    value: Any = config
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return repr(value) if isinstance(value, str) else f"what {name} stands for"


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
    to_disk(partial).replace(path)


def _differences(before: Any, now: Any, defaults: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """The names of the fields in which two configs differ, each with a text that says how.

    What `before` lacks is as in `defaults`.
    """
    if isinstance(before, dict) and isinstance(now, dict):
        for key in sorted(before.keys() | now.keys()):
            default = defaults.get(key) if isinstance(defaults, dict) else None
            path = f"{name}.{key}" if name else key
            yield from _differences(before.get(key, default), now.get(key), default, path)
    elif not _is_same(before, now):
        yield name, f"{name}: {before} there, {now} here"


def _is_same(before: Any, now: Any) -> bool:
    """As `==`, but True is not 1, as choices of a gene are not."""
    if isinstance(before, list) and isinstance(now, list):
        return len(before) == len(now) and all(map(_is_same, before, now))
    if isinstance(before, dict) and isinstance(now, dict):
        return before.keys() == now.keys() and all(_is_same(before[key], now[key]) for key in before)
    return isinstance(before, bool) == isinstance(now, bool) and before == now


def environment(command: str | None = None) -> dict[str, Any]:
    """Versions, devices, git revision and the command, that of a run unless given: what made a number."""
    return {
        "format": FORMAT,
        "command": command or shlex.join(["python", "-m", "nas_jax.main", *sys.argv[1:]]),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "num_cpus": os.cpu_count(),
        "devices": device_names(),
        "versions": dict(_versions()),
        "git_revision": _git_revision(),
    }


def _versions() -> Iterator[tuple[str, str]]:
    """Of those of PACKAGES that are installed: a data source of one's own needs no TensorFlow Datasets."""
    for name in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            yield name, importlib.metadata.version(name)


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
