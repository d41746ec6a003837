import pytest

from nas_jax.report.diagrams import Block, Edge, Graph, Group, Row, describe_graph, diagram_of, lay_out
from nas_jax.spaces.categorical import Categorical
from nas_jax.spaces.chain import Chain
from nas_jax.spaces.macro import NasBenchMacro
from nas_jax.spaces.nb201 import NasBench201, parse


def test_a_chain_is_a_row_of_blocks_with_the_shapes_of_their_outputs():
    space = Chain((28, 28, 1), 10)
    diagram = diagram_of(space, ("conv5x5-32", "max", "conv3x3-64", "fc-256"))
    assert diagram == Row(
        (
            Group(
                (
                    Block("image", "28x28x1", "end"),
                    Block("conv 5x5", "28x28x32", "conv"),
                    Block("max 2x2", "14x14x32", "pool"),
                    Block("conv 3x3", "14x14x64", "conv"),
                    Block("average", "to 4x4x64", "pool"),
                    Block("dense", "256 units", "dense"),
                    Block("softmax", "10 classes", "end"),
                )
            ),
        )
    )


def test_a_small_map_is_not_averaged():
    space = Chain((8, 8, 1), 10, min_fc_layers=0)
    (group,) = diagram_of(space, ("conv3x3-16", "max")).groups
    assert [block.label for block in group.blocks] == ["image", "conv 3x3", "max 2x2", "softmax"]


def test_a_cell_is_a_graph_without_the_edges_that_do_nothing():
    space = NasBench201((32, 32, 3), 10)
    cell = parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|avg_pool_3x3~1|none~2|")
    graph = diagram_of(space, cell)
    assert graph.nodes == ("in", "1", "2", "out")
    assert graph.edges == (Edge(0, 1, "conv 3x3"), Edge(0, 3, "skip", "skip"), Edge(1, 3, "avg 3x3", "pool"))
    assert describe_graph(graph) == "in to 1: conv 3x3; in to out: skip; 1 to out: avg 3x3"


def test_a_macro_network_has_a_group_for_each_stage():
    genome = ("MB3_K3", "identity", "MB6_K5", *("identity",) * 5)
    stem, *stages, head = diagram_of(NasBenchMacro((32, 32, 3), 10), genome).groups
    assert [len(stage.blocks) for stage in stages] == [2, 3, 3]
    assert stages[0].blocks[0] == Block("MBConv 3x3", "x3, 64 channels")
    assert stages[1].blocks[0] == Block("MBConv 5x5", "x6, 128 channels")
    assert stages[2].blocks[2] == Block("identity", "256 channels", "skip")
    assert stem.blocks[0].label == "image"
    assert head.blocks[-1].detail == "10 classes"


def test_a_space_of_your_own_may_draw():
    class Mine:
        def diagram(self, genome):
            return Row((Group((Block(genome[0]),)),))

    assert diagram_of(Mine(), ("x",)).groups[0].blocks[0].label == "x"
    assert diagram_of(Categorical(genes=(("a", (1, 2)),)), (1,)) is None


@pytest.mark.parametrize("num", [2, 4, 6])
def test_a_layout_keeps_every_edge_within_the_picture_and_apart(num):
    """Every edge there can be: of two that could cross the same place, one is at another height."""
    edges = tuple(Edge(i, j, "e") for i in range(num) for j in range(i + 1, num))
    layout = lay_out(Graph(tuple(map(str, range(num))), edges))
    assert len(layout.arcs) == len(edges)
    for arc in layout.arcs:
        assert 0 < arc.x1 < arc.x2 < layout.width
        assert 0 < arc.label_y < layout.height
        assert arc.label_y == (layout.y + arc.cy) / 2  # the middle of a quadratic Bézier curve
    assert len({(arc.cx, arc.label_y) for arc in layout.arcs}) == len(edges)
