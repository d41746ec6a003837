"""What importance is asked of: a surrogate that has learned from a search, as the search had it learn.

All that is said of it is about the surrogate, and as good as that is: a gene that it did not notice has no importance.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from nas_jax.errors import UserError
from nas_jax.importance.points import ChoicePoints, FeaturePoints, points_for
from nas_jax.objectives import Objective
from nas_jax.spaces.base import GeneSpace
from nas_jax.strategies.learner import Learner, is_by_spread
from nas_jax.strategies.pools import Scale, scale_over_space
from nas_jax.surrogates.base import State, Surrogate
from nas_jax.trial import History

MIN_TRIALS = 10  # with a score, of which importance can be asked at all

_UNITS = {  # of what is learned, by the kind of targets
    "ranks": "deviations of normal scores (ranks)",
    "scores": "units of {metric}",
    "log_errors": "units of minus the logarithm of the error",
    "logarithms": "units of the logarithm",
}


def units_of_effects(kind: str, objective: Objective) -> str:
    """In what effects are told, and which sign is good where less of the metric is better; `kind` is of targets."""
    unit = _UNITS[kind].format(metric=objective.metric)
    return unit if objective.maximize else f"{unit}, where + is an improvement: less {objective.metric}"


class Fitted(NamedTuple):
    """A surrogate, what it learned, and the scale of the features that it learned from."""

    surrogate: Surrogate
    state: State
    scale: Scale

    def mean(self, features: Float[np.ndarray, "m d"]) -> Float[np.ndarray, " m"]:
        """Posterior means; NaN for rows of NaN."""
        known = ~np.isnan(features).any(axis=1)
        means = np.full(len(features), np.nan)
        if known.any():
            x = self.scale(features[known].astype(np.float32))  # as spaces encode them
            means[known] = self.surrogate.predict(self.state, x).mean
        return means


class Fold(NamedTuple):
    """A fit to all trials but some of the finished ones."""

    fitted: Fitted
    held_out: Int[np.ndarray, " h"]


@dataclass(frozen=True)
class Study:
    """The history of a search, and fits of its learner to it. The seed settles whatever is drawn.

    What is learned is in units of targets (`strategies/targets.py`): ranks or scores. Failed trials are learned from
    too, as in the search, and nothing else is asked of them.

    Raises:
        UserError: the surrogate refuses the targets, when a fit is asked for.
    """

    space: GeneSpace
    learner: Learner
    history: History
    seed: int
    num_folds: int = 5

    @property
    def rng(self) -> np.random.Generator:
        """A new generator, always the same."""
        return np.random.default_rng(self.seed)

    @property
    def key(self) -> jax.Array:
        return jax.random.key(self.seed)

    @cached_property
    def points(self) -> ChoicePoints | FeaturePoints:
        """How genomes are written as points whose genes can be exchanged."""
        return points_for(self.space, self.rng)

    @cached_property
    def trials(self) -> Float[np.ndarray, "n c"]:
        """The points of the finished trials."""
        return self.points.points_of(self.rng, self.history.genomes)

    @cached_property
    def scale(self) -> Scale:
        genomes = [*self.history.genomes, *self.history.failed]
        return scale_over_space(self.space, self.rng, genomes, is_by_spread(len(self.history.known)))

    @cached_property
    def x(self) -> Float[np.ndarray, "m d"]:
        """The scaled features of the finished trials, then of those that failed."""
        return self.scale(self.space.encode([*self.history.genomes, *self.history.failed]))

    @cached_property
    def targets(self) -> Float[np.ndarray, " m"]:
        """What was learned of them."""
        try:
            return self.learner.targets_of(self.history).values
        except ValueError as error:
            raise UserError(f"targets: {error}") from error

    @property
    def y(self) -> Float[np.ndarray, " n"]:
        """The targets of the finished trials."""
        return self.targets[: len(self.history.genomes)]

    @cached_property
    def fitted(self) -> Fitted:
        return self._fit(self.key, np.arange(len(self.x)))

    @cached_property
    def folds(self) -> Sequence[Fold]:
        """Fits to all but one of the random folds, for each of them; their targets are those of all trials."""
        num = len(self.y)
        order = np.asarray(jax.random.permutation(self.key, num))
        folds = []
        for number, held_out in enumerate(np.array_split(order, min(self.num_folds, num))):
            seen = np.setdiff1d(np.arange(len(self.x)), held_out)
            folds.append(Fold(self._fit(jax.random.fold_in(self.key, number), seen), held_out))
        return folds

    def _fit(self, key: jax.Array, rows: Int[np.ndarray, " s"]) -> Fitted:
        surrogate = self.learner.told_of_genes
        try:
            return Fitted(surrogate, surrogate.fit(key, self.x[rows], self.targets[rows]), self.scale)
        except ValueError as error:
            raise UserError(
                f"surrogate: {error}; --targets=scores or --targets=ranks gives it other targets"
            ) from error
