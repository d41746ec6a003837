"""Genomes of a log that another space wrote are refused."""

import pytest

from nas_jax.errors import UserError
from nas_jax.spaces.chain import Chain
from nas_jax.spaces.names import find_genome
from nas_jax.spaces.stored import check_genomes
from nas_jax.trial import Trial

SPACE = Chain((8, 8, 1), 10)


def test_a_genome_of_another_space_is_refused_with_its_trial():
    right = Trial(0, find_genome(SPACE, "conv3x3-16, max, fc-128", "genome"), "", "search", 0)
    check_genomes(SPACE, [right])
    with pytest.raises(UserError, match="trial 7 has a genome that is none of this space"):
        check_genomes(SPACE, [right, Trial(7, (("conv", "wide"), 5), "", "search", 0)])


@pytest.mark.parametrize("value", [5, True, {}, [{}], '["none", {}]', "[" * 300 + "x" * 300, "\0"])
def test_what_stands_for_no_genome_is_refused_whatever_its_type(value):
    with pytest.raises(UserError, match="reference: "):
        find_genome(SPACE, value, "reference")
