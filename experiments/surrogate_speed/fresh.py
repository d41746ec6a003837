"""What is measured in a process of its own, which run.py starts like this:

    python experiments/surrogate_speed/fresh.py cold "scikit-learn" 100 0 4

Prints the result as one line of JSON.
"""

import json
import resource
import sys
import time

from data import draw, draw_inputs
from methods import METHODS, our_settings

COMPILATION = "/jax/core/compile/backend_compile_duration"
MEGABYTES = 1e6 if sys.platform == "darwin" else 1e3  # in units of `ru_maxrss`


def cold(method: str, num: int, seed: int, num_starts: int) -> dict[str, float]:
    """The first fit, imports and compilation included, and the first prediction of 1,000 points."""
    data = draw(num, seed)
    begin = time.perf_counter()
    fitted = METHODS[method].fit(data.x, data.y, seed, num_starts)
    middle = time.perf_counter()
    fitted.predict(data.x_new)
    return {"cold fit": middle - begin, "cold prediction": time.perf_counter() - middle}


def million(method: str, num: int, seed: int, num_starts: int) -> dict[str, float]:
    """Seconds for a million points, and the most memory that the process ever held."""
    data, x_new = draw(num, seed), draw_inputs(1_000_000, seed)
    fitted = METHODS[method].fit(data.x, data.y, seed, num_starts)
    begin = time.perf_counter()
    fitted.predict(x_new)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTES
    return {"million predictions": seconds, "memory of a million predictions": peak}


def compilations(method: str, num: int, seed: int, num_starts: int) -> dict[str, float]:
    """How often XLA compiles while data grow from 20 rows to `num`, one by one.

    In fits, and in all: making the settings makes a kernel of GPJax, whose parameters JAX transforms one by one.
    """
    import jax

    events = []
    key = jax.block_until_ready(jax.random.key(seed))  # compiled once, and no part of a fit
    jax.monitoring.register_event_duration_secs_listener(lambda event, *_, **__: events.append(event))
    surrogate = our_settings(num_starts)
    num_before = events.count(COMPILATION)
    data = draw(num, seed)
    for size in range(20, num + 1):
        surrogate.fit(key, data.x[:size], data.y[:size])
    num_events = events.count(COMPILATION)
    return {"compilations of fits": num_events - num_before, "compilations in all": num_events}


if __name__ == "__main__":
    measure = {"cold": cold, "million": million, "compilations": compilations}[sys.argv[1]]
    print(json.dumps(measure(sys.argv[2], *map(int, sys.argv[3:]))))
