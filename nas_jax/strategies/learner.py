"""How a search learns from its trials: in which units a surrogate sees features, and what it is given as targets.

The strategy, the choice of the finalists and the report all learn through here, so that what a report says of a
surrogate is said of the one that searched.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from nas_jax.errors import UserError
from nas_jax.spaces.base import GeneSpace, Space
from nas_jax.strategies.pools import scale_over_space
from nas_jax.strategies.recommended import TARGETS
from nas_jax.strategies.targets import Targets, check_targets, kind_for, targets_of
from nas_jax.surrogates.base import State, Surrogate
from nas_jax.surrogates.capabilities import grouped
from nas_jax.surrogates.mixtures import mixture_moments
from nas_jax.trial import History, Prediction

# Features in units of their spread tell rare ones apart sooner, those in units of their range get stuck more rarely:
# below so many known genomes only the former, from there on either.
_ALWAYS_BY_SPREAD = 50
_FEWEST_FITS = 4  # of a mixture


def is_by_spread(num_known: int, rng: np.random.Generator | None = None) -> bool:
    """Whether features are scaled by their spread: of many known genomes by the toss of a coin, without `rng` not."""
    return num_known < _ALWAYS_BY_SPREAD or (rng is not None and bool(rng.integers(2)))


class Learned(NamedTuple):
    """A fitted surrogate, and the targets that it learned."""

    state: State
    targets: Targets


@dataclass(frozen=True)
class Learner:
    """The surrogate, and which kind of targets it makes of scores: one of `TARGETS` (`targets.py`).

    Raises:
        ValueError: an unknown kind of targets.
    """

    space: Space
    surrogate: Surrogate
    targets: str = TARGETS
    metric: str = ""  # that the scores are of; empty where that is not known

    def __post_init__(self) -> None:
        check_targets(self.targets)

    def of(self, metric: str) -> "Learner":
        """As it learns this metric, of which the targets may be of another kind."""
        return replace(self, metric=metric)

    def kind_of(self, history: History) -> str:
        """The kind of targets that it learns from a history with one value a trial."""
        return kind_for(self.metric, history.scores, self.targets)

    def targets_of(self, history: History) -> Targets:
        """Targets of the finished trials, then of those that failed.

        A failure is worse than anything that was measured: it counts as the worst score.
        """
        scores = history.scores
        return targets_of(np.append(scores, np.full(len(history.failed), scores.min())), self.kind_of(history))

    def fit(self, key: jax.Array, x: Float[np.ndarray, "n d"], history: History) -> Learned:
        """Learns from the finished and the failed genomes of `history`.

        Args:
            x: scaled features; the first rows are those of these genomes, and others are not looked at.

        Raises:
            UserError: the surrogate refuses the targets.
        """
        try:
            targets = self.targets_of(history)
            state = self.told_of_genes.fit(key, x[: len(targets.values)], targets.values)
        except ValueError as error:
            raise UserError(
                f"surrogate: {error}; targets={self.targets!r} are what it was given: set another --config.targets, or "
                "another --config.surrogate"
            ) from error
        return Learned(state, targets)

    @property
    def told_of_genes(self) -> Surrogate:
        """The surrogate, told which gene decides each feature if it has a use for that."""
        return (
            grouped(self.surrogate, self.space.feature_genes) if isinstance(self.space, GeneSpace) else self.surrogate
        )

    def mixtures(
        self, key: jax.Array, x: Float[np.ndarray, "n d"], history: History, x_new: Float[np.ndarray, "m d"]
    ) -> Iterator[list[Prediction]]:
        """What 4, 8, 16, … fits with different keys expect of measurements at `x_new`, each time as one mixture.

        The draw of one fit, of hyperparameters or of bootstrap samples, settles much of a ranking; that of a mixture
        little.

        Yields:
            A prediction for each row, in units of the score; without end.

        Raises:
            UserError: as `fit`.
        """
        means: list[np.ndarray] = []
        variances: list[np.ndarray] = []
        num_fits = _FEWEST_FITS
        while True:
            for number in range(len(means), num_fits):
                state, targets = self.fit(jax.random.fold_in(key, number), x, history)
                mean, std = self.surrogate.predict(state, x_new, with_noise=True)
                means.append(np.asarray(mean, np.float64))
                variances.append(np.asarray(std, np.float64) ** 2)
            moments = mixture_moments(np.array(means), np.array(variances))
            yield [targets.prediction(float(m), float(np.sqrt(v))) for m, v in zip(*moments, strict=True)]
            num_fits *= 2

    def cross_validate(self, history: History, seed: int, num_folds: int = 10) -> list[Prediction]:
        """Predicts each finished trial by a fit to all but those of its fold, from targets made without that fold.

        Returns:
            Predictions in the order of `history.genomes`, in units of the score, noise included.

        Raises:
            UserError: as `fit`.
            ValueError: fewer than two finished trials or folds.
        """
        num = len(history.genomes)
        if min(num, num_folds) < 2:
            raise ValueError(f"cross-validation needs two folds and two trials, got {num_folds} and {num}")
        rng, key = np.random.default_rng(seed), jax.random.key(seed)
        x, order = self.features(history, rng), rng.permutation(num)
        predictions: list[Prediction] = [Prediction(0.0, 0.0)] * num
        for number, held_out in enumerate(np.array_split(order, min(num_folds, num))):
            seen = np.setdiff1d(order, held_out)
            part = history._replace(
                genomes=tuple(history.genomes[place] for place in seen), values=history.values[seen]
            )
            rows = np.append(seen, np.arange(num, len(x)))
            state, targets = self.fit(jax.random.fold_in(key, number), x[rows], part)
            posterior = self.surrogate.predict(state, x[held_out], with_noise=True)
            for place, mean, std in zip(held_out, *map(np.asarray, posterior), strict=True):
                predictions[place] = targets.prediction(float(mean), float(std))
        return predictions

    def features(self, history: History, rng: np.random.Generator) -> Float[np.ndarray, "n d"]:
        """The scaled features of the finished and the failed genomes."""
        genomes = [*history.genomes, *history.failed]
        scale = scale_over_space(self.space, rng, genomes, is_by_spread(len(history.known)))
        return scale(self.space.encode(genomes))
