"""Chains: convolutions and 2x2 pools, then fully connected layers, then the classifier.

A genome is a tuple of layer names, `("conv3x3-32", "max", "fc-256")`. Three rules make every genome valid and
canonical:

- a pool needs a map of at least 2x2;
- a filter is no larger than it has to be: on a 2x2 map the outer ring of a 5x5 filter meets nothing but padding,
  so where there are 3x3 filters, 5x5 is not drawn;
- the last feature layer is no average pool where the pooling at the end would do the same. The map at the end
  is averaged down to 4x4, and averaging twice is averaging once when the side is a multiple of 8.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import accumulate, product
from typing import Any, ClassVar

import jax.numpy as jnp
import jax.typing
import numpy as np
from jaxtyping import Float

from nas_jax import layers
from nas_jax.spaces.base import Cost, sample_distinct
from nas_jax.spaces.chain_genes import Kind, not_larger, split_choices
from nas_jax.spaces.chain_network import ChainNetwork, chain_cost, chain_layers, conv, is_fc, num_pools_of
from nas_jax.spaces.sequences import edits
from nas_jax.spaces.structure import Layer
from nas_jax.trial import Genome

_MOST_LAYERS = 1000  # of a kind; chains are counted layer by layer


@dataclass(frozen=True)
class Chain:
    """All chains with layers from the given choices and numbers of layers within the given bounds.

    `image_shape` is (height, width, channels); it comes from the data set, and `num_outputs` from the task. With
    `free_features`, log10 of parameters and FLOPs are encoded as well, known without training.
    """

    signatures: ClassVar[tuple[str, ...]] = ("image -> vector",)

    image_shape: tuple[int, int, int]
    num_outputs: int
    conv_sizes: tuple[int, ...] = (3, 5)
    conv_filters: tuple[int, ...] = (16, 32, 64)
    pool_types: tuple[str, ...] = ("max", "avg")
    fc_units: tuple[int, ...] = (128, 256, 512)
    min_feature_layers: int = 1
    max_feature_layers: int = 6
    min_fc_layers: int = 1
    max_fc_layers: int = 2
    free_features: bool = True

    def __post_init__(self) -> None:
        for kind in ("feature", "fc"):
            low, high = getattr(self, f"min_{kind}_layers"), getattr(self, f"max_{kind}_layers")
            if not 0 <= low <= high <= _MOST_LAYERS:
                raise ValueError(
                    f"min_{kind}_layers={low}, max_{kind}_layers={high}: need 0 <= min <= max <= {_MOST_LAYERS}"
                )
        numbers = {name: getattr(self, name) for name in ("conv_sizes", "conv_filters", "fc_units")}
        for name, choices in {**numbers, "pool_types": self.pool_types}.items():
            if len(set(choices)) < len(choices):
                raise ValueError(f"{name}={choices} names a choice twice")
            if name in numbers and any(not isinstance(choice, int) or choice < 1 for choice in choices):
                raise ValueError(f"{name}={choices}: every choice has to be a whole number from 1")
        if any(size % 2 == 0 for size in self.conv_sizes):
            raise ValueError(f"conv_sizes={self.conv_sizes}: filter sizes have to be odd")
        if unknown := set(self.pool_types) - set(layers.POOLS):
            raise ValueError(f"pool_types has {', '.join(sorted(unknown))}; choose from {', '.join(layers.POOLS)}")
        if next(self.genomes(), None) is None:
            side = f"{self.image_shape[0]}x{self.image_shape[1]}"
            raise ValueError(f"the space is empty: no chain fits images of {side}; add choices or lower the minima")

    @cached_property
    def feature_choices(self) -> tuple[str, ...]:
        convs = product(self.conv_sizes, self.conv_filters)
        return (*(f"conv{size}x{size}-{filters}" for size, filters in convs), *self.pool_types)

    @cached_property
    def fc_choices(self) -> tuple[str, ...]:
        return tuple(f"fc-{units}" for units in self.fc_units)

    def _split(self, genome: Genome) -> tuple[Genome, Genome]:
        """The feature layers and the fully connected layers."""
        end = next((i for i in range(len(genome), 0, -1) if not is_fc(genome[i - 1])), 0)
        return genome[:end], genome[end:]

    def _sides(self, num_pools: int) -> tuple[int, int]:
        """Height and width of the map after `num_pools` pools."""
        return self.image_shape[0] >> num_pools, self.image_shape[1] >> num_pools

    def _is_redundant(self, features: Genome) -> bool:
        """Whether the last feature layer does what the pooling at the end does anyway."""
        return bool(features) and self._ends_redundantly(num_pools_of(features[:-1]), features[-1])

    def _ends_redundantly(self, num_pools: int, layer: str) -> bool:
        return layer == "avg" and all(side % 8 == 0 for side in self._sides(num_pools))

    def _fits(self, num_pools: int, layer: str) -> bool:
        """Whether `layer` may follow feature layers with `num_pools` pools, the rule of the last layer apart."""
        height, width = self._sides(num_pools)
        if layer in layers.POOLS:
            return min(height, width) >= 2
        reach = 2 * max(height, width) - 1  # the largest filter of which every weight meets the map
        return not any(reach <= size < conv(layer).size for size in self.conv_sizes)

    @cached_property
    def _fitting(self) -> list[frozenset[str]]:
        """The feature layers that fit behind 0, 1, ... pools."""
        numbers = range(min(self.image_shape[:2]).bit_length())
        return [frozenset(layer for layer in self.feature_choices if self._fits(num, layer)) for num in numbers]

    def is_valid(self, genome: Genome) -> bool:
        """Whether `genome` is a canonical genome of this space."""
        features, fcs = self._split(genome)
        pools_before = accumulate((layer in layers.POOLS for layer in features), initial=0)
        return (
            self.min_feature_layers <= len(features) <= self.max_feature_layers
            and self.min_fc_layers <= len(fcs) <= self.max_fc_layers
            and all(layer in self.fc_choices for layer in fcs)
            and all(layer in self._fitting[pools] for pools, layer in zip(pools_before, features, strict=False))
            and not self._is_redundant(features)
        )

    def parse(self, description: str) -> Genome:
        """The canonical genome of a line such as `conv3x3-32, avg, fc-256`, the inverse of `describe`.

        Raises:
            ValueError: the line is no chain of this space.
        """
        genome = tuple(part.strip() for part in description.split(",") if part.strip())
        features, fcs = self._split(genome)
        while self._is_redundant(features):
            features = features[:-1]
        if not self.is_valid(features + fcs):
            raise ValueError(f"{description!r} is no chain of this space: {self}")
        return features + fcs

    def describe(self, genome: Genome) -> str:
        return ", ".join(genome)

    def genomes(self) -> Iterator[Genome]:
        """Every genome of the space, short chains first."""
        fc_lengths = range(self.min_fc_layers, (self.max_fc_layers if self.fc_units else 0) + 1)
        if fc_lengths:
            for num in range(self.min_feature_layers, self.max_feature_layers + 1):
                for features in self._feature_chains((), num):
                    for num_fcs in fc_lengths:
                        yield from (features + fcs for fcs in product(self.fc_choices, repeat=num_fcs))

    def _feature_chains(self, start: Genome, num: int) -> Iterator[Genome]:
        if len(start) == num:
            yield start
            return
        for layer in self._continuations(num_pools_of(start), num - len(start)):
            yield from self._feature_chains((*start, layer), num)

    def _continuations(self, num_pools: int, num_left: int) -> list[str]:
        """The layers that may be next after `num_pools` pools, as the first of the last `num_left` feature layers."""
        return [
            layer
            for layer in self.feature_choices
            if self._fits(num_pools, layer) and not (num_left == 1 and self._ends_redundantly(num_pools, layer))
        ]

    @property
    def num_genomes(self) -> int:
        """Exact, and counted without enumeration."""
        features = range(self.min_feature_layers, self.max_feature_layers + 1)
        fcs = range(self.min_fc_layers, self.max_fc_layers + 1)
        return sum(_num_feature_chains(self, 0, num) for num in features) * sum(
            len(self.fc_units) ** num for num in fcs
        )

    def sample(self, rng: np.random.Generator, num: int, exclude: Collection[Genome] = frozenset()) -> list[Genome]:
        """Numbers of layers are uniform within their bounds, then layers are uniform among what fits."""
        return sample_distinct(lambda: self._draw(rng), self.genomes, rng, num, exclude)

    def _draw(self, rng: np.random.Generator) -> Genome:
        while True:  # a space without convolutions has dead ends
            num_features = int(rng.integers(self.min_feature_layers, self.max_feature_layers + 1))
            features: Genome = ()
            while len(features) < num_features and (
                choices := self._continuations(num_pools_of(features), num_features - len(features))
            ):
                features = (*features, choices[rng.integers(len(choices))])
            if len(features) == num_features:
                break
        num_fcs = int(rng.integers(self.min_fc_layers, self.max_fc_layers + 1)) if self.fc_units else 0
        return features + tuple(self.fc_choices[rng.integers(len(self.fc_units))] for _ in range(num_fcs))

    def mutate(self, rng: np.random.Generator, genome: Genome) -> Genome:
        """Changes, inserts, deletes or swaps: one of the four, then one of its valid edits, both uniformly.

        Raises:
            ValueError: the space has no other genome within one edit.
        """
        kinds = [genomes for genomes in self._edits(genome).values() if genomes]
        if not kinds:
            raise ValueError(f"{self.describe(genome)!r} has no neighbour in this space")
        kind = kinds[rng.integers(len(kinds))]
        return kind[rng.integers(len(kind))]

    def neighbors(self, genome: Genome) -> list[Genome]:
        return list(dict.fromkeys(edited for kind in self._edits(genome).values() for edited in kind))

    def crossover(self, rng: np.random.Generator, first: Genome, second: Genome) -> Genome:
        """One-point crossover of the feature layers, and one of the fully connected layers.

        Each has the first parent's layers up to a place and the second's from there on. Uniform over all valid
        children that equal no parent; the first parent if there are none.
        """
        parts = zip(self._split(first), self._split(second), strict=True)
        crossed = [{a[:i] + b[i:]: None for i in range(max(len(a), len(b)) + 1)} for a, b in parts]
        children = [features + fcs for features, fcs in product(*crossed)]
        children = [child for child in children if child not in (first, second) and self.is_valid(child)]
        return children[rng.integers(len(children))] if children else first

    def _edits(self, genome: Genome) -> dict[str, list[Genome]]:
        """The valid genomes one edit away, by the kind of edit, without repeats."""
        return {
            kind: [other for other in dict.fromkeys(genomes) if other != genome and self.is_valid(other)]
            for kind, genomes in edits(genome, self.feature_choices + self.fc_choices).items()
        }

    @property
    def _kinds(self) -> tuple[Kind, Kind]:
        return (
            Kind("feature", self.feature_choices, self.min_feature_layers, self.max_feature_layers),
            Kind("fc", self.fc_choices, self.min_fc_layers, self.max_fc_layers),
        )

    @property
    def gene_choices(self) -> dict[str, tuple[int | str, ...]]:
        features, fcs = self._kinds
        return features.gene_choices | fcs.gene_choices

    @property
    def feature_genes(self) -> tuple[str, ...]:
        """Layers of a place, and what is no gene's: how often each occurs, the depth, costs."""
        features, fcs = self._kinds
        counts = ["counts"] * len(features.layers + fcs.layers)
        costs = Cost._fields if self.free_features else ()
        return (*features.feature_genes, *fcs.feature_genes, *counts, "depth", *costs)

    def genes_of(self, genome: Genome) -> dict[str, int | str | None]:
        features, fcs = (kind.genes_of(part) for kind, part in zip(self._kinds, self._split(genome), strict=True))
        return features | fcs

    def express(self, choices: Sequence[Any]) -> Genome | None:
        """The first layers that fit, as many as the numbers say, less what does nothing at the end.

        None if that leaves too few.
        """
        (num_features, features), (num_fcs, fcs) = split_choices(choices, self._kinds)
        kept: Genome = ()
        for layer in features:
            if len(kept) < num_features:  # a filter that is too large becomes the largest that is not: no difference
                same = [other for other in not_larger(layer, self.conv_sizes) if self._fits(num_pools_of(kept), other)]
                kept += tuple(same[:1])
        while self._is_redundant(kept):
            kept = kept[:-1]
        is_enough = len(kept) >= self.min_feature_layers and len(fcs) >= num_fcs
        return kept + fcs[:num_fcs] if is_enough else None

    def layers(self, genome: Genome) -> tuple[Layer, ...]:
        return tuple(chain_layers(genome, self.image_shape, self.num_outputs))

    def cost(self, genome: Genome) -> Cost:
        return chain_cost(genome, self.image_shape, self.num_outputs)

    def encode(self, genomes: Sequence[Genome]) -> Float[np.ndarray, "n d"]:
        """One-hot layers and a mask for each position, counts, depth, and those of `free_features`."""
        return np.array([self._features(genome) for genome in genomes], np.float32)

    def _features(self, genome: Genome) -> list[float]:
        parts = zip(self._split(genome), self._kinds, strict=True)
        numbers = [number for part, kind in parts for number in kind.encode(part)]
        counts = [float(genome.count(choice)) for choice in self.feature_choices + self.fc_choices]
        free = np.log10(self.cost(genome)) if self.free_features else ()
        return [*numbers, *counts, float(len(genome)), *free]

    def network(self, genome: Genome, dtype: jax.typing.DTypeLike = jnp.float32) -> ChainNetwork:
        return ChainNetwork(genome, self.num_outputs, dtype)


@cache
def _num_feature_chains(space: Chain, num_pools: int, num_left: int) -> int:
    """In how many ways feature layers with `num_pools` pools can go on for `num_left` more."""
    if num_left == 0:
        return 1
    following = space._continuations(num_pools, num_left)
    return sum(_num_feature_chains(space, num_pools + (layer in layers.POOLS), num_left - 1) for layer in following)


make = Chain
