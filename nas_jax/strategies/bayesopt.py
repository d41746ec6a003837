"""Bayesian optimisation: a surrogate of all that was measured says which untried genome promises most.

By default a promise is an upper confidence bound (Srinivas et al., "Gaussian Process Optimization in the Bandit
Setting", 2010) of a surrogate that has learned the ranks of the scores (`targets.py`); `experiments/search_benchmark`
says why. Expected improvement (Jones, Schonlau & Welch, "Efficient Global Optimization of Expensive Black-Box
Functions", 1998) is counted from the largest posterior mean among the candidates, not from the best measurement, which
noise made lucky: on a finite space the question is whether another candidate beats the one that is taken greedily.

Of several objectives, and of constraints that have to be learned, `tradeoffs.py` says what a candidate promises.
"""

from dataclasses import dataclass, field

import jax
import numpy as np

from nas_jax.objectives import Objectives
from nas_jax.spaces.allowed import allowed
from nas_jax.spaces.base import Space
from nas_jax.strategies.base import Proposal, one_by_one, random_proposal
from nas_jax.strategies.checks import checked_history
from nas_jax.strategies.learner import Learned, Learner, is_by_spread
from nas_jax.strategies.pools import Pool, make_pool
from nas_jax.strategies.recommended import TARGETS, recommended_surrogate
from nas_jax.strategies.targets import prediction_of
from nas_jax.strategies.tradeoffs import Believing, weigh
from nas_jax.surrogates import acquisition
from nas_jax.surrogates.base import Posterior, Surrogate
from nas_jax.surrogates.capabilities import conditioner_of, description_of, sampler_of
from nas_jax.surrogates.padding import padded_posterior
from nas_jax.trial import History

ACQUISITIONS = ("expected_improvement", "probability_of_improvement", "upper_confidence_bound", "thompson", "mean")
_MAX_JOINT = 1000  # candidates of a joint Thompson draw, which costs their factorisation


