"""What every space is, and the two things that most spaces need: distinct draws and one-hot features."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax.typing
import numpy as np
from flax import linen as nn
from jaxtyping import Float

from nas_jax.trial import Genome


class Cost(NamedTuple):
    """What a network costs, known without building it.

    `flops` are those of one forward pass of one image: two for each multiply-add of a convolution or a
    dense layer. Normalisation, activations and pooling are not counted.
    """

    num_params: int
    flops: int


@runtime_checkable
class Space(Protocol):
    """A set of architectures. Its genomes are canonical: two different genomes are two different networks.

    Spaces are frozen dataclasses: they compare and hash by their fields.
    """

    def __hash__(self) -> int: ...

    @property
    def num_genomes(self) -> int:
        """How many genomes there are: exactly, or at most where counting would take enumeration.

        It answers whether `genomes` can be enumerated. Cheap after the first call.
        """
        ...

    def genomes(self) -> Iterator[Genome]:
        """Every genome once, in a fixed order."""
        ...

    def sample(self, rng: np.random.Generator, num: int, exclude: Collection[Genome] = frozenset()) -> list[Genome]:
        """Draws `num` genomes, none twice and none of `exclude`; fewer only if the space has no more."""
        ...

    def mutate(self, rng: np.random.Generator, genome: Genome) -> Genome:
        """A genome one random edit away; never `genome` itself.

        Raises:
            ValueError: `genome` has no neighbours.
        """
        ...

    def neighbors(self, genome: Genome) -> list[Genome]:
        """Every genome one edit away, each once."""
        ...

    def crossover(self, rng: np.random.Generator, first: Genome, second: Genome) -> Genome:
        """A genome of the space that takes after both; it may equal one of them."""
        ...

    def encode(self, genomes: Sequence[Genome]) -> Float[np.ndarray, "n d"]:
        """Features for a surrogate; `d` is the same for every genome of the space."""
        ...

    def describe(self, genome: Genome) -> str:
        """The genome as a line that a person reads."""
        ...


@runtime_checkable
class Extended(Protocol):
    """A space with the genomes of another one, of which it says more, as with features beside."""

    @property
    def space(self) -> Space: ...

    def over(self, space: Space) -> Space:
        """The same of another space."""
        ...


@runtime_checkable
class NetworkSpace(Space, Protocol):
    """A space that knows its networks, so that they can be trained. The others are of tables alone."""

    def cost(self, genome: Genome) -> Cost:
        """Parameters and FLOPs."""
        ...

    def network(self, genome: Genome, dtype: jax.typing.DTypeLike) -> nn.Module:
        """The Flax module: `(images [b, h, w, c], train) -> outputs [b, num_outputs]`, computed in `dtype`."""
        ...


@runtime_checkable
class Offering(Protocol):
    """A space, or its class, that says what its networks take and give: "image -> vector", "tokens -> sequence"."""

    @property
    def signatures(self) -> tuple[str, ...]: ...


@runtime_checkable
class GeneSpace(Space, Protocol):
    """A space that says what its genomes are made of, so that one can ask which part of them mattered.

    Genes are independent of each other: a combination of choices, one for each, stands for a genome. Several may stand
    for the same one, and some for none: where a table has gaps, or where layers do not fit.
    """

    @property
    def gene_choices(self) -> dict[str, tuple[Any, ...]]:
        """The choices of each gene, by its name."""
        ...

    @property
    def feature_genes(self) -> tuple[str, ...]:
        """For each of the `d` features of `encode` the gene that alone decides it, or a name that is no gene's."""
        ...

    def genes_of(self, genome: Genome) -> dict[str, Any]:
        """The choice of each gene that `genome` stands for; None of a gene that has no effect on it."""
        ...

    def express(self, choices: Sequence[Any]) -> Genome | None:
        """The genome that a choice of each gene, in their order, stands for; None if there is none.

        It takes what `genes_of` gives, None included, and gives the same genome back.
        """
        ...


def sample_distinct(
    draw: Callable[[], Genome],
    all_genomes: Callable[[], Iterable[Genome]],
    rng: np.random.Generator,
    num: int,
    exclude: Collection[Genome],
    max_misses: int = 1000,
) -> list[Genome]:
    """Calls `draw` until it has given `num` different genomes outside `exclude`.

    After `max_misses` useless draws in a row hardly anything is left: the rest is then enumerated with
    `all_genomes` and drawn from uniformly, and the list is short if that does not suffice.
    """
    excluded = exclude if isinstance(exclude, frozenset | set) else frozenset(exclude)
    found: dict[Genome, None] = {}
    misses = 0
    while len(found) < num and misses < max_misses:
        genome = draw()
        is_new = genome not in excluded and genome not in found
        misses = 0 if is_new else misses + 1
        if is_new:
            found[genome] = None
    if len(found) < num:
        rest = [genome for genome in all_genomes() if genome not in excluded and genome not in found]
        chosen = rng.permutation(len(rest))[: num - len(found)]
        found.update((rest[index], None) for index in chosen)
    return list(found)


def one_hot(value: Any, choices: Sequence[Any]) -> list[float]:
    """A one at the place of `value` in `choices`; all zeros if it is not there."""
    return [float(value == choice) for choice in choices]
