"""What every surrogate must do, with its settings as they come."""

import functools
import importlib
import pkgutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nas_jax.surrogates
from nas_jax.surrogates.base import Surrogate
from nas_jax.surrogates.validation import cross_validate

KEY = jax.random.key(0)
MODULES = [
    importlib.import_module(f"nas_jax.surrogates.{module.name}")
    for module in pkgutil.iter_modules(nas_jax.surrogates.__path__)
]
MEMBERS = {module.__name__.rpartition(".")[2]: module.make for module in MODULES if hasattr(module, "make")}


@pytest.fixture(params=sorted(MEMBERS))
def surrogate(request):
    return MEMBERS[request.param]()


def _data(n=30, d=3):
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(n, d))
    return x, 10 + 3 * x[:, 0] + 0.1 * rng.normal(size=n)


@functools.cache
def _fitted(surrogate):
    return surrogate.fit(KEY, *_data())


def _assert_same(first, second):
    np.testing.assert_array_equal(first.mean, second.mean)
    np.testing.assert_array_equal(first.std, second.std)


def test_it_is_a_surrogate_with_frozen_settings(surrogate):
    assert isinstance(surrogate, Surrogate)
    assert hash(surrogate) == hash(type(surrogate)())


def test_predictions_have_the_shape_and_type_of_a_posterior(surrogate):
    (x, _), state = _data(), _fitted(surrogate)
    for with_noise in (False, True):
        posterior = surrogate.predict(state, x[:7], with_noise=with_noise)
        for values in posterior:
            assert values.shape == (7,)
            assert values.dtype == jnp.float32
            assert np.all(np.isfinite(values))
        assert np.all(posterior.std > 0)


def test_noise_only_widens(surrogate):
    (x, _), state = _data(), _fitted(surrogate)
    bare, noisy = surrogate.predict(state, x), surrogate.predict(state, x, with_noise=True)
    assert np.all(noisy.std >= bare.std)
    # Not equal: on a bent scale, noise that is even there has a mean here.
    assert np.all(np.abs(noisy.mean - bare.mean) < 0.5 * noisy.std)


def test_the_same_key_and_data_repeat(surrogate):
    x, y = _data()
    first, second = (surrogate.predict(state, x) for state in (_fitted(surrogate), surrogate.fit(KEY, x, y)))
    _assert_same(first, second)


def test_it_learns_the_same_where_64_bit_types_are_enabled(surrogate):
    x, y = _data()
    plain = surrogate.predict(_fitted(surrogate), x)
    with jax.enable_x64(True):
        precise = surrogate.predict(surrogate.fit(KEY, x, y), x)
        assert precise.mean.dtype == np.float64
    for first, second in zip(plain, precise, strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-3)


def test_arguments_are_left_alone_and_lists_will_do(surrogate):
    x, y = _data(n=12)
    x_before, y_before = x.copy(), y.copy()
    from_arrays = surrogate.predict(surrogate.fit(KEY, x, y), x)
    np.testing.assert_array_equal(x, x_before)
    np.testing.assert_array_equal(y, y_before)
    _assert_same(from_arrays, surrogate.predict(surrogate.fit(KEY, x.tolist(), y.tolist()), x.tolist()))


def test_it_learns(surrogate):
    x, y = _data()
    posterior = cross_validate(surrogate, KEY, x, y, num_folds=2)
    assert np.mean((posterior.mean - y) ** 2) < 0.5 * np.var(y)


@pytest.mark.parametrize("y", [[1.0], [2.0] * 8, [1.0, 2.0] * 4], ids=["one", "constant", "duplicates"])
def test_poor_data_are_no_error(surrogate, y):
    x = np.tile([0.5, 0.25], (len(y), 1))
    posterior = surrogate.predict(surrogate.fit(KEY, x, y), [[0.5, 0.25], [7.0, -7.0]], with_noise=True)
    assert np.all(np.isfinite(posterior.mean))
    assert np.all(np.isfinite(posterior.std))


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (np.empty((0, 2)), []),
        (np.empty((2, 0)), [1.0, 2.0]),
        ([1.0, 2.0], [1.0, 2.0]),
        ([[1.0], [2.0]], [1.0]),
        ([[1.0], [2.0]], [[1.0], [2.0]]),
        ([[1.0], [np.nan]], [1.0, 2.0]),
        ([[1.0], [2.0]], [1.0, np.inf]),
        ([["a"], ["b"]], [1.0, 2.0]),
    ],
    ids=["no-rows", "no-features", "vector", "short", "column", "nan", "infinite", "text"],
)
def test_wrong_data_are_refused(surrogate, x, y):
    with pytest.raises(ValueError, match="must"):
        surrogate.fit(KEY, x, y)


@pytest.mark.parametrize("x_new", [[1.0, 2.0, 3.0], [[1.0, 2.0]], [[1.0, np.nan, 2.0]]])
def test_wrong_queries_are_refused(surrogate, x_new):
    with pytest.raises(ValueError, match="must"):
        surrogate.predict(_fitted(surrogate), x_new)


def test_importing_the_package_imports_nothing_heavy():
    heavy = "{'jax', 'gpjax', 'sklearn', 'flax'} & set(sys.modules)"
    code = f"import sys, nas_jax.surrogates; sys.exit(bool({heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
