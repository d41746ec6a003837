"""Random search: the baseline that is hard to beat by little effort (Li & Talwalkar 2019)."""

from dataclasses import dataclass

import numpy as np

from nas_jax.spaces.base import Space
from nas_jax.trial import Genome, History


@dataclass(frozen=True)
class RandomSearch:
    """Draws from the space, never the same genome twice."""

    space: Space

    def propose(self, rng: np.random.Generator, history: History, num: int) -> list[Genome]:
        return self.space.sample(rng, num, exclude=history.known)


make = RandomSearch
