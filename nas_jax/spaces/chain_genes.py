"""The genes of chains: of each kind of layers their number, and a layer for each place."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from nas_jax import layers
from nas_jax.spaces.base import one_hot
from nas_jax.spaces.chain_network import conv
from nas_jax.trial import Genome


class Kind(NamedTuple):
    """Layers of one kind ("feature" or "fc"). Those in places beyond the number have no effect."""

    name: str
    layers: tuple[str, ...]
    least: int
    most: int

    def names(self, num: int) -> list[str]:
        """The gene of the number, and those of the first `num` places."""
        return [f"{self.name} layers", *(f"{self.name} layer {place}" for place in range(1, num + 1))]

    @property
    def gene_choices(self) -> dict[str, tuple[int | str, ...]]:
        most = self.most if self.layers else 0
        number, *places = self.names(most)
        return {number: tuple(range(self.least, most + 1)), **dict.fromkeys(places, self.layers)}

    @property
    def feature_genes(self) -> list[str]:
        """The place of each feature: one for each layer that can be there, and a mask."""
        return [name for name in self.names(self.most)[1:] for _ in (*self.layers, "mask")]

    def encode(self, part: Genome) -> list[float]:
        """The numbers of `feature_genes` for the layers of this kind."""
        padded = [*part, *[None] * (self.most - len(part))]
        return [number for layer in padded for number in (*one_hot(layer, self.layers), float(layer is not None))]

    def genes_of(self, part: Genome) -> dict[str, int | str | None]:
        """The genes of the layers of this kind."""
        return dict.fromkeys(self.gene_choices) | dict(zip(self.names(len(part)), (len(part), *part), strict=True))


def split_choices(choices: Sequence[Any], kinds: Sequence[Kind]) -> Iterator[tuple[int, Genome]]:
    """Of each kind the number of layers and those of all places that have one, from a choice for each gene."""
    start = 0
    for kind in kinds:
        end = start + len(kind.gene_choices)
        number, *placed = choices[start:end]
        yield number, tuple(layer for layer in placed if layer is not None)
        start = end


def not_larger(layer: str, sizes: Iterable[int]) -> list[str]:
    """A convolution with each of `sizes` up to its own, the largest first; another layer as it is."""
    if layer in layers.POOLS:
        return [layer]
    size, filters = conv(layer)
    return [f"conv{other}x{other}-{filters}" for other in sorted(sizes, reverse=True) if other <= size]
