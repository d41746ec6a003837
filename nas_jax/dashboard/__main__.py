"""A run in optuna-dashboard, also while it goes on: `python -m nas_jax.dashboard --workdir=runs/x`.

The trial log is followed and copied into studies that exist in this process only: nothing is written, and what is
changed in the browser is gone with the process. `--workdir` may be given several times.
"""

if __name__ == "__main__":  # first of all: the other imports take seconds
    from nas_jax.signals import end_at_once

    end_at_once()

import importlib.util
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from absl import flags, logging

from nas_jax.cli import define_paths, start
from nas_jax.dashboard.follow import Follower, follow
from nas_jax.errors import UserError, describe

_SECONDS = 1.0  # between two looks at a log


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
    followers = follow(list(dict.fromkeys(map(Path, options.workdir))), storage)
    threading.Thread(target=_keep_updating, args=[followers], daemon=True).start()
    print(f"http://{options.host}:{options.port}/ shows {', '.join(options.workdir)}; Ctrl-C ends it", flush=True)
    try:
        optuna_dashboard.run_server(storage, host=options.host, port=options.port)
    except OSError as error:
        raise UserError(f"--port={options.port}: {error.strerror}; choose another one") from error
    except KeyboardInterrupt:
        return


def _keep_updating(followers: Sequence[Follower]) -> None:
    """Updates all again and again; of one that fails, as by a damaged log, it says so once, and the others go on."""
    waiting, said = threading.Event(), set[str]()
    while not waiting.wait(_SECONDS):
        for follower in followers:
            try:
                follower.update()
            except Exception as error:
                text = str(error) if isinstance(error, UserError) else describe(error)
                if text not in said:
                    print(f"error: {text}", file=sys.stderr)
                said.add(text)


if __name__ == "__main__":
    define_paths("workdir", "The working directory of a run; may be repeated.")
    flags.DEFINE_string("host", "localhost", "Where the server listens; 0.0.0.0 for other machines too.")
    flags.DEFINE_integer("port", 8080, "Its port.", lower_bound=1, upper_bound=65535)
    start(main)
