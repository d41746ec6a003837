"""What a strategy may see of the past."""

from dataclasses import replace

import numpy as np
import pytest

from nas_jax.errors import UserError
from nas_jax.objectives import Objective
from nas_jax.trial import Trial


def trial(id, status="finished", **metrics):
    return Trial(id, (id,), str(id), "search", seed=id, status=status, metrics=metrics or None)


def test_history_sorts_trials_by_what_became_of_them():
    trials = [
        trial(3, "pending"),
        trial(1, "failed"),
        trial(2, val_accuracy=0.7),
        trial(0, val_accuracy=0.5),
        trial(4, val_accuracy=float("nan")),
    ]
    history = Objective().history(trials)
    assert history.genomes == ((0,), (2,))
    np.testing.assert_array_equal(history.scores, [0.5, 0.7])
    assert history.failed == ((1,), (4,))
    assert history.pending == ((3,),)
    assert history.known == {(i,) for i in range(5)}


def test_a_smaller_loss_is_a_higher_score():
    objective = Objective("val_loss", maximize=False)
    assert objective.score({"val_loss": 0.1}) > objective.score({"val_loss": 0.2})


def test_test_metrics_are_out_of_reach():
    with pytest.raises(ValueError, match="no search may see"):
        Objective("test_accuracy")
    seen = trial(0, val_accuracy=0.5, test_accuracy=0.9)
    without = replace(seen, metrics={"val_accuracy": 0.5})
    for one, other in zip(Objective().history([seen]), Objective().history([without]), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_unknown_metric_lists_those_that_exist():
    with pytest.raises(UserError, match="no metric 'val_acc'; there are val_accuracy, val_loss"):
        Objective("val_acc").score({"val_loss": 1.0, "val_accuracy": 0.5})
