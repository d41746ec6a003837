"""The front of a run, written down for other programs."""

from collections.abc import Sequence
from dataclasses import replace

from nas_jax.front_files import write_front, write_hypervolumes
from nas_jax.parts import Parts
from nas_jax.run import Run
from nas_jax.trial import CONTENDERS, Trial


def write_front_files(run: Run) -> None:
    """Writes what other programs read of a front (`nas_jax.front_files`), where there are several objectives."""
    objectives, store = run.parts.objectives, run.store
    if len(objectives) > 1:
        write_hypervolumes(run.workdir, objectives, store.trials("search"))
        write_front(run.workdir, objectives, measured_alike(run.parts, store.trials()))


def measured_alike(parts: Parts, trials: Sequence[Trial]) -> list[Trial]:
    """The trials of which the front is made: what was trained in full, once that is there, else the search.

    In a table both are looked up in one place, so that all of them count that have the full budget: of a trial of the
    search it is a number, of what is trained in full None, as here of both.
    """
    searched = [trial for trial in trials if trial.stage == "search"]
    in_full = [trial for trial in trials if trial.stage in CONTENDERS and trial.metrics]
    if parts.finals.recipe is None and parts.finals.evaluator == parts.search.evaluator:
        tried, full = {trial.genome for trial in in_full}, parts.search.budgets.full
        left = [trial for trial in searched if trial.genome not in tried]
        return [*in_full, *(replace(trial, budget=None) if trial.budget == full else trial for trial in left)]
    return in_full or searched
