"""What a space of combinations has to say itself: its genes, and what becomes of a genome."""

import itertools
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from nas_jax.spaces.base import Cost, GeneSpace, NetworkSpace
from nas_jax.spaces.products import Blueprint, ProductSpace


class Layers(nn.Module):
    """Dense layers."""

    widths: tuple[int, ...]
    dtype: jax.typing.DTypeLike

    @nn.compact
    def __call__(self, x, train):
        for width in self.widths:
            x = nn.Dense(width, dtype=self.dtype)(x)
        return x


@dataclass(frozen=True)
class Stacks(ProductSpace):
    """One to three layers of one width, for eight numbers."""

    widths: tuple[int, ...] = (4, 16)

    def __post_init__(self):
        self.check_genes()

    @property
    def choices(self):
        return {"num_layers": (1, 2, 3), "width": self.widths}

    def blueprint(self, genome):
        num_layers, width = genome
        sizes = (8, *[width] * num_layers)
        weights = sum(size * following for size, following in itertools.pairwise(sizes))
        return Blueprint(sizes[1:], Cost(weights + num_layers * width, 2 * weights), partial(Layers, sizes[1:]))


def test_genes_and_a_blueprint_make_a_space_of_networks():
    space = Stacks()
    assert isinstance(space, NetworkSpace)
    assert isinstance(space, GeneSpace)
    assert sorted(space.genomes()) == [(num, width) for num in (1, 2, 3) for width in (4, 16)]
    assert space.describe((2, 16)) == "num_layers=2, width=16"
    assert space.settings((2, 16)) == (16, 16)
    for genome in space.genomes():
        network = space.network(genome, jnp.bfloat16)
        assert network == Layers(space.settings(genome), jnp.bfloat16)
        assert space.network(genome).dtype == jnp.float32
        variables = network.init(jax.random.key(0), jnp.zeros((1, 8)), train=False)
        assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == space.cost(genome).num_params


def test_the_costs_of_a_blueprint_are_encoded_beside_the_genes():
    space, genomes = Stacks(), [(1, 4), (3, 16)]
    costs = 10.0 ** space.encode(genomes)[:, -2:]
    np.testing.assert_allclose(costs, [space.cost(genome) for genome in genomes], rtol=1e-5)
