"""What holds for every strategy of the package."""

import importlib
import pkgutil

import numpy as np
import pytest
from fakes import Numbers

import nas_jax.strategies
from nas_jax.build import build
from nas_jax.spaces.chain import Chain
from nas_jax.strategies.base import Strategy
from nas_jax.trial import History

NAMES = [
    module.name
    for module in pkgutil.iter_modules(nas_jax.strategies.__path__)
    if hasattr(importlib.import_module(f"nas_jax.strategies.{module.name}"), "make")
]
SPACES = {"chain": Chain((16, 16, 3), 10), "numbers": Numbers(num=30)}


@pytest.fixture(params=SPACES)
def space(request):
    return SPACES[request.param]


@pytest.fixture(params=NAMES)
def strategy(request, space):
    return build("nas_jax.strategies", {"name": request.param}, space=space)


def make_history(space, num):
    genomes = tuple(space.sample(np.random.default_rng(5), num + 2))
    return History(genomes[:num], np.linspace(0, 1, num), failed=genomes[num : num + 1], pending=genomes[num + 1 :])


@pytest.mark.parametrize("num_known", [0, 1, 10])
def test_proposals_are_new_distinct_and_reproducible(strategy, space, num_known):
    assert isinstance(strategy, Strategy)
    history = make_history(space, num_known)
    proposed = strategy.propose(np.random.default_rng(0), history, 5)
    assert len(set(proposed)) == 5
    assert not set(proposed) & history.known
    assert proposed == strategy.propose(np.random.default_rng(0), history, 5)


def test_an_exhausted_space_gives_what_is_left():
    space = Numbers(num=12)
    for name in NAMES:
        strategy = build("nas_jax.strategies", {"name": name}, space=space)
        history = make_history(space, 8)
        assert set(strategy.propose(np.random.default_rng(0), history, 5)) == {
            genome for genome in ((i,) for i in range(12)) if genome not in history.known
        }
