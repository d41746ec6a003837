"""Metrics of any library: what is a number is stored and reads back equal, and what is none is a failed trial."""

import dataclasses
import enum
import json
import math
from typing import Any

import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nas_jax.errors import UserError
from nas_jax.evaluators.base import Measurement, Progress, attempt, evaluate_serially
from nas_jax.evaluators.plain import plain_metrics, plain_seconds
from nas_jax.store import TrialStore, read_trials
from nas_jax.trial import Trial

TRIAL = Trial(0, (1,), "one", "search", seed=0)
ALL_DTYPES = [
    np.dtype(bool),
    *(np.dtype(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64)),
    *(np.dtype(name) for name in ("float16", "float32", "float64", "longdouble")),
    np.dtype(ml_dtypes.bfloat16),
]


class Colour(enum.IntEnum):
    RED = 3


@dataclasses.dataclass(frozen=True)
class Gives:
    """Measures what it is told to."""

    metrics: Any
    seconds: Any = dataclasses.field(default_factory=lambda: {"train": 1.0})

    def measure(self, trial, report):
        return Measurement(self.metrics, self.seconds)


def stored(folder, **given):
    """The trial as the loop would store it, and as it reads back."""
    with TrialStore(folder / "trials.jsonl") as store:
        for trial in evaluate_serially(Gives(**given).measure, iter([TRIAL])):
            store.put(trial)
    (back,) = read_trials(folder / "trials.jsonl")
    return trial, back


def numbers(dtype):
    """NumPy's scalars of a type, each a float64 in truth."""
    if dtype.name in ("longdouble", "float128"):
        return st.floats(allow_nan=False).map(np.longdouble)
    if dtype == ml_dtypes.bfloat16:
        return st.integers(-256, 256).map(ml_dtypes.bfloat16)
    return hnp.from_dtype(dtype, allow_nan=False)


