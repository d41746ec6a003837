"""A run in optuna-dashboard, also while it goes on: `python -m nas_jax.analysis.dashboard --workdir=runs/x`.

The trial log is followed and copied into studies that exist in this process only: nothing is written, and what is
changed in the browser is gone with the process. `--workdir` may be given several times.
"""

import importlib.util
import json
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags, logging

from nas_jax.analysis.compare import read_run
from nas_jax.cli import start
from nas_jax.errors import UserError
from nas_jax.parts import build_parts
from nas_jax.store import read_trials

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

    from nas_jax.analysis.optuna_study import Mirror

_SECONDS = 1.0  # between two looks at a log


class Follower:
    """Copies a log into studies, whenever it has grown."""

    def __init__(self, log: Path, mirrors: Sequence["Mirror"]) -> None:
        self._log = log
        self._mirrors = mirrors
        self._size = -1

    def update(self) -> None:
        size = self._log.stat().st_size if self._log.exists() else 0
        if size != self._size:
            trials = read_trials(self._log)
            times = dict(_times(self._log))  # read later, it has all of them
            for mirror in self._mirrors:
                mirror.update(trials, times)
            self._size = size


def follow(workdirs: Sequence[Path], storage: "BaseStorage") -> list[Follower]:
    """Followers of runs, which have read their logs once.

    Raises:
        UserError: no run was started in one of them, or its parts cannot be built here.
    """
    from nas_jax.analysis.optuna_study import mirrors_of  # imports Optuna

    followers = []
    for workdir in workdirs:
        parts = build_parts(read_run(workdir).config, workdir / "finalists")
        mirrors = mirrors_of(storage, str(workdir), parts.space, parts.objective)
        followers.append(Follower(workdir / "trials.jsonl", mirrors))
    for follower in followers:
        follower.update()
    return followers


def main(argv: Sequence[str]) -> None:
    """Serves the runs until it is interrupted."""
    logging.set_verbosity(logging.ERROR)
    options = flags.FLAGS
    for package in ("optuna", "optuna_dashboard"):
        if importlib.util.find_spec(package) is None:
            raise UserError(f"the package {package!r} is not installed: pip install 'nas_jax[dashboard]'")
    import optuna
    import optuna_dashboard

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.InMemoryStorage()
    followers = follow([Path(workdir) for workdir in options.workdir], storage)
    threading.Thread(target=_keep_updating, args=[followers], daemon=True).start()
    print(f"http://{options.host}:{options.port}/ shows {', '.join(options.workdir)}; Ctrl-C ends it", flush=True)
    try:
        optuna_dashboard.run_server(storage, host=options.host, port=options.port)
    except OSError as error:
        raise UserError(f"--port={options.port}: {error.strerror}; choose another one") from error
    except KeyboardInterrupt:
        return


def _keep_updating(followers: Sequence[Follower]) -> None:
    waiting = threading.Event()
    while not waiting.wait(_SECONDS):
        for follower in followers:
            try:
                follower.update()
            except UserError as error:  # a damaged log: the others go on
                print(f"error: {error}", file=sys.stderr)


def _times(log: Path) -> Iterator[tuple[int, tuple[float, float]]]:
    """When each trial was first and last written, by id."""
    begun: dict[int, float] = {}
    lines = log.read_bytes().splitlines(keepends=True) if log.exists() else []
    for record in (json.loads(line) for line in lines if line.endswith(b"\n")):
        yield record["id"], (begun.setdefault(record["id"], record["time"]), record["time"])


if __name__ == "__main__":
    flags.DEFINE_multi_string("workdir", None, "The working directory of a run; may be repeated.", required=True)
    flags.DEFINE_string("host", "localhost", "Where the server listens; 0.0.0.0 for other machines too.")
    flags.DEFINE_integer("port", 8080, "Its port.", lower_bound=1, upper_bound=65535)
    start(main)
