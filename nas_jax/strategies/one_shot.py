"""One round of surrogate-guided search: random genomes, one surrogate of them, and the best of what it then ranks."""

from dataclasses import dataclass

import jax
import numpy as np

from nas_jax.spaces.base import Space
from nas_jax.strategies.base import Proposal, random_proposals
from nas_jax.strategies.pools import unit_features
from nas_jax.surrogates.base import Surrogate
from nas_jax.trial import History, Prediction


@dataclass(frozen=True)
class OneShot:
    """`num_random` random genomes; after them, by posterior mean, the best of `num_candidates` new ones.

    The surrogate learns from the first `num_random` genomes alone: what comes later never changes it.
    """

    space: Space
    surrogate: Surrogate
    num_random: int = 100
    num_candidates: int = 1000

    def __post_init__(self) -> None:
        if self.num_random < 2 or self.num_candidates < 1:
            raise ValueError(f"num_random has to be at least 2 and num_candidates at least 1: {self}")

    def propose(self, rng: np.random.Generator, history: History, num: int) -> list[Proposal]:
        if len(history.known) < self.num_random or len(history.genomes) < 2:
            return random_proposals(self.space, rng, history, num)
        first = history.genomes[: self.num_random]
        candidates = self.space.sample(rng, max(num, self.num_candidates), exclude=history.known)
        if not candidates:
            return []
        x = unit_features(self.space, [*first, *candidates])
        state = self.surrogate.fit(jax.random.key(0), x[: len(first)], history.scores[: len(first)])
        posterior = self.surrogate.predict(state, x[len(first) :], with_noise=True)
        mean, std = np.asarray(posterior.mean), np.asarray(posterior.std)
        best = np.argsort(-mean, kind="stable")[:num]
        return [
            Proposal(candidates[i], Prediction(float(mean[i]), float(std[i])), {"rank": n}) for n, i in enumerate(best)
        ]


make = OneShot
