"""Writes the report of a run anew: `python -m nas_jax.report --workdir=runs/x`."""

from collections.abc import Sequence
from pathlib import Path

from absl import flags, logging

from nas_jax.cli import start
from nas_jax.record import read_record
from nas_jax.report.write import write_report
from nas_jax.run import recorded_parts


def main(argv: Sequence[str]) -> None:
    """Writes the report of the run in `--workdir` anew; its config says what parts it had."""
    logging.set_verbosity(logging.ERROR)  # libraries have nothing to say here
    workdir = Path(flags.FLAGS.workdir)
    parts = recorded_parts(workdir, read_record(workdir).config)
    print(write_report(workdir, parts))


if __name__ == "__main__":
    flags.DEFINE_string("workdir", None, "The working directory of a run.", required=True)
    start(main)
