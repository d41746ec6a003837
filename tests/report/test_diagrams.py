import pytest

from nas_jax.report.diagrams import Chain as Drawn
from nas_jax.report.diagrams import describe_cell, describe_shape, diagram_of, lay_out
from nas_jax.spaces.categorical import Categorical
from nas_jax.spaces.chain import Chain
from nas_jax.spaces.macro import NasBenchMacro
from nas_jax.spaces.nb201 import NasBench201, parse
from nas_jax.spaces.structure import CellGraph, Edge, Layer


def test_a_chain_is_a_row_of_layers_with_the_shapes_of_their_outputs():
    space = Chain((28, 28, 1), 10)
    (stage,) = diagram_of(space, ("conv5x5-32", "max", "conv3x3-64", "fc-256")).stages
    assert [(layer.name, layer.kind, describe_shape(layer)) for layer in stage.layers] == [
        ("image", "end", "28x28x1"),
        ("conv 5x5", "conv", "28x28x32"),
        ("max 2x2", "pool", "14x14x32"),
        ("conv 3x3", "conv", "14x14x64"),
        ("average", "pool", "4x4x64"),
        ("dense", "dense", "256"),
        ("output", "end", "10"),
    ]


def test_a_small_map_is_not_averaged():
    space = Chain((8, 8, 1), 10, min_fc_layers=0)
    (stage,) = diagram_of(space, ("conv3x3-16", "max")).stages
    assert [layer.name for layer in stage.layers] == ["image", "conv 3x3", "max 2x2", "output"]


def test_a_cell_is_a_graph_without_the_edges_that_do_nothing():
    space = NasBench201((32, 32, 3), 10)
    cell = diagram_of(space, parse("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|avg_pool_3x3~1|none~2|"))
    assert cell.nodes == ("in", "1", "2", "out")
    assert cell.edges == (
        Edge(0, 1, "conv 3x3", "conv"),
        Edge(0, 3, "skip", "skip"),
        Edge(1, 3, "avg 3x3", "pool"),
    )
    assert cell.network == "3 stages of 5 such cells, with 16, 32, 64 channels"
    assert describe_cell(cell) == "in to 1: conv 3x3; in to out: skip; 1 to out: avg 3x3"


def test_a_macro_network_has_its_stages():
    genome = ("MB3_K3", "identity", "MB6_K5", *("identity",) * 5)
    stem, *stages, head = diagram_of(NasBenchMacro((32, 32, 3), 10), genome).stages
    assert [stage.name for stage in stages] == ["stage 1", "stage 2", "stage 3"]
    assert [len(stage.layers) for stage in stages] == [2, 3, 3]
    assert stages[0].layers[0] == Layer("MBConv 3x3, x3", "conv", (16, 16, 64), "stage 1")
    assert stages[1].layers[0] == Layer("MBConv 5x5, x6", "conv", (8, 8, 128), "stage 2")
    assert stages[2].layers[0] == Layer("conv 1x1", "conv", (4, 4, 256), "stage 3")  # an identity that halves the map
    assert stages[2].layers[2] == Layer("identity", "skip", (4, 4, 256), "stage 3")
    assert stem.layers == (Layer("image", "end", (32, 32, 3)), Layer("conv 3x3", "conv", (32, 32, 32)))
    assert head.layers[-1] == Layer("output", "end", (10,))


def test_a_space_of_your_own_may_say_its_layers():
    class Mine:
        def layers(self, genome):
            return (Layer(genome[0], "conv", (1,)),)

    assert diagram_of(Mine(), ("x",)) == Drawn((("", (Layer("x", "conv", (1,)),)),))
    assert diagram_of(Categorical(genes=(("a", (1, 2)),)), (1,)) is None


@pytest.mark.parametrize("num", [2, 4, 6])
def test_a_layout_keeps_every_edge_within_the_picture_and_apart(num):
    """Every edge there can be: of two that could cross the same place, one is at another height."""
    edges = tuple(Edge(i, j, "e", "conv") for i in range(num) for j in range(i + 1, num))
    layout = lay_out(CellGraph(tuple(map(str, range(num))), edges))
    assert len(layout.arcs) == len(edges)
    for arc in layout.arcs:
        assert 0 < arc.x1 < arc.x2 < layout.width
        assert 0 < arc.label_y < layout.height
        assert arc.label_y == (layout.y + arc.cy) / 2  # the middle of a quadratic Bézier curve
    assert len({(arc.cx, arc.label_y) for arc in layout.arcs}) == len(edges)
