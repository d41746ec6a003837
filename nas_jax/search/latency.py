"""How long the exported network takes on this machine: measured once, at the end of a run, and kept beside it."""

import functools
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from nas_jax.data.arrays import ArraySpec
from nas_jax.errors import UserError
from nas_jax.export import load_best
from nas_jax.json_files import read_json
from nas_jax.timed_calls import time_calls

BATCH_SIZES = (1, 64)
_MAX_SECONDS = 2.0  # for the calls of one batch size


class Latency(NamedTuple):
    """Seconds that a call takes: from raw inputs in memory to predictions in memory, compilation apart.

    `low` and `high` are the quartiles of `num_calls` calls.
    """

    batch_size: int
    median: float
    low: float
    high: float
    num_calls: int


def write_latency(best: Path, allow: Sequence[str] = ()) -> Path:
    """Measures the network in `best`, unless that was done, and returns the path of `latency.json` there.

    The file has the `latencies` of the batch sizes, the `device` and `num_cpus`, and the `load` of the machine before
    (the number of busy processes, mean of a minute), since on a machine with other work to do figures are too long.

    `allow` is as of `load_best`.

    Raises:
        UserError: `best` holds no network, or names a module that is not allowed.
    """
    path = best / "latency.json"
    if path.exists():
        return path
    predictor = load_best(best, allow)
    device = jax.devices()[0]
    load = round(os.getloadavg()[0], 2)
    rng = np.random.default_rng(0)
    latencies = []
    for batch_size in BATCH_SIZES:
        inputs = random_array(rng, predictor.input, batch_size)
        latencies.append(measure_calls(functools.partial(predictor.predict, inputs), batch_size)._asdict())
    record = {
        "device": f"{device.platform}: {device.device_kind}",
        "num_cpus": os.cpu_count(),
        "load": load,
        "latencies": latencies,
    }
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    partial.replace(path)
    return path


def random_array(rng: np.random.Generator, one: ArraySpec, num: int) -> np.ndarray:
    """Random numbers of the shape and the type: bytes 0..255, other whole numbers 0 and 1, fractions in [0, 1)."""
    shape, dtype = (num, *one.shape), np.dtype(one.dtype)
    if dtype == np.uint8:
        return rng.integers(0, 256, shape, np.uint8)
    return (rng.random(shape) if dtype.kind == "f" else rng.integers(0, 2, shape)).astype(dtype)


def measure_calls(call: Callable[[], Any], batch_size: int) -> Latency:
    """Quartiles of the seconds of calls."""
    seconds = time_calls(call, _MAX_SECONDS)
    low, median, high = np.quantile(seconds, (0.25, 0.5, 0.75)).tolist()
    return Latency(batch_size, median, low, high, len(seconds))


def read_latency(best: Path) -> tuple[list[Latency], dict[str, Any]]:
    """What `write_latency` has left: the latencies, and the rest; nothing where nothing was measured."""
    path = best / "latency.json"
    if not path.exists():
        return [], {}
    record = read_json(path, {"latencies": list[dict[str, float]], "device": str, "num_cpus": int, "load": float})
    try:
        return [Latency(**each) for each in record.pop("latencies")], record
    except (KeyError, TypeError) as error:  # fields that are missing, or that there are not
        raise UserError(f"{str(path)!r} is damaged ({error}); remove it, and the run measures again") from error
