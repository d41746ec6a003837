"""What a surrogate may be told of a genome beside what its space encodes: features that cost no training."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from nas_jax.trial import Genome


@runtime_checkable
class Features(Protocol):
    """Numbers of genomes. A frozen dataclass, so that it hashes: what is known of a genome is remembered by it."""

    def __hash__(self) -> int: ...

    @property
    def names(self) -> tuple[str, ...]:
        """One for each feature."""
        ...

    @property
    def limit(self) -> int | None:
        """To so many new genomes they are given at a time, since each takes a moment; None: to any number."""
        ...

    def of(self, genomes: Sequence[Genome]) -> Float[np.ndarray, "n f"]:
        """The features, always the same of a genome; NaN is one that it lacks."""
        ...


@runtime_checkable
class Limited(Protocol):
    """A space that takes a moment to encode a genome."""

    @property
    def limit(self) -> int | None:
        """How many new genomes one should encode at a time; None: any number."""
        ...


def at_most(space: object, num: int) -> int:
    """So many new genomes of a space, or fewer where encoding them takes a moment each."""
    limit = space.limit if isinstance(space, Limited) else None
    return num if limit is None else min(num, limit)
