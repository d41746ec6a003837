"""Which point of a front a rule takes."""

import pytest

from nas_jax.choice import choose, parse_rule
from nas_jax.errors import UserError
from nas_jax.objectives import Objective, Objectives
from nas_jax.trial import Trial

OBJECTIVES = Objectives((Objective(), Objective("latency_ms", maximize=False)))


def trial(id, accuracy, latency):
    metrics = {"val_accuracy": accuracy, "latency_ms": latency, "val-acc": accuracy, "top 5 <= best": accuracy}
    return Trial(id, (id,), str(id), "final", seed=id, status="finished", metrics=metrics)


FRONT = [trial(0, 0.9, 10.0), trial(1, 0.85, 2.0), trial(2, 0.3, 1.0)]


@pytest.mark.parametrize(
    ("rule", "id"),
    [
        ("max val_accuracy", 0),
        ("min latency_ms", 2),
        ("knee", 1),
        ("at latency_ms <= 2", 1),
        ("at  latency_ms<=1.5", 2),
        ("at val_accuracy >= 0.86", 0),
        ("at val_accuracy >= 0.8", 1),
        (" max  val-acc", 0),
        ("min top 5 <= best", 2),
        ("at val-acc<=0.85", 1),
        ("at top 5 <= best >= 0.3", 0),
    ],
)
def test_a_rule_takes_the_point_that_it_names(rule, id):
    assert choose(parse_rule(rule), OBJECTIVES, FRONT).id == id


@pytest.mark.parametrize("text", ["", "best", "at latency_ms", "at latency_ms <= two", "max", "at <= 2"])
def test_what_is_no_rule_is_refused_with_the_rules(text):
    with pytest.raises(ValueError, match="write 'knee'"):
        parse_rule(text)


def test_a_limit_that_nothing_keeps_says_what_there_is():
    with pytest.raises(UserError, match="between 1 and 10"):
        choose(parse_rule("at latency_ms <= 0.5"), OBJECTIVES, FRONT)


def test_a_metric_that_there_is_not_is_refused():
    with pytest.raises(UserError, match="no metric 'energy'"):
        choose(parse_rule("min energy"), OBJECTIVES, FRONT)


def test_a_front_of_one_point_has_a_knee():
    assert choose(parse_rule("knee"), OBJECTIVES, FRONT[:1]).id == 0
