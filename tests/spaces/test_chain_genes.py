"""Which chain a combination of choices stands for."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nas_jax.spaces.chain import Chain
from nas_jax.spaces.chain_network import ChainNetwork
from nas_jax.train.variables import initialize

SPACE = Chain((8, 8, 1), 3, conv_filters=(4,), fc_units=(8,), min_feature_layers=1, max_feature_layers=5)
SMALL, LARGE = "conv3x3-4", "conv5x5-4"


@pytest.mark.parametrize(
    ("num", "layers", "expected"),
    [
        (2, (SMALL, LARGE, SMALL, SMALL, SMALL), (SMALL, LARGE)),
        (3, ("max", "max", LARGE, SMALL, SMALL), ("max", "max", SMALL)),  # a map of 2x2: the ring meets padding
        (5, ("max", "max", "max", "max", SMALL), ("max", "max", "max", SMALL)),  # a map of 1x1 cannot be pooled
        (2, (SMALL, "avg", SMALL, SMALL, SMALL), (SMALL,)),  # the end pools anyway
        (2, (SMALL, None, LARGE, None, None), (SMALL, LARGE)),
        (1, ("avg", SMALL, SMALL, SMALL, SMALL), None),
    ],
)
def test_layers_that_fit_are_taken_in_their_order(num, layers, expected):
    genome = SPACE.express((num, *layers, 1, "fc-8", None))
    assert genome == (expected and (*expected, "fc-8"))


def test_a_filter_that_is_replaced_made_no_difference():
    """The large filter's inner part, in the small one's place, gives the same outputs."""
    images = jax.random.normal(jax.random.key(0), (2, 8, 8, 1))
    large, small = (ChainNetwork(("max", "max", size, "fc-8"), 3, jnp.float32) for size in (LARGE, SMALL))
    variables = initialize(large, (8, 8, 1), seed=0)
    cropped = jax.tree.map(lambda leaf: leaf[1:4, 1:4] if leaf.shape[:2] == (5, 5) else leaf, variables)
    np.testing.assert_allclose(large.apply(variables, images), small.apply(cropped, images), rtol=1e-5, atol=1e-6)


def test_genes_without_effect_have_no_choice():
    genes = SPACE.genes_of(("max", SMALL, "fc-8"))
    assert genes["feature layers"] == 2
    assert [genes[f"feature layer {place}"] for place in range(1, 6)] == ["max", SMALL, None, None, None]
    assert (genes["fc layers"], genes["fc layer 1"], genes["fc layer 2"]) == (1, "fc-8", None)


def test_a_space_without_dense_layers_has_no_genes_of_them():
    space = Chain((8, 8, 1), 3, fc_units=(), min_fc_layers=0, max_fc_layers=2)
    assert {name for name in space.gene_choices if name.startswith("fc")} == {"fc layers"}
    genomes = space.sample(np.random.default_rng(0), 5)
    assert len(space.feature_genes) == space.encode(genomes).shape[1]
    assert [space.express(tuple(space.genes_of(genome).values())) for genome in genomes] == genomes
