"""What a report is about: all that its sections read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from nas_jax.budgets import Budgets
from nas_jax.objectives import Objective, Objectives
from nas_jax.parts import Parts
from nas_jax.record import Record, find_best, find_winner, in_full, is_in_full, read_record, score
from nas_jax.report.rounds import Round, read_rounds
from nas_jax.search.export import read_test_scores
from nas_jax.search.fronts import measured_alike
from nas_jax.spaces.base import Space
from nas_jax.spaces.stored import check_genomes
from nas_jax.strategies.base import RandomStart
from nas_jax.strategies.learner import Learner
from nas_jax.tasks.base import Task
from nas_jax.trial import CONTENDERS, History, Trial

NO_BUDGETS = Budgets((1,))  # but the full one
_MAX_TRIALS = 200  # to which a surrogate is fitted anew, many times over


@dataclass(frozen=True)
class Subject:
    """A run in whatever state it is, and the parts that it was made of.

    `num_random` is how many of the first search trials are known to be random draws. `test_scores` has the scores of
    the test examples `[seeds, examples]`, higher being better, of some of the trials, by their ids. A run that trains
    nothing has no task.
    """

    record: Record
    objectives: Objectives
    space: Space
    learner: Learner
    rounds: Sequence[Round] = ()
    num_random: int | float = 0  # infinity: all of them
    test_scores: Mapping[int, np.ndarray] = field(default_factory=dict)
    task: Task | None = None
    budgets: Budgets = NO_BUDGETS  # that a measurement of the search could have
    alike: Sequence[Trial] = ()  # of which the front is made (`search/fronts.py`)

    @property
    def curve_budgets(self) -> Budgets:
        """Those to which the values of a looked-up curve belong; a training's curve has a value for each epoch."""
        return self.budgets if self.record.is_table else NO_BUDGETS

    @property
    def seed(self) -> int:
        return self.record.config["seed"]

    @cached_property
    def searched(self) -> list[Trial]:
        """The trials of the search."""
        return self.record.of("search")

    @cached_property
    def winner(self) -> Trial | None:
        """The exported trial; before there is one, the best so far of those that may win."""
        return find_winner(self.record, self.objectives)

    @cached_property
    def best_of_search(self) -> Trial | None:
        return find_best(self.searched, self.objectives)

    @property
    def has_measured_finalists(self) -> bool:
        """Whether any of those that may win has values, be it feasible or not."""
        return any(self.objectives.values(trial) is not None for trial in self.record.of(*CONTENDERS))

    @property
    def winner_metrics(self) -> dict[str, Any]:
        """All that is known of the winner; empty where there is none."""
        return {**((self.winner and self.winner.metrics) or {}), **self.record.exported_metrics}

    def history(self, objective: Objective) -> History:
        """The search, by one objective: trials of the largest budget, and those that failed."""
        return Objectives((objective,)).history(in_full(self.searched))

    def scores(self, objective: Objective) -> Float[np.ndarray, " n"]:
        """The values of the search trials; NaN of one without, and of one with less than the largest budget."""
        pairs = zip(self.searched, is_in_full(self.searched), strict=True)
        return np.array([score(trial, objective) if is_whole else np.nan for trial, is_whole in pairs])

    @cached_property
    def is_feasible(self) -> Bool[np.ndarray, " n"]:
        """Whether each search trial keeps the constraints."""
        return np.array([self.objectives.is_feasible(trial) for trial in self.searched], bool)

    def feasible_scores(self, objective: Objective) -> Float[np.ndarray, " n"]:
        """As `scores`; NaN also of one that breaks a constraint."""
        return np.where(self.is_feasible, self.scores(objective), np.nan)

    def sample_of_history(self, history: History) -> History:
        """A history; of more than 200 finished trials so many random ones, and as large a share of those that failed.

        They stay in their order.
        """
        num = len(history.genomes)
        if num <= _MAX_TRIALS:
            return history
        rng = np.random.default_rng(self.seed)
        kept = np.sort(rng.choice(num, _MAX_TRIALS, replace=False)).tolist()
        num_failed = len(history.failed) * _MAX_TRIALS // num
        failed = np.sort(rng.choice(len(history.failed), num_failed, replace=False)).tolist()
        return history.keep(kept, tuple(history.failed[place] for place in failed))


def read_subject(workdir: Path, parts: Parts) -> Subject:
    """Reads what the run of these parts has left in `workdir`.

    Raises:
        UserError: as `read_record`, or a file is damaged.
    """
    record = read_record(workdir)
    check_genomes(parts.space, record.trials)
    return Subject(
        record,
        parts.objectives,
        parts.space,
        parts.learner,
        rounds=read_rounds(workdir / "diagnostics.jsonl"),
        num_random=parts.strategy.num_random if isinstance(parts.strategy, RandomStart) else 0,
        test_scores=read_test_scores(workdir / "best"),
        task=parts.problem.task if parts.problem else None,
        budgets=parts.search.budgets,
        alike=measured_alike(parts, record.trials),
    )
