"""Searches architectures, trains the finalists, hands over the best network.

    python -m nas_jax.main --config=configs/quickstart.py --workdir=runs/first --config.seed=1

The same command again resumes a run that was stopped. Exit codes: 0 done, 2 bad input or a full disk, 130 or 143
interrupted; `--debug` shows the traceback of bad input.
"""

if __name__ == "__main__":  # first of all: the other imports take seconds
    from nas_jax.signals import end_at_once

    end_at_once()

from collections.abc import Callable, Sequence
from pathlib import Path

from absl import flags, logging
from ml_collections import ConfigDict, config_flags

from nas_jax.build import find_function
from nas_jax.cli import define_path, refuse_arguments, start
from nas_jax.config import listed
from nas_jax.config_flag import ConfigFlag
from nas_jax.report.stages import card, report
from nas_jax.run import Run, open_run
from nas_jax.search.finalists import train_finalists
from nas_jax.search.loop import search
from nas_jax.search.winner import export_winner, measure_latency, outcome_of

CONFIG = ConfigFlag()
WORKDIR = define_path("workdir", None, "Where the run lives; runs/<name of the config> unless given.")

STAGES: dict[str, Callable[[Run], None]] = {
    "search": search,
    "finalists": train_finalists,
    "export": export_winner,
    "card": card,
    "latency": measure_latency,
    "report": report,
}


def run(config: ConfigDict, workdir: Path) -> None:
    """The whole job, from the config to the best network, stage by stage."""
    stages = [find_function("stages", name, STAGES) for name in listed(config.stages, "stages")]
    with open_run(config.to_dict(), workdir) as run:
        for stage in stages:
            stage(run)
        run.listeners.end(outcome_of(run))


def main(argv: Sequence[str]) -> None:
    """Runs the config that the flags name."""
    refuse_arguments(argv)
    logging.set_verbosity(logging.ERROR)  # libraries' notes would tear the live display
    path, _, variant = config_flags.get_config_filename(flags.FLAGS["config"]).partition(":")
    name = f"{Path(path).stem}-{variant}" if variant else Path(path).stem
    run(CONFIG.value, Path(WORKDIR.value or f"runs/{name}"))


if __name__ == "__main__":
    start(main, CONFIG.take_parts)
