"""Arrays of every kind, to every surrogate: read right, or refused in one line; and targets of any scale."""

import dataclasses
import warnings
from decimal import Decimal
from fractions import Fraction

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import sparse

from nas_jax.surrogates.acquisition import expected_improvement, log_expected_improvement, thompson_draws
from nas_jax.surrogates.arrays import as_numbers
from nas_jax.surrogates.auto import Auto
from nas_jax.surrogates.base import Posterior
from nas_jax.surrogates.calibrated import Calibrated
from nas_jax.surrogates.capabilities import conditioner_of, sampler_of
from nas_jax.surrogates.deep_ensemble import DeepEnsemble
from nas_jax.surrogates.gaussian_process import GaussianProcess
from nas_jax.surrogates.random_forest import RandomForest
from nas_jax.surrogates.sklearn import SurrogateRegressor
from nas_jax.surrogates.svm import SVM

KEY = jax.random.key(0)
GP = GaussianProcess(num_starts=1, max_evaluations=20)
FOREST = RandomForest(num_trees=5)
SURROGATES = {
    "gaussian_process": GP,
    "drawn": GaussianProcess(ard=False, hyperparameters="drawn"),
    "linear_mean": dataclasses.replace(GP, mean="linear"),
    "random_forest": FOREST,
    "svm": SVM(costs=(1.0,), gammas=(0.3,), epsilons=(0.1,), num_replicas=3),
    "deep_ensemble": DeepEnsemble(num_members=2, num_steps=20),
    "calibrated": Calibrated(FOREST, num_folds=2),
    "auto": Auto((GP, FOREST), num_folds=2),
}


@dataclasses.dataclass
class Table:
    """What other libraries' tables and arrays are to NumPy."""

    values: object

    def __array__(self, dtype=None, copy=None):
        return np.asanyarray(self.values, dtype)


class NeedsDetaching:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("cannot be called on what needs a gradient.\nDetach it first.")


def _data(n=16):
    """Numbers that every type below holds exactly."""
    x = np.random.default_rng(0).permutation(n * 2).reshape(n, 2).astype(float)
    return x, x[:, 0] - 2 * x[:, 1]


def _float64(values):
    return np.asarray(values, np.float64)


