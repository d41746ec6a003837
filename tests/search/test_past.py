"""What a search keeps of its past, trial by trial, is the history of all its trials."""

from dataclasses import replace

import numpy as np
import pytest

from nas_jax.budgets import Budgets
from nas_jax.constraints import Constraint
from nas_jax.objectives import Objective, Objectives
from nas_jax.search.past import Past
from nas_jax.store import TrialStore
from nas_jax.trial import Budget, Trial

LIMITED = Objectives((Objective("val_loss", maximize=False),), (Constraint("num_params", at_most=50.0),))


def assert_equal(history, expected):
    for name, value in expected._asdict().items():
        found = getattr(history, name)
        if name == "curves":
            assert len(found) == len(value)
            for one, other in zip(found, value, strict=True):
                np.testing.assert_array_equal(one, other)
        elif isinstance(value, np.ndarray):
            np.testing.assert_array_equal(found, value)
        else:
            assert found == value, name


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("num_workers", [1, 4])
def test_it_is_the_history_of_all_trials_at_every_step(seed, num_workers):
    """Trials end in any order, some of them fail, and some go on with a larger budget."""
    rng, store, budgets = np.random.default_rng(seed), TrialStore(), Budgets((1, 3))
    past, pending, ended = Past(store, LIMITED, budgets), [], []
    for id in range(30):
        before = ended[int(rng.integers(len(ended)))] if ended and rng.random() < 0.3 else None
        continued = {trial.continues for trial in store.trials("search")}
        if before is None or before.budget == Budget(3) or before.id in continued:
            trial = Trial(id, (id,), str(id), "search", id, budget=Budget(1))
        else:
            trial = Trial(
                id, before.genome, before.description, "search", before.seed, budget=Budget(3), continues=before.id
            )
        store.put(trial)
        past.add([trial])
        pending.append(trial)
        if len(pending) == num_workers:
            trial = pending.pop(int(rng.integers(num_workers)))
            if rng.random() < 0.2:
                store.put(replace(trial, status="failed", error="why", failure="error"))
            else:
                curve = {"val_loss": rng.normal(size=trial.budget.epochs).tolist()}
                metrics = {"val_loss": curve["val_loss"][-1], "num_params": int(rng.integers(100)), "curve": curve}
                store.put(replace(trial, status="finished", metrics=metrics, seconds={"train": 1.0}))
                ended.append(store.trial(trial.id))
            past.update()
        trials = store.trials("search")
        assert past.trials == trials
        assert_equal(past.history, LIMITED.history(trials))
        assert past.spent == pytest.approx(sum(budgets.costs(trials)))
        assert past.has_pending == bool(pending)
