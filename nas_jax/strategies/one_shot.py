"""One round of surrogate-guided search: random genomes, one surrogate of them, and the best of what it then ranks."""

from dataclasses import dataclass, field

import jax
import numpy as np

from nas_jax.errors import UserError
from nas_jax.features.base import at_most
from nas_jax.objectives import Objectives
from nas_jax.spaces.base import Space
from nas_jax.strategies.base import Proposal, random_proposals
from nas_jax.strategies.checks import checked_history
from nas_jax.strategies.learner import Learner, is_by_spread
from nas_jax.strategies.order import is_of_one
from nas_jax.strategies.pools import scale_of
from nas_jax.strategies.recommended import TARGETS, recommended_surrogate
from nas_jax.surrogates.base import Surrogate
from nas_jax.trial import History


@dataclass(frozen=True)
class OneShot:
    """`num_random` random genomes; after them, by posterior mean, the best of `num_candidates` new ones.

    The surrogate learns from the random genomes alone: what comes later never changes it. Where fewer than two of them
    were measured, more random ones follow until there are two.

    Args:
        surrogate: The recommended one, unless another is given (`recommended.py`).
        targets: What the surrogate learns of scores: one of the kinds of `targets.py`.
        objectives: What the values are of.

    Raises:
        ValueError: a number that is too small, or an unknown kind of targets.
    """

    space: Space
    surrogate: Surrogate = field(default_factory=recommended_surrogate)
    targets: str = TARGETS
    num_random: int = 100
    num_candidates: int = 1000
    objectives: Objectives | None = None

    def __post_init__(self) -> None:
        Learner(self.space, self.surrogate, self.targets)  # refuses unknown targets
        if self.num_random < 2 or self.num_candidates < 1:
            raise ValueError(f"num_random has to be at least 2 and num_candidates at least 1: {self}")

    @property
    def learner(self) -> Learner:
        return Learner(self.space, self.surrogate, self.targets)

    def propose(self, rng: np.random.Generator, history: History, num: int) -> list[Proposal]:
        history = checked_history(self.space, history)
        if not is_of_one(history):
            raise UserError(
                "strategy one_shot ranks by one objective without constraints; with several, or with constraints, take "
                "--config.strategy=bayesopt, evolution, local_search or random_search"
            )
        if len(history.known) < self.num_random or len(history.genomes) < 2:
            return random_proposals(self.space, rng, history, num)
        candidates = self.space.sample(rng, max(num, at_most(self.space, self.num_candidates)), exclude=history.known)
        if not candidates:
            return []
        random = self._random_part(history)
        x = self.space.encode([*random.genomes, *candidates])
        x = scale_of(x, is_by_spread(len(random.genomes)))(x)
        learner = self.learner.of(self.objectives.metrics[0]) if self.objectives else self.learner
        state, targets = learner.fit(jax.random.key(0), x, random)
        posterior = self.surrogate.predict(state, x[len(random.genomes) :], with_noise=True)
        mean, std = np.asarray(posterior.mean), np.asarray(posterior.std)
        best = np.argsort(-mean, kind="stable")[:num]
        return [
            Proposal(
                candidates[place],
                predictions=(targets.prediction(float(mean[place]), float(std[place])),),
                details={"rank": rank},
            )
            for rank, place in enumerate(best)
        ]

    def _random_part(self, history: History) -> History:
        """The finished trials that were drawn at random: the first ones by their places, whatever failed among them."""
        num_drawn = max(self.num_random, history.places[1] + 1)
        num = sum(place < num_drawn for place in history.places)
        return history._replace(genomes=history.genomes[:num], values=history.values[:num], failed=())


make = OneShot
