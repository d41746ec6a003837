"""What a search learns with is said once: a strategy made by hand has what a config without a word has."""

import dataclasses

import pytest
from fakes import Numbers
from ml_collections import ConfigDict

from nas_jax.build import build, find
from nas_jax.config import PARTS, complete
from nas_jax.strategies.base import Learning
from nas_jax.strategies.bayesopt import Bayesopt
from nas_jax.strategies.learner import Learner
from nas_jax.strategies.one_shot import OneShot

SPACE = Numbers()


@pytest.mark.parametrize("make", [Bayesopt, OneShot])
def test_a_strategy_of_a_space_alone_learns_as_one_of_a_config_does(make):
    section = {"name": "categorical", "genes": (("a", (1, 2)),)}
    config = complete(ConfigDict({"space": section, "evaluator": {"name": "tabular"}})).to_dict()
    strategy = make(SPACE)
    assert isinstance(strategy, Learning)
    surrogate = build("nas_jax.surrogates", config["surrogate"])
    assert strategy.learner == Learner(SPACE, surrogate, config["targets"]) == Learner(SPACE, surrogate)
    assert make(SPACE) == strategy
    assert hash(make(SPACE)) == hash(strategy)


def test_the_recommended_surrogate_is_not_its_class_with_defaults():
    """Else the test above would hold of any two places that say nothing."""
    surrogate = Bayesopt(SPACE).surrogate
    name = type(surrogate).__module__.rpartition(".")[2]
    defaults = {field.name: field.default for field in dataclasses.fields(find(PARTS["surrogate"][0], {"name": name}))}
    assert any(getattr(surrogate, field) != default for field, default in defaults.items())
