"""Trains one given architecture, as a trial of a search is trained or, with `--final`, as a finalist.

    python -m nas_jax.train_one --config=configs/quickstart.py --genome="conv3x3-32, max, fc-128" --workdir=runs/one

The genome is a file (`best/genome.json` of a run), its JSON, or the line by which reports and tables name it. With a
`--workdir` the network is measured on the test split and exported to `best/` there, as a search does with its winner;
without one nothing is kept, and the test split is not touched, so that it cannot be chosen by. All randomness comes
from `--config.seed`. Exit codes: 0 done, 2 bad input or a training that failed.
"""

if __name__ == "__main__":  # first of all: the other imports take seconds
    from nas_jax.signals import end_at_once

    end_at_once()

import json
import shlex
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from absl import flags, logging
from ml_collections import ConfigDict

from nas_jax.cli import define_path, refuse_arguments, start
from nas_jax.config_flag import ConfigFlag
from nas_jax.errors import UserError
from nas_jax.executors.calling import call_where_trials_run
from nas_jax.metrics import finite_metric, seeds_in
from nas_jax.notes import notes_of
from nas_jax.parts import Parts, build_parts
from nas_jax.record import metrics_of_split
from nas_jax.report.card import write_card
from nas_jax.scratch import scratch_folder
from nas_jax.search.export import Trained, export_network
from nas_jax.search.loop import new_trial
from nas_jax.spaces.base import NetworkSpace
from nas_jax.spaces.names import find_genome
from nas_jax.strategies.base import Proposal
from nas_jax.trial import Genome, Trial
from nas_jax.units import number
from nas_jax.workdir import environment


def run(config: ConfigDict, genome: str, workdir: Path | None, *, is_final: bool) -> dict[str, Any]:
    """Trains the network of `genome`, and exports it to `workdir` if there is one. Returns its metrics.

    Raises:
        UserError: a setting that is wrong, a genome of another space, a `workdir` that is in use, or a failed training.
    """
    sections = config.to_dict()
    if not is_final:  # a trial of the search, then, whose network is left as a finalist's is
        sections["finalists"] = {k: v for k, v in sections["finalists"].items() if k not in ("recipe", "evaluator")}
    if workdir is not None:
        _prepare(workdir)
    with scratch_folder("train", workdir) as checkpoint_dir:  # other machines have the workdir, but not its neighbours
        parts = build_parts(sections, checkpoint_dir)
        space, problem, recipe = parts.space, parts.problem, parts.finals.recipe
        if not isinstance(space, NetworkSpace) or problem is None or recipe is None:
            raise UserError("this config looks results up and trains nothing; configs/quickstart.py is one that trains")
        trial = _train(parts, find_genome(space, genome, "--genome"))
        if workdir is None:
            return trial.metrics or {}
        command = shlex.join(["python", "-m", "nas_jax.train_one", *sys.argv[1:]])
        _write_json(workdir / "config.json", {**config.to_dict(), "genome": trial.genome, "final": is_final})
        _write_json(workdir / "environment.json", {**environment(), "command": command})
        trained = Trained(space, problem, recipe, checkpoint_dir, sections["space"], sections["task"])
        evaluator, best = parts.finals.evaluator, workdir / "best"
        metrics = call_where_trials_run(evaluator, export_network, best, trained, trial, {})
    write_card(workdir, problem.task)
    return metrics


def _train(parts: Parts, genome: Genome) -> Trial:
    """The trial of a genome, finished.

    Raises:
        UserError: its training has failed.
    """
    for note in notes_of(parts.problem, parts.space, parts.finals.evaluator):
        print(f"note: {note}", file=sys.stderr)
    trial = new_trial(parts, 0, Proposal(genome), "final")
    print(trial.description, flush=True)
    with closing(parts.finals.evaluator.evaluate(iter([trial]))) as ended:
        trial = next(ended)
    if trial.metrics is None:
        raise UserError(f"the training has failed: {trial.error}")
    return trial


def _prepare(workdir: Path) -> None:
    """Makes the folder before the training: what cannot be written should not have to wait for it."""
    if any((workdir / name).exists() for name in ("best", "trials.jsonl")):
        raise UserError(f"{workdir} holds a run already; choose another --workdir")
    try:
        workdir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{workdir} cannot be made ({error.strerror}); choose another --workdir") from error


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")


def main(argv: Sequence[str]) -> None:
    """Trains what the flags name and prints its metrics."""
    refuse_arguments(argv)
    logging.set_verbosity(logging.ERROR)  # Orbax tells at length how it writes a checkpoint
    workdir = Path(flags.FLAGS.workdir) if flags.FLAGS.workdir else None
    metrics = run(flags.FLAGS.config, flags.FLAGS.genome, workdir, is_final=flags.FLAGS.final)
    measured = [name for split in ("train", "val", "test") for name in metrics_of_split(metrics, split)]
    for name in ("num_params", "flops", *(name for name in metrics if name in measured)):
        error = finite_metric(metrics, f"{name}_std_error")
        noise = "" if error is None else f" ± {number(error)}"
        print(f"{name:<14} {number(finite_metric(metrics, name))}{noise}")
    if seeds := seeds_in(metrics):
        print(f"{'seeds':<14} {len(seeds)}, of which these are means and standard errors")
    if workdir is not None:
        print(f"{'best':<14} {workdir / 'best'}/")


if __name__ == "__main__":
    # Not at the top: main, which tests may import beside this module, has flags of these names as well.
    config_flag = ConfigFlag()
    flags.DEFINE_string("genome", None, "A file, JSON, or the name of an architecture.", required=True)
    define_path("workdir", None, "Where the network is exported to; nowhere unless given.")
    flags.DEFINE_bool("final", False, "Whether to train as finalists are: finalists.recipe, finalists.evaluator.")
    start(main, config_flag.take_parts)
