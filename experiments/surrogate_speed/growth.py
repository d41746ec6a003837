"""What a long search asks of the surrogate: memory and compilations while data grow row by row.

    python experiments/surrogate_speed/growth.py                      # hyperparameters drawn
    python experiments/surrogate_speed/growth.py --hyperparameters optimised --last 500

For each number of rows from 20 on: a fit of a process with one lengthscale and no warp, a fantasy that it is
conditioned on, predictions of 1,000 points, a joint draw at 100 of them, and leave one out. Prints a row of Markdown at
every hundredth number of rows.
"""

import argparse
import time
from pathlib import Path

import jax
import numpy as np
from data import draw

from nas_jax.surrogates.gaussian_process import GaussianProcess

COMPILATION = "/jax/core/compile/backend_compile_duration"
FIRST, STEP = 20, 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hyperparameters", choices=("drawn", "optimised"), default="drawn")
    parser.add_argument("--last", type=int, default=1000, help="rows at the end")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()

    compilations: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, *_, **__: compilations.append(event) if event == COMPILATION else None
    )
    data = draw(arguments.last, arguments.seed)
    surrogate = GaussianProcess(ard=False, hyperparameters=arguments.hyperparameters, warp="identity", num_starts=1)
    print("| rows | compilations | resident memory (MB) | ms for one more row |\n|---|---|---|---|", flush=True)
    begin = time.perf_counter()
    for num in range(FIRST, arguments.last + 1):
        ask(surrogate, jax.random.fold_in(jax.random.key(arguments.seed), num), data.x[:num], data.y[:num], data.x_new)
        if num % STEP == 0:
            milliseconds = 1e3 * (time.perf_counter() - begin) / min(STEP, num - FIRST + 1)
            print(f"| {num} | {len(compilations)} | {resident_megabytes():.0f} | {milliseconds:.0f} |", flush=True)
            begin = time.perf_counter()


def ask(surrogate: GaussianProcess, key: jax.Array, x: np.ndarray, y: np.ndarray, x_new: np.ndarray) -> None:
    state = surrogate.fit(key, x, y)
    fantasy = surrogate.condition(state, x_new[:1], surrogate.predict(state, x_new[:1]).mean)
    surrogate.predict(fantasy, x_new)
    surrogate.sample(fantasy, key, x_new[:100], 1)
    surrogate.leave_one_out(fantasy)


def resident_megabytes() -> float:
    """What the process holds now; on Linux."""
    fields = Path("/proc/self/status").read_text().splitlines()
    return next(int(field.split()[1]) for field in fields if field.startswith("VmRSS")) / 1e3


if __name__ == "__main__":
    main()
