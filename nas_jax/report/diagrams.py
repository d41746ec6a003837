"""An architecture as a picture: blocks in a row, or the graph of a cell.

A space of your own can have the method `diagram`, which gives one; else its description has to do.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable

from nas_jax import layers
from nas_jax.spaces import macro, nb201
from nas_jax.spaces.chain import Chain
from nas_jax.spaces.chain_network import FINAL_SIZE, conv, is_fc, units
from nas_jax.trial import Genome

_OPERATIONS = {  # of NAS-Bench-201: what is written at an edge, and its kind
    "skip_connect": ("skip", "skip"),
    "nor_conv_1x1": ("conv 1x1", "conv"),
    "nor_conv_3x3": ("conv 3x3", "conv"),
    "avg_pool_3x3": ("avg 3x3", "pool"),
}
_GAP, _MARGIN, _BEND = 124, 34, 52  # of the drawing of a graph, in its units


class Block(NamedTuple):
    """A part of a network. `kind` is "end", "conv", "pool", "dense" or "skip", which settles its colour."""

    label: str
    detail: str = ""
    kind: str = "conv"


class Group(NamedTuple):
    """Blocks that follow each other, with a name if they have one."""

    blocks: tuple[Block, ...]
    title: str = ""


class Row(NamedTuple):
    """Groups that follow each other."""

    groups: tuple[Group, ...]


class Edge(NamedTuple):
    """An operation on the way from one node to a later one; kinds as those of a block."""

    source: int
    target: int
    label: str
    kind: str = "conv"


class Graph(NamedTuple):
    """Nodes in an order in which every edge points forwards."""

    nodes: tuple[str, ...]
    edges: tuple[Edge, ...]
    caption: str = ""


Diagram: TypeAlias = Row | Graph


class Arc(NamedTuple):
    """An edge as it is drawn: a quadratic Bézier curve from (x1, y) over (cx, cy) to (x2, y); where its label is."""

    x1: float
    x2: float
    cx: float
    cy: float
    label_y: float
    edge: Edge


class Layout(NamedTuple):
    """A graph as it is drawn: nodes in a row, whose places these are, in a picture of `width` and `height`."""

    xs: tuple[float, ...]
    y: float
    arcs: tuple[Arc, ...]
    width: float
    height: float


@runtime_checkable
class Drawing(Protocol):
    """A space that draws its genomes itself."""

    def diagram(self, genome: Genome) -> Diagram: ...


def diagram_of(space: object, genome: Genome) -> Diagram | None:
    """The picture of a genome; None where the space is not known and has no `diagram`."""
    match space:
        case Drawing():
            return space.diagram(genome)
        case Chain():
            return _chain(space, genome)
        case nb201.NasBench201():
            return _cell(space, genome)
        case macro.NasBenchMacro():
            return _macro(space, genome)
    return None


def lay_out(graph: Graph) -> Layout:
    """Nodes in a row; edges between neighbours are straight, the others bend by how far they reach.

    Those that begin at an even place bend upwards, the others downwards.
    """
    xs = tuple(float(_MARGIN + place * _GAP) for place in range(len(graph.nodes)))
    bends = {edge: _bend(edge) for edge in graph.edges}
    y = _MARGIN + max((bend / 2 for bend in bends.values()), default=0.0)
    below = max((-bend / 2 for bend in bends.values()), default=0.0)
    arcs = tuple(
        Arc(xs[edge.source], xs[edge.target], (xs[edge.source] + xs[edge.target]) / 2, y - bend, y - bend / 2, edge)
        for edge, bend in bends.items()
    )
    return Layout(xs, y, arcs, width=xs[-1] + _MARGIN, height=y + max(below, 0.0) + _MARGIN)


def describe_graph(graph: Graph) -> str:
    """The graph in words, for who cannot see it."""
    nodes = graph.nodes
    return "; ".join(f"{nodes[edge.source]} to {nodes[edge.target]}: {edge.label}" for edge in graph.edges)


def _bend(edge: Edge) -> float:
    """How far the control point is above the nodes; the curve itself comes half as far."""
    reach = edge.target - edge.source - 1
    return float(reach * 2 * _BEND * (1 if edge.source % 2 == 0 else -1))


def _ends(image_shape: Sequence[int], num_classes: int) -> tuple[Block, Block]:
    height, width, channels = image_shape
    return Block("image", f"{height}x{width}x{channels}", "end"), Block("softmax", f"{num_classes} classes", "end")


def _chain(space: Chain, genome: Genome) -> Row:
    first, last = _ends(space.image_shape, space.num_classes)
    return Row((Group((first, *_chain_blocks(space, genome), last)),))


def _chain_blocks(space: Chain, genome: Genome) -> Iterator[Block]:
    height, width, channels = space.image_shape
    is_flat = False
    for layer in (*genome, None):  # the map is averaged before the first layer that is not of features
        if not is_flat and (layer is None or is_fc(layer)):
            is_flat = True
            if max(height, width) > FINAL_SIZE:
                height, width = min(height, FINAL_SIZE), min(width, FINAL_SIZE)
                yield Block("average", f"to {height}x{width}x{channels}", "pool")
        if layer is None:
            return
        if is_fc(layer):
            yield Block("dense", f"{units(layer)} units", "dense")
        elif layer in layers.POOLS:
            height, width = height // 2, width // 2
            yield Block(f"{layer} 2x2", f"{height}x{width}x{channels}", "pool")
        else:
            size, channels = conv(layer)
            yield Block(f"conv {size}x{size}", f"{height}x{width}x{channels}", "conv")


def _cell(space: nb201.NasBench201, genome: Genome) -> Graph:
    edges = tuple(
        Edge(source, target, *_OPERATIONS[operation])
        for (target, source), operation in zip(nb201.EDGES, genome, strict=True)
        if operation != "none"
    )
    return Graph(
        ("in", "1", "2", "out"),
        edges,
        f"The cell: each node sums what comes in; edges that do nothing are left out. The network has three stages of "
        f"{space.num_cells} such cells, of {space.filters}, {2 * space.filters} and {4 * space.filters} channels.",
    )


def _macro(space: macro.NasBenchMacro, genome: Genome) -> Row:
    first, last = _ends(space.image_shape, space.num_classes)
    stages = []
    for number, stage in enumerate(macro.STAGES):
        filters = space.filters << (number + 1)
        blocks = tuple(_macro_block(block, filters) for block in genome[stage])
        stages.append(Group(blocks, f"stage {number + 1}, half the side"))
    stem = Block("conv 3x3", f"{space.filters} channels")
    head = Block("conv 1x1", f"{macro.HEAD_FILTERS} channels")
    return Row((Group((first, stem)), *stages, Group((head, last))))


def _macro_block(block: str, filters: int) -> Block:
    if block not in macro.BOTTLENECKS:
        return Block("identity", f"{filters} channels", "skip")
    expansion, side = macro.BOTTLENECKS[block]
    return Block(f"MBConv {side}x{side}", f"x{expansion}, {filters} channels")