MASKED = np.ma.array([1.0, 1e6, 3.0], mask=[False, True, False])
REFUSED = {
    "masked": MASKED,
    "masked-rows-in-a-list": [MASKED, MASKED],
    "masked-in-a-list": [1.0, np.ma.masked],
    "masked-table": Table(MASKED),
    "text": ["1", "2"],
    "text-among-numbers": [1.0, "2"],
    "text-objects": np.array([1.0, "2"], object),
    "bytes": np.array([b"1", b"2"]),
    "variable-text": np.array(["1"], np.dtypes.StringDType()),
    "none": np.array([1.0, None]),
    "complex": np.array([1 + 2j, 3]),
    "complex-without-imaginary-part": [1 + 0j],
    "complex-objects": np.array([np.complex64(1)], object),
    "dates": np.array(["2024-01-01"], "datetime64[D]"),
    "date-objects": np.array([np.datetime64("2024-01-01")], object),
    "spans": np.array([3], "timedelta64[s]"),
    "records": np.array([(1.0,)], [("a", float)]),
    "ragged": [[1.0, 2.0], [3.0]],
    "nested-objects": np.array([[1, 2], None], object),
    "sparse": sparse.eye(2).tocsr(),
    "mapping": {"a": 1.0},
    "generator": (number for number in range(3)),
    "keys": jax.random.key(0),
    "too-large": [10**400],
    "nothing": None,
    "with-gradient": NeedsDetaching(),
}
READ = {
    "integers": lambda values: values.astype(np.int16),
    "half": lambda values: values.astype(np.float16),
    "bfloat16": lambda values: values.astype(ml_dtypes.bfloat16),
    "wide": lambda values: values.astype(np.longdouble),
    "big-endian": lambda values: values.astype(">f4"),
    "columns-first": np.asfortranarray,
    "strided": lambda values: np.repeat(values, 3, axis=0)[::3],
    "reversed": lambda values: values[::-1].copy()[::-1],
    "objects": lambda values: values.astype(object),
    "fractions": np.vectorize(Fraction, otypes=[object]),
    "decimals": np.vectorize(Decimal, otypes=[object]),
    "lists": lambda values: values.tolist(),
    "jax": jnp.asarray,
    "jax-bfloat16": lambda values: jnp.asarray(values, jnp.bfloat16),
    "unmasked": lambda values: np.ma.array(values, mask=np.zeros(values.shape, bool)),
    "matrix": lambda values: np.matrix(values) if values.ndim == 2 else values,
    "table": Table,
    "read-only": lambda values: np.frombuffer(values.tobytes()).reshape(values.shape),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_array_of_numbers_is_refused_in_one_line(kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=r"^y must ") as caught:
            as_numbers("y", REFUSED[kind])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", READ)
def test_numbers_of_any_kind_are_read_as_they_are(kind):
    for values in _data():
        read = as_numbers("x", READ[kind](values))
        np.testing.assert_array_equal(read, values)
        assert (type(read), read.dtype) == (np.ndarray, np.float64)
        assert read.dtype.isnative
        assert read.flags.c_contiguous
        assert read.flags.writeable


def test_booleans_are_zero_and_one():
    np.testing.assert_array_equal(as_numbers("x", [[True, False]]), [[1.0, 0.0]])


@pytest.mark.parametrize("name", SURROGATES)
def test_every_surrogate_checks_every_array(name):
    """In `fit`, `predict`, and what else it has; the arrays' kinds are those above."""
    surrogate, (x, y) = SURROGATES[name], _data()
    is_odd = np.arange(16) == 7
    hidden = np.ma.array(np.where(is_odd, 1e6, y), mask=is_odd)
    hidden_x = np.ma.array(x, mask=np.column_stack([is_odd, is_odd]))
    state = surrogate.fit(KEY, x, y)
    uses = [lambda x, y: surrogate.fit(KEY, x, y), lambda x, _: surrogate.predict(state, x)]
    if condition := conditioner_of(surrogate, state):
        uses.append(condition)
    if sample := sampler_of(surrogate, state):
        uses.append(lambda x, _: sample(KEY, x, 2))
    for number, use in enumerate(uses):
        for wrong in (hidden_x, x.astype(str), x + 1j, x[:, 0], x[0, 0], x[:, :1] * np.nan, np.empty((16, 0))):
            with pytest.raises(ValueError, match="must") as caught:
                use(wrong, y)
            assert "\n" not in str(caught.value)
        for wrong in (hidden, y.astype(str), y + 1j, y[:, None], y[:7], y * np.inf) if number in (0, 2) else ():
            with pytest.raises(ValueError, match="must") as caught:
                use(x, wrong)
            assert "\n" not in str(caught.value)
    expected = surrogate.predict(state, x)
    for kind in ("integers", "big-endian", "columns-first", "table", "jax-bfloat16", "unmasked"):
        read = READ[kind]
        found = surrogate.predict(surrogate.fit(KEY, read(x), read(y)), read(x))
        np.testing.assert_array_equal(found.mean, expected.mean)
        np.testing.assert_array_equal(found.std, expected.std)


def test_a_known_deviation_is_checked_as_well():
    x, y = _data()
    for wrong in (np.ma.array(np.ones(16), mask=np.arange(16) == 2), np.ones(16).astype(str), np.ones(16) * 1j):
        with pytest.raises(ValueError, match="noise_std must"):
            GP.fit(KEY, x, y, noise_std=wrong)
    for wrong in ("1", [1.0], 1j, None):
        with pytest.raises(ValueError, match=r"signal_std.* must"):
            GP.condition_on(x, y, lengthscales=1.0, signal_std=wrong, noise_std=0.1)


def test_scikit_learns_wrapper_refuses_what_scikit_learn_would_convert():
    x, y = _data()
    regressor = SurrogateRegressor(FOREST, random_state=0).fit(x, y)
    is_odd = np.arange(16) == 7
    masked = np.ma.array(np.where(is_odd, 1e6, y), mask=is_odd)
    masked_x = np.ma.array(x, mask=np.column_stack([is_odd, is_odd]))
    for wrong in (masked, y.astype("datetime64[s]"), y.astype(str)):
        with pytest.raises(ValueError, match="y must"):
            regressor.fit(x, wrong)
    for wrong in (masked_x, x.astype(str), x.astype("timedelta64[s]")):
        for use in (lambda X: regressor.fit(X, y), regressor.predict):
            with pytest.raises(ValueError, match="X must"):
                use(wrong)


@pytest.mark.parametrize("power", [-166, -66, 83])
@pytest.mark.parametrize("name", SURROGATES)
def test_predictions_scale_with_the_targets(name, power):
    """From 1e-50 to 1e25. Powers of two round nothing: rounding decides between splits of a tree that are as good."""
    surrogate, (x, y), scale = SURROGATES[name], _data(), 2.0**power
    plain, scaled = (surrogate.predict(surrogate.fit(KEY, x, factor * y), x, with_noise=True) for factor in (1, scale))
    assert plain.mean.dtype == np.float32
    for values, expected in zip(scaled, plain, strict=True):
        np.testing.assert_allclose(_float64(values) / scale, _float64(expected), rtol=1e-6)


@hypothesis_settings(max_examples=25)
@given(power=st.integers(-50, 25), seed=st.integers(0, 9))
def test_a_process_scales_with_the_targets(power, seed):
    """Given hyperparameters, to rounding: means, deviations, draws, leave-one-out, and acquisitions of them."""
    rng = np.random.default_rng(seed)
    x, y, scale = rng.uniform(size=(12, 2)), rng.normal(size=12), 10.0**power
    gp = GaussianProcess(warp="identity")
    posteriors, draws, gains = [], [], []
    for factor in (1.0, scale):
        state = gp.condition_on(x, factor * y, lengthscales=0.5, signal_std=1.0, noise_std=0.1)
        posteriors.append([*gp.predict(state, x + 0.1), *gp.leave_one_out(state)])
        draws.append(gp.sample(state, KEY, x[:3] + 0.1, 2))
        posterior = Posterior(*posteriors[-1][:2])
        assert thompson_draws(posterior, KEY, 2).dtype == posterior.mean.dtype
        gains.append(expected_improvement(posterior, best=factor * y.max()))
        assert np.all(np.isfinite(log_expected_improvement(posterior, best=factor * y.max())))
    for plain, scaled in [*zip(*posteriors, strict=True), tuple(draws), tuple(gains)]:
        np.testing.assert_allclose(_float64(scaled) / scale, _float64(plain), rtol=2e-4, atol=1e-5)


@hypothesis_settings(max_examples=25)
@given(shift=st.sampled_from([-1e12, -1e6, -3.0, 0.25, 1e3, 1e9]), seed=st.integers(0, 9))
def test_a_process_shifts_with_the_targets(shift, seed):
    """To the rounding of the shifted targets themselves: 1e12 leaves four decimals of them."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(size=(12, 2)), rng.normal(size=12)
    gp = GaussianProcess(warp="identity")
    states = [gp.condition_on(x, y + by, lengthscales=0.5, signal_std=1.0, noise_std=0.1) for by in (0.0, shift)]
    plain, shifted = (gp.predict(state, x + 0.1) for state in states)
    np.testing.assert_allclose(_float64(shifted.mean) - shift, plain.mean, atol=2e-3)
    np.testing.assert_allclose(shifted.std, plain.std, rtol=1e-3)


def test_results_are_of_jaxs_type_where_that_will_do():
    x, y = _data()
    state = GP.fit(KEY, x, y)
    assert GP.predict(state, x).mean.dtype == np.float32
    with jax.enable_x64(True):
        precise = GP.predict(state, x)
        assert precise.mean.dtype == precise.std.dtype == GP.sample(state, KEY, x, 1).dtype == np.float64
    np.testing.assert_allclose(GP.predict(state, x).mean, precise.mean, rtol=1e-6)
    assert GP.predict(GP.fit(KEY, x, 1e-50 * y), x).mean.dtype == np.float64
    assert GP.predict(GP.fit(KEY, x, np.full(16, 3e-50)), x).mean == pytest.approx(np.full(16, 3e-50))
