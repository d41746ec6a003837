import json
import time

import numpy as np
import pytest

from nas_jax.data.arrays import ArraySpec
from nas_jax.errors import UserError
from nas_jax.search import latency
from nas_jax.search.latency import random_array, read_latency, write_latency
from nas_jax.timed_calls import time_calls


class Sleeper:
    """A network that takes a hundredth of a second a call, and longer to compile."""

    input = ArraySpec((4, 5, 3), "uint8")

    def __init__(self):
        self.shapes = []

    def predict(self, images):
        time.sleep(0.01 if images.shape in self.shapes else 0.3)
        self.shapes.append(images.shape)


@pytest.fixture
def network(monkeypatch):
    sleeper = Sleeper()
    monkeypatch.setattr(latency, "load_best", lambda best, allow: sleeper)
    return sleeper


def test_latency_is_that_of_a_call_without_the_compilation(network, tmp_path):
    path = write_latency(tmp_path)
    latencies, machine = read_latency(tmp_path)
    assert path == tmp_path / "latency.json"
    assert [each.batch_size for each in latencies] == [1, 64]
    assert set(network.shapes) == {(1, 4, 5, 3), (64, 4, 5, 3)}
    for each in latencies:
        assert 0.01 <= each.low <= each.median <= each.high
        assert each.median < 0.2
    assert set(machine) == {"device", "num_cpus", "load"}
    assert machine["device"] == "cpu: cpu"


def test_latency_is_measured_once(network, tmp_path):
    record = {"device": "d", "num_cpus": 1, "load": 0.0, "latencies": []}
    (tmp_path / "latency.json").write_text(json.dumps(record))
    write_latency(tmp_path)
    assert network.shapes == []
    assert read_latency(tmp_path) == ([], {"device": "d", "num_cpus": 1, "load": 0.0})


@pytest.mark.parametrize("dtype", ["uint8", "int32", "bool", "float32"])
def test_inputs_of_any_type_can_be_drawn(dtype):
    drawn = random_array(np.random.default_rng(0), ArraySpec((4, 3), dtype), 50)
    assert (drawn.shape, drawn.dtype) == ((50, 4, 3), np.dtype(dtype))
    assert len(np.unique(drawn)) > 1
    assert drawn.min() >= 0


def test_slow_calls_are_few():
    assert len(time_calls(lambda: time.sleep(0.05), 0.1)) == 10
    assert len(time_calls(lambda: time.sleep(0.005), 60.0)) == 100


def test_fast_calls_are_many():
    calls = time_calls(lambda: None, 60.0)
    assert len(calls) > 100
    assert 0.3 <= sum(calls) < 60


def test_without_a_network_there_is_no_latency(tmp_path):
    assert read_latency(tmp_path) == ([], {})
    with pytest.raises(UserError, match="no exported network"):
        write_latency(tmp_path)
