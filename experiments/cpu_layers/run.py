"""Operations that XLA runs slowly on a CPU, in their usual form and in ours: forward and backward, side by side.

    python experiments/cpu_layers/run.py

Each pair is timed in turn, on one core, with the memory settings and the compiler options of a worker. CPU time is
taken, which other processes lengthen less than they do time. Writes results.csv beside this file.
"""

import csv
import os
import statistics
import sys
import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from nas_jax.cpu.compiler import compiler_options
from nas_jax.executors.slots import worker_variables
from nas_jax.layers import conv2d, dense_product, max_pool

NUM_ROUNDS = 7


def plain_conv(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    pad, layout = (kernel.shape[0] // 2,) * 2, ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, kernel, (stride, stride), (pad, pad), dimension_numbers=layout)


def plain_pool(x: jax.Array) -> jax.Array:
    return nn.max_pool(x, (2, 2), (2, 2))


def normal(*shape: int) -> jax.Array:
    return jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)


def make_step(operation, *arguments):
    """The compiled gradient of the sum of squares, by all arguments."""
    step = jax.jit(jax.grad(lambda *inputs: (operation(*inputs) ** 2).sum(), argnums=tuple(range(len(arguments)))))
    compiled = step.lower(*arguments).compile(compiler_options())
    return lambda: jax.block_until_ready(compiled(*arguments))


def seconds(step) -> float:
    start = time.process_time()
    step()
    return time.process_time() - start


def compare(plain, ours, *arguments, num_rounds: int = NUM_ROUNDS) -> dict:
    steps = [make_step(operation, *arguments) for operation in (plain, ours)]
    for step in steps:
        step()  # takes its memory
    rounds = [[seconds(step) for step in steps] for _ in range(num_rounds)]
    ratios = [plain_seconds / our_seconds for plain_seconds, our_seconds in rounds]
    return {
        "plain_ms": round(1e3 * statistics.median(row[0] for row in rounds), 1),
        "ours_ms": round(1e3 * statistics.median(row[1] for row in rounds), 1),
        "speedup": round(statistics.median(ratios), 2),
        "speedup_min": round(min(ratios), 2),
        "speedup_max": round(max(ratios), 2),
    }


def write(path: Path, rows: list[dict]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def on_one_core(main) -> None:
    """Calls `main` with the settings of a worker."""
    variables = worker_variables(num_threads=1)
    if any(os.environ.get(name) != value for name, value in variables.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | variables)  # malloc reads them at the start
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    main()


def main() -> None:
    results = []

    def add(name: str, *comparison) -> None:
        results.append({"operation": name, **compare(*comparison)})
        print(*results[-1].values(), sep="  ", flush=True)

    for side, channels, filters, size, stride in (
        (32, 3, 64, 3, 1),
        (32, 16, 16, 3, 1),
        (32, 64, 16, 3, 1),
        (32, 16, 64, 3, 1),
        (32, 64, 64, 3, 1),
        (32, 32, 32, 5, 1),
        (32, 32, 64, 5, 1),
        (32, 64, 64, 5, 1),
        (16, 64, 64, 3, 1),
        (8, 64, 64, 3, 1),
        (4, 64, 64, 5, 1),
        (2, 64, 64, 3, 1),
        (32, 16, 32, 3, 2),
        (16, 32, 64, 3, 2),
        (32, 16, 16, 1, 1),
        (32, 64, 64, 1, 1),
        (8, 64, 64, 1, 1),
    ):
        name = f"conv{size}x{size} {channels}-{filters} on {side}x{side}{f', stride {stride}' if stride > 1 else ''}"
        images, kernel = normal(128, side, side, channels), normal(size, size, channels, filters)
        add(f"{name}, batch 128", partial(plain_conv, stride=stride), partial(conv2d, stride=stride), images, kernel)
    for shape, units in (
        ((128, 32, 32, 16), 96),
        ((128, 16, 16, 96), 16),
        ((32, 128, 64), 256),
        ((32, 128, 256), 64),
        ((32, 128, 64), 5000),
    ):
        name = f"dense {shape[-1]}-{units}, batch {'x'.join(map(str, shape[:-1]))}"
        axes = (((len(shape) - 1,), (0,)), ((), ()))
        products = (partial(each, dimension_numbers=axes) for each in (jax.lax.dot_general, dense_product))
        add(name, *products, normal(*shape), normal(shape[-1], units))
    for batch, side, channels in ((128, 32, 64), (128, 16, 64)):
        name = f"max pool of {side}x{side}x{channels}, batch {batch}"
        add(name, plain_pool, max_pool, normal(batch, side, side, channels))
    write(Path(__file__).with_name("results.csv"), results)


if __name__ == "__main__":
    on_one_core(main)
