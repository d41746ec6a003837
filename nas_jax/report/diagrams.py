"""An architecture as a picture, from what its space says of it: blocks in a row, or the graph of a cell."""

from itertools import groupby
from typing import NamedTuple, TypeAlias

from nas_jax.spaces.structure import CellGraph, CellSpace, Edge, Layer, LayeredSpace
from nas_jax.trial import Genome

_GAP, _MARGIN, _BEND = 124, 34, 52  # of the drawing of a cell, in its units


class Stage(NamedTuple):
    """Layers that follow each other, with a name if they have one."""

    name: str
    layers: tuple[Layer, ...]


class Chain(NamedTuple):
    """Stages that follow each other."""

    stages: tuple[Stage, ...]


Diagram: TypeAlias = Chain | CellGraph


class Arc(NamedTuple):
    """An edge as it is drawn: a quadratic Bézier curve from (x1, y) over (cx, cy) to (x2, y); where its name is."""

    x1: float
    x2: float
    cx: float
    cy: float
    label_y: float
    edge: Edge


class Layout(NamedTuple):
    """A cell as it is drawn: nodes in a row, whose places these are, in a picture of `width` and `height`."""

    xs: tuple[float, ...]
    y: float
    arcs: tuple[Arc, ...]
    width: float
    height: float


def diagram_of(space: object, genome: Genome) -> Diagram | None:
    """The picture of a genome; None where the space says nothing of its structure."""
    if isinstance(space, LayeredSpace):
        stages = groupby(space.layers(genome), key=lambda layer: layer.stage)
        return Chain(tuple(Stage(name, tuple(layers)) for name, layers in stages))
    return space.cell(genome) if isinstance(space, CellSpace) else None


def describe_shape(layer: Layer) -> str:
    """The shape of what comes out of a layer: `28x28x32`."""
    return "x".join(map(str, layer.shape))


def describe_cell(cell: CellGraph) -> str:
    """The graph in words, for who cannot see it."""
    return "; ".join(f"{cell.nodes[edge.source]} to {cell.nodes[edge.target]}: {edge.name}" for edge in cell.edges)


def lay_out(cell: CellGraph) -> Layout:
    """Nodes in a row; edges between neighbours are straight, the others bend by how far they reach.

    Those that begin at an even place bend upwards, the others downwards.
    """
    xs = tuple(float(_MARGIN + place * _GAP) for place in range(len(cell.nodes)))
    bends = {edge: _bend(edge) for edge in cell.edges}
    y = _MARGIN + max((bend / 2 for bend in bends.values()), default=0.0)
    below = max((-bend / 2 for bend in bends.values()), default=0.0)
    arcs = tuple(
        Arc(xs[edge.source], xs[edge.target], (xs[edge.source] + xs[edge.target]) / 2, y - bend, y - bend / 2, edge)
        for edge, bend in bends.items()
    )
    return Layout(xs, y, arcs, width=xs[-1] + _MARGIN, height=y + max(below, 0.0) + _MARGIN)


def _bend(edge: Edge) -> float:
    """How far the control point is above the nodes; the curve itself comes half as far."""
    reach = edge.target - edge.source - 1
    return float(reach * 2 * _BEND * (1 if edge.source % 2 == 0 else -1))