scalars = st.sampled_from(ALL_DTYPES).flatmap(numbers) | st.booleans() | st.floats(allow_nan=False) | st.integers()
arrays = st.sampled_from(ALL_DTYPES).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=2, min_side=0), elements=numbers(dtype))
)
curves = st.lists(scalars, max_size=4) | st.lists(scalars, max_size=4).map(tuple)
values = st.recursive(
    scalars | arrays | curves | scalars.map(np.array),
    lambda inner: st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def same(plain, given):
    """Whether a plain value has the numbers that were given, one by one."""
    if isinstance(plain, dict):
        return list(plain) == list(given) and all(same(plain[name], given[name]) for name in plain)
    if isinstance(plain, list):
        return len(plain) == len(given) and all(map(same, plain, given))
    return type(plain) in (bool, int, float) and plain == given


@given(st.dictionaries(st.text(max_size=5), values, max_size=4))
def test_numbers_of_all_kinds_read_back_equal(tmp_path_factory, metrics):
    trial, back = stored(tmp_path_factory.mktemp("numbers"), metrics=metrics)
    assert trial.status == "finished", trial.error
    assert same(trial.metrics, metrics)
    assert back == trial


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        (np.float32(0.5), 0.5),
        (np.float64(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (Colour.RED, 3),
        (jnp.float32(0.5), 0.5),
        (jnp.asarray(0.5, jnp.bfloat16), 0.5),
        (jnp.int32(7), 7),
        (jnp.asarray(True), True),
        (jnp.arange(3), [0, 1, 2]),
        (np.array([0.5, 0.25], np.float32), [0.5, 0.25]),
        ([jnp.float32(0.5), np.float16(0.25), 1], [0.5, 0.25, 1]),
        (np.array([1, 2.5], object), [1, 2.5]),
        ({"loss": np.ones(2, np.float32), 1: {"deep": (np.int8(1),)}}, {"loss": [1.0, 1.0], "1": {"deep": [1]}}),
        ("NVIDIA H100", "NVIDIA H100"),
        (np.str_("cpu"), "cpu"),
    ],
)
def test_each_kind(tmp_path, given, plain):
    trial, back = stored(tmp_path, metrics={"metric": given})
    assert trial.metrics == back.metrics == {"metric": plain}
    assert type(trial.metrics["metric"]) is type(plain)
    json.dumps(trial.metrics, allow_nan=False)


@pytest.mark.parametrize("value", [float("nan"), np.float32("nan"), jnp.float32(jnp.nan)])
def test_what_is_not_finite_is_a_number(tmp_path, value):
    trial, back = stored(tmp_path, metrics={"metric": value})
    assert np.isnan(trial.metrics["metric"])
    assert np.isnan(back.metrics["metric"])


SCORES = np.ma.masked_array([0.93, 0.5], mask=[True, False])


@pytest.mark.parametrize(
    ("masked", "plain"),
    [
        (np.ma.masked_array(0.93, mask=True), math.nan),
        (np.ma.masked_array([0.93], mask=True).mean(), math.nan),
        (np.ma.masked_array(7, mask=True), math.nan),
        (SCORES, [math.nan, 0.5]),
        ([SCORES[0], 0.5], [math.nan, 0.5]),
        (np.ma.masked_array([0.25, 0.5]), [0.25, 0.5]),
        (np.ma.masked_array([0.93, 0.5], mask=[True, False], dtype=object), [math.nan, 0.5]),
    ],
)
def test_what_is_masked_is_not_a_number_that_was_measured(masked, plain):
    np.testing.assert_array_equal(plain_metrics({"metric": masked})["metric"], plain)


@pytest.mark.parametrize("given", [1, 1.5, np.float32(1.5), jnp.float32(1.5), np.array(1.5)])
def test_seconds_are_plain_numbers(tmp_path, given):
    trial, back = stored(tmp_path, metrics={}, seconds={"train": given})
    assert back.seconds == trial.seconds == {"train": float(given)}


@pytest.mark.parametrize(
    ("metrics", "reason"),
    [
        ({"fine": 1.0, "classes": {"cat", "dog"}}, "metric 'classes': a set is no number"),
        ({"nothing": None}, "metric 'nothing': None is no number"),
        ({"phase": 1 + 2j}, "metric 'phase': a complex is no number"),
        ({"phase": np.complex64(1)}, "metric 'phase': a complex64 is no number"),
        ({"day": np.datetime64("2020-01-01")}, "metric 'day': a datetime64 is no number"),
        ({"raw": b"abc"}, "metric 'raw': a bytes is no number"),
        ({"curve": [0.5, "high"]}, "metric 'curve': a str is no number"),
        ({"curve": {"loss": [0.5, None]}}, "metric 'curve', 'loss': None is no number"),
        ({"names": np.array(["a", "b"])}, "metric 'names': a ndarray is no number"),
        ({"model": np.float32}, "metric 'model': a type is no number"),
        ({"object": np.array([object()], object)}, "metric 'object': an object is no number"),
        ({"huge": 10**400}, "metric 'huge': an integer of 1329 bits is too large"),
        ({("a", 1): 0.5}, "metrics: a tuple is no name"),
        ({None: 0.5}, "metrics: None is no name"),
        ({"1": 0.5, 1: 0.25}, "metrics: '1' is there twice, as a string and as a number"),
        ([0.5], "metrics: a list is no mapping of names to numbers"),
        (None, "metrics: None is no mapping of names to numbers"),
    ],
)
def test_what_is_no_number_is_a_failed_trial_with_its_reason(tmp_path, metrics, reason):
    trial, back = stored(tmp_path, metrics=metrics)
    assert (trial.status, trial.failure, trial.error) == ("failed", "error", f"ValueError: {reason}")
    assert back == trial


@pytest.mark.parametrize(
    ("seconds", "reason"),
    [
        ({"train": "long"}, "seconds, 'train': a str is no number"),
        ({"train": [1.0, 2.0]}, "seconds, 'train': a list is no number"),
        ({"train": float("inf")}, "seconds, 'train': has to be finite and not negative, but is inf"),
        ({"train": np.float32("nan")}, "seconds, 'train': has to be finite and not negative, but is nan"),
        ({"train": -1}, "seconds, 'train': has to be finite and not negative, but is -1"),
        (3.0, "seconds: a float is no mapping of names to numbers"),
    ],
)
def test_seconds_that_are_no_numbers_are_a_failed_trial(tmp_path, seconds, reason):
    trial, back = stored(tmp_path, metrics={"metric": 1.0}, seconds=seconds)
    assert (trial.status, trial.error) == ("failed", f"ValueError: {reason}")
    assert back == trial


def test_a_measure_that_gives_no_measurement_is_a_failed_trial():
    assert attempt(lambda trial, report: {"val_accuracy": 0.5}, TRIAL).status == "failed"


def test_progress_is_plain_as_well():
    told = []

    def measure(trial, report):
        report(Progress(trial.id, np.int64(1), {"val_loss": jnp.float32(0.5), "curve": np.ones(2)}))
        report(Progress(trial.id, 2, {"val_loss": object()}))

    trial = attempt(measure, TRIAL, told.append)
    assert told == [Progress(0, 1, {"val_loss": 0.5, "curve": [1.0, 1.0]})]
    assert json.loads(json.dumps(told[0]._asdict())) == told[0]._asdict()
    assert trial.error == "ValueError: metric 'val_loss': an object is no number"


def test_user_errors_pass():
    def measure(trial, report):
        raise UserError("no data")

    with pytest.raises(UserError, match="no data"):
        attempt(measure, TRIAL)


@given(st.dictionaries(st.text(max_size=5), values, max_size=4))
def test_what_is_plain_stays_as_it_is(metrics):
    plain = plain_metrics(metrics)
    assert plain_metrics(plain) == plain
    assert plain_metrics({}) == plain_seconds({}) == {}
