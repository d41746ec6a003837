"""How Bayesian optimisation weighs several objectives, or constraints that have to be learned.

A candidate is worth what it is expected to add to the hypervolume (`surrogates/improvement.py`), times the probability
that it is feasible (Gardner et al., "Bayesian Optimization with Inequality Constraints", 2014, eq. 5). Each objective
and each constraint has a surrogate of its own; what the space knows before any measurement is no guess but taken as it
is. The front is that of the posterior medians of all candidates and all that was measured, not that of the
measurements, among which noise made some lucky: as for one objective, the question is what a candidate may add to what
would be taken greedily.

By the throw of a die the hypervolume is that of the values, from the reference, or that of the targets that the
surrogates learn, from the worst of them; or one objective alone is followed to its end of the front, by an upper
confidence bound. The first looks where most is to gain, the second where values crowd, such as among the best
accuracies, and the third does not give up an end that is hard to find. An end is found, and followed no more, when
what was measured there is better than all candidates are expected to be, even with 1.5 deviations on top.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Bool, Float
from scipy.special import log_ndtr

from nas_jax.fronts import nondominated
from nas_jax.objectives import Objectives, inferred_reference
from nas_jax.spaces.allowed import known_metrics
from nas_jax.spaces.base import Space
from nas_jax.strategies.learner import Learned
from nas_jax.strategies.pools import Pool
from nas_jax.strategies.targets import OF_A_LIMIT, targets_of
from nas_jax.surrogates.base import Surrogate
from nas_jax.surrogates.improvement import STRAIGHT, Marginal, boxes_above, expected_hypervolume_improvement
from nas_jax.trial import Genome, History

Learn = Callable[[jax.Array, Pool, History, str], Learned]  # the last is the metric, or empty

_MAX_POINTS = {2: 1000, 3: 100, 4: 16, 5: 8}  # of a front by its objectives: the number of boxes grows with a power
_LIKELY = 0.5  # from which probability on a point counts as feasible where the front is drawn
_TINY = 1e-300
_SIDES = 4  # of the die: one end of the front, the targets, and twice the values
_OPEN = 2.25  # optimism, in squared deviations, with which an end is looked at before it is followed
_MARGIN = 0.1  # of the spread of the targets, by which their reference lies below the worst


class Tradeoffs(NamedTuple):
    """What is believed of each objective and each learned constraint, at the known genomes and then the candidates."""

    objectives: list[Marginal]
    worst: Float[np.ndarray, " k"]  # what is below all targets
    log_feasible: Float[np.ndarray, " n"]  # the logarithm of the probability that all learned constraints are kept
    num_known: int

    def of_targets(self) -> "Tradeoffs":
        """The same, in units of the targets."""
        return self._replace(objectives=[each._replace(line=STRAIGHT) for each in self.objectives])

    def bounds(self, place: int, reference: Float[np.ndarray, " k"], beta: float) -> Float[np.ndarray, " m"]:
        """An upper confidence bound of one objective, of what is likely feasible and above the reference in the others.

        What is not has minus infinity, unless nothing is.
        """
        marginal, rows = self.objectives[place], slice(self.num_known, None)
        is_in = self._is_in(place, reference)[rows]
        bound = marginal.mean[rows] + np.sqrt(beta) * marginal.std[rows]
        return np.where(is_in, bound, -np.inf) if is_in.any() else bound + self.log_feasible[rows]

    def is_open(self, place: int, reference: Float[np.ndarray, " k"]) -> bool:
        """Whether a candidate may yet be better in one objective than the best that is known."""
        known = self.objectives[place].mean[: self.num_known][self._is_in(place, reference)[: self.num_known]]
        return not len(known) or bool(self.bounds(place, reference, _OPEN).max() > known.max())

    def _is_in(self, place: int, reference: Float[np.ndarray, " k"]) -> Bool[np.ndarray, " n"]:
        """What is likely feasible, and above the reference in all objectives but one."""
        others = [each.centre > reference[other] for other, each in enumerate(self.objectives) if other != place]
        return np.logical_and.reduce([self.log_feasible >= np.log(_LIKELY), *others])

    def values(self, reference: Float[np.ndarray, " k"]) -> Float[np.ndarray, " m"]:
        """The logarithm of what each candidate promises; higher is better."""
        medians = np.stack([marginal.centre for marginal in self.objectives], axis=1)
        likely = medians[self.log_feasible >= np.log(_LIKELY)]
        boxes = boxes_above(_front(likely, reference), reference)
        rows = np.arange(self.num_known, len(medians))
        gains = expected_hypervolume_improvement([marginal.rows(rows) for marginal in self.objectives], boxes)
        return np.log(np.maximum(gains, _TINY)) + self.log_feasible[rows]


class Believing(NamedTuple):
    """What beliefs come from: the space, its surrogate and how it learns one column of values."""

    space: Space
    surrogate: Surrogate
    learn: Learn
    targets: str
    objectives: Objectives | None

    def tradeoffs(self, key: jax.Array, pool: Pool, history: History) -> Tradeoffs:
        """Beliefs of everything at the known genomes and the candidates."""
        x = np.concatenate([pool.known, pool.x])
        genomes = [*history.genomes, *history.failed, *history.pending, *pool.candidates]
        num_objectives = history.values.shape[1]
        marginals, worst = [], []
        for place in range(num_objectives):
            metric = self.objectives.metrics[place] if self.objectives else ""
            known = self._known(place, genomes)
            of_one = history.of(history.values[:, place])
            if known is None:
                marginal, targets = self._learned(jax.random.fold_in(key, place), pool, of_one, x, metric)
            else:
                marginal = _marginal_of_known(known, of_one, self.targets)
                targets = marginal.mean[: len(history.genomes)]
            marginals.append(marginal)
            worst.append(targets.min() - _MARGIN * np.ptp(targets))
        log_feasible = np.zeros(len(x))
        for place in self.learned_limits(history):
            margin = history.of(-history.violations[:, place])
            kept, _ = self._learned(jax.random.fold_in(key, num_objectives + place), pool, margin, x, OF_A_LIMIT)
            log_feasible += _log_probability_positive(kept)
        return Tradeoffs(marginals, np.array(worst), log_feasible, len(pool.known))

    def reference(self, history: History) -> Float[np.ndarray, " k"]:
        """From where the hypervolume counts."""
        if self.objectives is not None:
            return self.objectives.reference(history)
        return inferred_reference(history.values)

    def _known(self, place: int, genomes: Sequence[Genome]) -> Float[np.ndarray, " n"] | None:
        """The values of an objective that the space tells; None of one that has to be learned."""
        if self.objectives is None or self.objectives.each[place].metric not in self.objectives.known:
            return None
        objective = self.objectives.each[place]
        return objective.sign * known_metrics(self.space, genomes, objective.metric)

    def learned_limits(self, history: History) -> list[int]:
        """The columns of the violations that nothing tells before a measurement."""
        if self.objectives is None:
            return list(range(history.violations.shape[1]))
        names = [each.metric for each in self.objectives.constraints for _ in range(each.num_limits)]
        return [place for place, name in enumerate(names) if name not in self.objectives.known]

    def _learned(
        self, key: jax.Array, pool: Pool, history: History, x: np.ndarray, metric: str
    ) -> tuple[Marginal, Float[np.ndarray, " n"]]:
        """What is predicted, and the targets that were learned."""
        learned = self.learn(key, pool, history, metric)
        mean, std = self.surrogate.predict(learned.state, x)
        marginal = Marginal(np.asarray(mean, np.float64), np.asarray(std, np.float64), learned.targets.line)
        return marginal, learned.targets.values


def _marginal_of_known(values: Float[np.ndarray, " n"], history: History, targets: str) -> Marginal:
    """Known values as targets with a line back, as those of the history would be learned."""
    line = targets_of(history.scores, targets).line
    return Marginal(line.inverse(values), np.zeros(len(values)), line)


def weigh(
    rng: np.random.Generator, beliefs: Tradeoffs, reference: Float[np.ndarray, " k"], beta: float
) -> tuple[str, Float[np.ndarray, " m"]]:
    """What each candidate promises by one of the three ways, and the name of the way."""
    die = int(rng.integers(_SIDES))
    if die == 0:
        learned = [place for place, each in enumerate(beliefs.objectives) if each.std.any()]
        if ends := [place for place in learned if beliefs.is_open(place, reference)]:
            return "upper_confidence_bound", beliefs.bounds(int(rng.choice(ends)), reference, beta)
    if die == 1:
        return "expected_hypervolume_improvement of targets", beliefs.of_targets().values(beliefs.worst)
    return "expected_hypervolume_improvement", beliefs.values(reference)


def _front(points: Float[np.ndarray, "n k"], reference: Float[np.ndarray, " k"]) -> Float[np.ndarray, "f k"]:
    """The front above the reference; of one with too many points those that are spread over its first objective."""
    points = points[(points > reference).all(axis=1)]
    front = points[nondominated(points)]
    most = _MAX_POINTS.get(front.shape[1], 1000 if front.shape[1] < 2 else 6)
    if len(front) <= most:
        return front
    order = np.argsort(front[:, 0], kind="stable")
    return front[order[np.linspace(0, len(front) - 1, most).round().astype(int)]]


def _log_probability_positive(marginal: Marginal) -> Float[np.ndarray, " n"]:
    """The logarithm of the probability that the bent value is not negative."""
    line = marginal.line
    if line.slope_below == line.slope_above == 0:  # all values are the same
        return np.full(len(marginal.mean), 0.0 if line.heights[0] >= 0 else np.log(0.5))
    z = line.inverse(np.zeros(1))[0]
    return log_ndtr((marginal.mean - z) / np.maximum(marginal.std, 1e-12))
