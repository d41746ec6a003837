"""A data set that grows within one padded size compiles nothing, in whatever thread and by whatever operation."""

from contextlib import contextmanager

import jax
import numpy as np
import pytest

from nas_jax.surrogates.auto import Auto
from nas_jax.surrogates.calibrated import Calibrated
from nas_jax.surrogates.capabilities import conditioner_of, sampler_of
from nas_jax.surrogates.deep_ensemble import DeepEnsemble
from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.surrogates.random_forest import RandomForest
from nas_jax.surrogates.svm import SVM
from nas_jax.surrogates.validation import cross_validate

COMPILATION = "/jax/core/compile/backend_compile_duration"
DRAWN = GaussianProcess(ard=False, hyperparameters="drawn")
OPTIMISED = GaussianProcess(num_starts=2, max_evaluations=3)
SMALL = RandomForest(num_trees=5)


@contextmanager
def counted_compilations():
    """A list that has an entry for each compilation of the process meanwhile."""
    compilations = []

    def listen(event, *_, **__):
        if event == COMPILATION:
            compilations.append(event)

    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        yield compilations
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def _use(surrogate, x, y, num_new):
    """All that a search asks of a surrogate, with new points whose number differs from call to call too."""
    key, x_new = jax.random.key(len(y)), x[:num_new]
    state = surrogate.fit(key, x, y)
    surrogate.predict(state, x_new)
    if condition := conditioner_of(surrogate, state):
        state = condition(x[:1], y[:1])
    surrogate.predict(state, x_new, with_noise=True)
    if sample := sampler_of(surrogate, state):
        sample(key, x_new, 1)
    return state


def _data(n, d=3):
    x = np.random.default_rng(0).uniform(size=(n, d))
    return x, np.sin(4 * x[:, 0]) + x[:, 1]


def test_compilations_are_counted():
    with counted_compilations() as compilations:
        jax.jit(lambda x: x + 1)(np.zeros(17))
    assert len(compilations) == 1


@pytest.mark.parametrize("gp", [DRAWN, OPTIMISED], ids=["drawn", "optimised"])
def test_a_gaussian_process_beyond_400_rows_compiles_nothing_more(gp):
    """Beyond 400 rows hyperparameters are drawn given 400 of them; 410 to 440 rows are padded to 448."""
    x, y = _data(440)
    _use(gp, x[:409], y[:409], num_new=33)
    with counted_compilations() as compilations:
        for num in range(410, 440, 6):
            state = _use(gp, x[:num], y[:num], num_new=num // 10)
            gp.leave_one_out(state)
    assert compilations == []


@pytest.mark.parametrize(
    "surrogate",
    [
        SMALL,
        SVM(costs=(1.0,), gammas=(0.3,), epsilons=(0.1,)),
        DeepEnsemble(num_members=2, num_steps=2),
        Calibrated(SMALL),
        Calibrated(OPTIMISED),
        Auto((OPTIMISED, SMALL), num_folds=4),
    ],
    ids=lambda surrogate: type(surrogate).__name__,
)
def test_any_surrogate_compiles_nothing_more_within_a_padded_size(surrogate):
    """50 to 60 rows are padded to 64, and so are all folds of them."""
    x, y = _data(60)
    _use(surrogate, x[:50], y[:50], num_new=33)
    with counted_compilations() as compilations:
        for num in range(51, 60):
            _use(surrogate, x[:num], y[:num], num_new=num - 10)
    assert compilations == []


def test_cross_validation_compiles_nothing_more_within_a_padded_size():
    x, y = _data(60)
    cross_validate(SMALL, jax.random.key(0), x[:50], y[:50], num_folds=3)
    with counted_compilations() as compilations:
        for num in range(51, 60):
            cross_validate(SMALL, jax.random.key(num), x[:num], y[:num], num_folds=3)
    assert compilations == []
