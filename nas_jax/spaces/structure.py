"""What an architecture is made of, as its space says it: layers that follow each other, or the graph of a cell.

Both are capabilities: a space that has one of the methods is drawn in reports, and others are named by `describe`.
"""

from typing import Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

from nas_jax.trial import Genome

Kind: TypeAlias = Literal["end", "conv", "pool", "dense", "skip"]  # "end": what goes in, and what comes out


class Layer(NamedTuple):
    """A layer, and the shape of what comes out of it, the batch apart. Several may have a stage in common."""

    name: str
    kind: Kind
    shape: tuple[int, ...]
    stage: str = ""


class Edge(NamedTuple):
    """An operation on the way from one node, by its place, to a later one."""

    source: int
    target: int
    name: str
    kind: Kind


class CellGraph(NamedTuple):
    """Nodes in an order in which every edge points forwards; `network` says in words what is made of such cells."""

    nodes: tuple[str, ...]
    edges: tuple[Edge, ...]
    network: str = ""


@runtime_checkable
class LayeredSpace(Protocol):
    """A space whose networks are chains of layers."""

    def layers(self, genome: Genome) -> tuple[Layer, ...]:
        """All layers, from what goes in to what comes out."""
        ...


@runtime_checkable
class CellSpace(Protocol):
    """A space of cells, of which a fixed network is made."""

    def cell(self, genome: Genome) -> CellGraph:
        """The graph of the cell, without the edges that do nothing."""
        ...