@dataclass(frozen=True)
class Bayesopt:
    """Settings of a Bayesian optimisation. Pending genomes count as measured, with their posterior mean as the result.

    Args:
        surrogate: The recommended one, unless another is given (`recommended.py`).
        num_initial: Random genomes, before the surrogate is asked.
        acquisition: One of ACQUISITIONS, for one objective without constraints that have to be learned; others have the
            expected improvement of the hypervolume. "thompson" draws the function at all candidates together where the
            surrogate can (has `sample`) and they are at most 1,000, else point by point.
        targets: What the surrogate learns of scores: one of the kinds of `targets.py`.
        beta: Optimism of "upper_confidence_bound", squared deviations.
        num_candidates: Candidates of a proposal where the space is too large to be enumerated.
        max_enumerated: The largest number of genomes that are enumerated.
        objectives: What the values are of: tells which of them the space knows, and what it must not propose.

    Raises:
        ValueError: an unknown acquisition or kind of targets, or a number below one.
    """

    space: Space
    surrogate: Surrogate = field(default_factory=recommended_surrogate)
    num_initial: int = 8
    acquisition: str = "upper_confidence_bound"
    targets: str = TARGETS
    beta: float = 4.0
    num_candidates: int = 1000
    max_enumerated: int = 20_000
    objectives: Objectives | None = None

    def __post_init__(self) -> None:
        if self.acquisition not in ACQUISITIONS:
            raise ValueError(f"unknown acquisition {self.acquisition!r}; choose from {', '.join(ACQUISITIONS)}")
        Learner(self.space, self.surrogate, self.targets)  # refuses unknown targets
        if min(self.num_initial, self.num_candidates) < 1 or self.max_enumerated < 0 or self.beta < 0:
            raise ValueError(f"num_initial and num_candidates have to be at least 1, no number negative: {self}")

    @property
    def num_random(self) -> int:
        return self.num_initial

    @property
    def learner(self) -> Learner:
        return Learner(self.space, self.surrogate, self.targets)

    def propose(self, rng: np.random.Generator, history: History, num: int) -> list[Proposal]:
        """One after the other, each as if those before it were pending: never the first `num` of one ranking."""
        return one_by_one(self._next, rng, checked_history(self.space, history), num)

    def _next(self, rng: np.random.Generator, history: History) -> Proposal | None:
        space = allowed(self.space, self.objectives)
        if len(history.known) < self.num_initial or not history.genomes:
            return random_proposal(space, rng, history)
        by_spread = is_by_spread(len(history.known), rng)
        pool = make_pool(space, rng, history, self.num_candidates, self.max_enumerated, by_spread=by_spread)
        if not pool.candidates:
            return None
        key = jax.random.key(int(rng.integers(1 << 31)))
        if self._weighs(history):
            return self._weighed(rng, key, pool, history)
        learned = self._learn(key, pool, history, self.objectives.metrics[0] if self.objectives else "")
        posterior = self.surrogate.predict(learned.state, pool.x)
        values = self._values(rng, learned, pool, posterior)
        choice = int(rng.choice(np.flatnonzero(values == values.max())))
        expected = self.surrogate.predict(learned.state, pool.x[[choice]], with_noise=True)
        mean, std = (float(part[0]) for part in expected)
        details = {"acquisition": self.acquisition, "value": float(values[choice])}
        details |= description_of(self.surrogate, learned.state)
        return Proposal(pool.candidates[choice], predictions=(learned.targets.prediction(mean, std),), details=details)

    def _weighs(self, history: History) -> bool:
        """Whether there is more than one column to learn."""
        return history.values.shape[1] > 1 or bool(self._believing.learned_limits(history))

    @property
    def _believing(self) -> Believing:
        return Believing(self.space, self.surrogate, self._learn, self.targets, self.objectives)

    def _weighed(self, rng: np.random.Generator, key: jax.Array, pool: Pool, history: History) -> Proposal:
        """The candidate that promises most to the front."""
        beliefs = self._believing.tradeoffs(key, pool, history)
        aim, values = weigh(rng, beliefs, self._believing.reference(history), self.beta)
        choice = int(rng.choice(np.flatnonzero(values == values.max())))
        row = len(pool.known) + choice
        details = {
            "acquisition": aim,
            "value": float(values[choice]),
            "log_feasible": float(beliefs.log_feasible[row]),
        }
        predictions = tuple(
            prediction_of(each.line.__call__, each.mean[row], each.std[row]) for each in beliefs.objectives
        )
        return Proposal(pool.candidates[choice], predictions=predictions, details=details)

    def _learn(self, key: jax.Array, pool: Pool, history: History, metric: str) -> Learned:
        """What was measured of a metric, and as if it were the posterior mean of each pending genome."""
        learned = self.learner.of(metric).fit(key, pool.known, history)
        pending = pool.known[len(learned.targets.values) :]
        if not len(pending):
            return learned
        fantasies = np.asarray(self.surrogate.predict(learned.state, pending).mean, np.float64)
        condition = conditioner_of(self.surrogate, learned.state)
        if condition is not None:  # keeps the hyperparameters
            return learned._replace(state=condition(pending, fantasies))
        values = np.append(learned.targets.values, fantasies)
        return learned._replace(state=self.learner.told_of_genes.fit(key, pool.known, values))

    def _values(self, rng: np.random.Generator, learned: Learned, pool: Pool, posterior: Posterior) -> np.ndarray:
        """The acquisition of each candidate; higher is better."""
        mean = np.asarray(posterior.mean)
        posterior = padded_posterior(posterior)
        if self.acquisition == "thompson":
            key = jax.random.key(int(rng.integers(1 << 31)))
            sample = sampler_of(self.surrogate, learned.state)
            if sample is not None and len(mean) <= _MAX_JOINT:
                return np.asarray(sample(key, pool.x, 1))[0]
            return np.asarray(acquisition.thompson_draws(posterior, key, 1))[0, : len(mean)]
        if self.acquisition == "upper_confidence_bound":
            return np.asarray(acquisition.upper_confidence_bound(posterior, self.beta))[: len(mean)]
        if self.acquisition == "mean":
            return mean
        if self.acquisition == "probability_of_improvement":  # over the largest mean it would take that mean itself
            best = float(learned.targets.values.max())
            return np.asarray(acquisition.log_probability_of_improvement(posterior, best))[: len(mean)]
        return np.asarray(acquisition.log_expected_improvement(posterior, mean.max()))[: len(mean)]


make = Bayesopt
