"""What every strategy is: a pure function of the past."""

from typing import Protocol, runtime_checkable

import numpy as np

from nas_jax.trial import Genome, History


@runtime_checkable
class Strategy(Protocol):
    """Says what to try next. It remembers nothing: all it knows is in the history."""

    def propose(self, rng: np.random.Generator, history: History, num: int) -> list[Genome]:
        """The next `num` genomes, all different and none of `history.known`; fewer only if no more exist."""
        ...
