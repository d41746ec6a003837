"""The cells of NAS-Bench-201, in the benchmark's network.

Dong & Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search", ICLR 2020. A cell has
four nodes; node 0 is its input, node 3 its output. Each node but the first sums its edges, of which there is one from
every node before it. A genome is the operations of the six edges in the order of the benchmark's strings: 1<-0, 2<-0,
2<-1, 3<-0, 3<-1, 3<-2.

An edge is dead if it lies on no path from input to output, where "none" interrupts a path: at most it adds a constant,
the bias of a batch normalisation. In a canonical genome dead edges are "none"; 9,445 of the benchmark's 15,625 cells
are canonical. Cells that differ by the names of nodes 1 and 2, or by where a skip connection sits, count as different.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import ClassVar

import jax.numpy as jnp
import jax.typing
import numpy as np
from jaxtyping import Float

from nas_jax.spaces.base import Cost, one_hot
from nas_jax.spaces.nb201_network import EDGES, KERNEL_SIDES, NUM_STAGES, CellNetwork
from nas_jax.spaces.sequences import Sequences
from nas_jax.spaces.structure import CellGraph, Edge, Kind
from nas_jax.trial import Genome

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGE_NAMES = tuple(f"edge {target}<-{source}" for target, source in EDGES)
PATHS = ((3,), (0, 4), (1, 5), (0, 2, 5))  # from input to output, as places in EDGES
STRING = "|{}~0|+|{}~0|{}~1|+|{}~0|{}~1|{}~2|"
_NAMES: dict[str, tuple[str, Kind]] = {  # in pictures
    "skip_connect": ("skip", "skip"),
    "nor_conv_1x1": ("conv 1x1", "conv"),
    "nor_conv_3x3": ("conv 3x3", "conv"),
    "avg_pool_3x3": ("avg 3x3", "pool"),
}


@cache
def canonical(cell: Genome) -> Genome:
    """The canonical genome that computes what `cell` does, any of the 15,625."""
    alive = {edge for path in _paths(cell) for edge in path}
    return tuple(operation if edge in alive else "none" for edge, operation in enumerate(cell))


def _paths(cell: Genome) -> list[tuple[int, ...]]:
    """The paths that nothing interrupts."""
    return [path for path in PATHS if all(cell[edge] != "none" for edge in path)]


def parse(string: str) -> Genome:
    """The cell of one of the benchmark's strings, edge by edge: not made canonical.

    Raises:
        ValueError: the string is not of the benchmark's form, or names another operation.
    """
    match = re.fullmatch(re.escape(STRING).replace(r"\{\}", r"(\w+)"), string)
    if match is None:
        raise ValueError(f"{string!r} is no cell: it should be {STRING}, with an operation in place of each {{}}")
    if unknown := set(match.groups()) - set(OPERATIONS):
        raise ValueError(f"{string!r} has {', '.join(sorted(unknown))}; choose from {', '.join(OPERATIONS)}")
    return match.groups()


CELLS = Sequences(OPERATIONS, len(EDGES), canonical)


def _one_hot(genome: Genome) -> list[float]:
    """The operation of each edge: 30 features."""
    return [number for operation in genome for number in one_hot(operation, OPERATIONS)]


def _path(genome: Genome) -> list[float]:
    """Whether a path has these operations, in this order: 84 features.

    White, Neiswanger & Savani, "BANANAS: Bayesian Optimization with Neural Architectures for Neural Architecture
    Search", AAAI 2021.
    """
    present = {tuple(genome[edge] for edge in path) for path in _paths(genome)}
    return [float(sequence in present) for length in (1, 2, 3) for sequence in product(OPERATIONS[1:], repeat=length)]


def _functional(genome: Genome) -> list[float]:
    """What the paths compute, where a skip connection is nothing: 62 features.

    Square roots of the number of paths with each sequence of operations, and with each depth; how often each operation
    occurs; and each edge's operation as its number, which tells apart what agrees in all else.
    """
    paths = _sequences(genome)
    counts = [paths.count(sequence) for length in range(4) for sequence in product(OPERATIONS[2:], repeat=length)]
    numbers = (float(OPERATIONS.index(operation)) for operation in genome)
    return [*np.sqrt(counts), *_depths(paths), *_totals(genome), *numbers]


def _summary(genome: Genome) -> list[float]:
    """How deep the paths are, how often operations occur, and the operation of each edge: 46 features."""
    return [*_depths(_sequences(genome)), *_totals(genome), *_one_hot(genome)]


def _sequences(genome: Genome) -> list[tuple[str, ...]]:
    """The operations along each path, but for skip connections."""
    return [tuple(genome[edge] for edge in path if genome[edge] != "skip_connect") for path in _paths(genome)]


def _depths(paths: Sequence[tuple[str, ...]]) -> list[float]:
    """Square roots of the number of paths with each number of convolutions, of 3x3 convolutions and of pools: 12."""
    counts: list[int] = []
    for counted in (tuple(KERNEL_SIDES), ("nor_conv_3x3",), ("avg_pool_3x3",)):
        depths = [sum(operation in counted for operation in path) for path in paths]
        counts += [depths.count(depth) for depth in range(4)]
    return [*np.sqrt(counts)]


def _totals(genome: Genome) -> list[float]:
    """How often each operation occurs: 4 features."""
    return [float(genome.count(operation)) for operation in OPERATIONS[1:]]


_ONE_HOT_GENES = tuple(name for name in EDGE_NAMES for _ in OPERATIONS)
ENCODINGS: dict[str, tuple[Callable[[Genome], list[float]], tuple[str, ...]]] = {  # with the `feature_genes`
    "summary": (_summary, ("paths",) * 12 + ("counts",) * 4 + _ONE_HOT_GENES),
    "functional": (_functional, ("paths",) * 52 + ("counts",) * 4 + EDGE_NAMES),
    "one_hot": (_one_hot, _ONE_HOT_GENES),
    "path": (_path, ("paths",) * 84),
}


@dataclass(frozen=True)
class NasBench201:
    """The canonical cells, as features and as networks.

    Args:
        image_shape: (height, width, channels); it comes from the data set, and `num_outputs` from the task.
        encoding: "summary" describes the edges, and how deep paths are; a search with it finds the best cell with the
            fewest trials (`experiments/search_benchmark`). "functional" has each sequence of operations in place of
            the edges, "one_hot" the edges alone, "path" which paths there are (which does not tell all genomes apart).
        free_features: Also encode log10 of parameters and FLOPs, known without training.
        num_cells: Cells in each of the three stages; 5 in the benchmark.
        filters: Channels of the first stage, doubled by each later one; 16 in the benchmark.

    Raises:
        ValueError: an unknown encoding, or no cells or filters.
    """

    signatures: ClassVar[tuple[str, ...]] = ("image -> vector",)

    image_shape: tuple[int, int, int]
    num_outputs: int
    encoding: str = "summary"
    free_features: bool = False
    num_cells: int = 5
    filters: int = 16

    def __post_init__(self) -> None:
        if self.encoding not in ENCODINGS:
            raise ValueError(f"unknown encoding {self.encoding!r}; choose from {', '.join(ENCODINGS)}")
        if min(self.num_cells, self.filters) < 1:
            raise ValueError(f"num_cells={self.num_cells}, filters={self.filters}: both have to be at least 1")

    @property
    def num_genomes(self) -> int:
        return CELLS.num_genomes

    def genomes(self) -> Iterator[Genome]:
        """All 9,445 genomes."""
        return CELLS.genomes()

    def sample(self, rng: np.random.Generator, num: int, exclude: Collection[Genome] = frozenset()) -> list[Genome]:
        """Uniform over genomes."""
        return CELLS.sample(rng, num, exclude)

    def neighbors(self, genome: Genome) -> list[Genome]:
        """What changing one operation can lead to, in `genome` or in any cell of the benchmark that computes the same.

        So a path of which one edge is missing is one edit away, and neighbours are neighbours both ways.
        """
        return CELLS.neighbors(genome)

    def mutate(self, rng: np.random.Generator, genome: Genome) -> Genome:
        """Changes a random edge of a random cell that computes the same as `genome`."""
        return CELLS.mutate(rng, genome)

    def crossover(self, rng: np.random.Generator, first: Genome, second: Genome) -> Genome:
        """Each edge from either parent, by the toss of a coin; edges that are dead then become "none"."""
        return CELLS.crossover(rng, first, second)

    def encode(self, genomes: Sequence[Genome]) -> Float[np.ndarray, "n d"]:
        """Features of the genomes' canonical forms, see `encoding` and `free_features`."""
        return np.array([self._features(canonical(genome)) for genome in genomes], np.float32)

    def _features(self, genome: Genome) -> list[float]:
        return [*ENCODINGS[self.encoding][0](genome), *(np.log10(self.cost(genome)) if self.free_features else ())]

    @property
    def gene_choices(self) -> dict[str, tuple[str, ...]]:
        return dict.fromkeys(EDGE_NAMES, OPERATIONS)

    @property
    def feature_genes(self) -> tuple[str, ...]:
        """Edges, and what is no gene's: paths, how often operations occur, costs."""
        return (*ENCODINGS[self.encoding][1], *(Cost._fields if self.free_features else ()))

    def genes_of(self, genome: Genome) -> dict[str, str]:
        return dict(zip(EDGE_NAMES, genome, strict=True))

    def express(self, choices: Sequence[str]) -> Genome:
        return canonical(tuple(choices))

    def describe(self, genome: Genome) -> str:
        """The benchmark's own string, `|nor_conv_3x3~0|+|…~0|…~1|+|…~0|…~1|…~2|`."""
        return STRING.format(*genome)

    def cell(self, genome: Genome) -> CellGraph:
        edges = tuple(
            Edge(source, target, *_NAMES[operation])
            for (target, source), operation in zip(EDGES, genome, strict=True)
            if operation != "none"
        )
        channels = ", ".join(str(self.filters << stage) for stage in range(NUM_STAGES))
        network = f"{NUM_STAGES} stages of {self.num_cells} such cells, with {channels} channels"
        return CellGraph(("in", "1", "2", "out"), edges, network)

    def cost(self, genome: Genome) -> Cost:
        """Parameters and FLOPs; FLOPs are twice the benchmark's, which counts multiply-adds."""
        height, width, channels = self.image_shape
        num_params = flops = 0

        def add_conv(side: int, inputs: int, filters: int, is_normalised: bool = True) -> None:
            nonlocal num_params, flops
            weights = side * side * inputs * filters
            num_params += weights + 2 * filters * is_normalised
            flops += 2 * weights * height * width

        add_conv(3, channels, self.filters)
        for stage in range(NUM_STAGES):
            filters = self.filters << stage
            if stage > 0:
                height, width = (height + 1) // 2, (width + 1) // 2
                add_conv(3, filters // 2, filters)
                add_conv(3, filters, filters)
                add_conv(1, filters // 2, filters, is_normalised=False)
            for operation in [*genome] * self.num_cells:
                if operation in KERNEL_SIDES:
                    add_conv(KERNEL_SIDES[operation], filters, filters)
        num_params += 2 * filters + (filters + 1) * self.num_outputs
        return Cost(num_params, flops + 2 * filters * self.num_outputs)

    def network(self, genome: Genome, dtype: jax.typing.DTypeLike = jnp.float32) -> CellNetwork:
        return CellNetwork(genome, self.num_outputs, self.num_cells, self.filters, dtype)


make = NasBench201
