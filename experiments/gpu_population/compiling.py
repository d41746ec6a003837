"""What compiling an architecture costs: `python compiling.py compile SCALE COMPILATION`, or `options`.

`compile` takes one chain after the other in one process, so that the first ones show what a process pays once;
COMPILATION is that field of the recipe.
`options` takes two chains in a process of their own for each candidate of XLA's options.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
from scale import Scale, emit, main

from nas_jax.tasks.base import load_problem
from nas_jax.tasks.classification import Classification
from nas_jax.train.fit import prepare, train
from nas_jax.train.recipe import Recipe
from nas_jax.trial import Genome

COMPILED = "/jax/core/compile/backend_compile_duration"  # JAX's event of a program that XLA has compiled
_SECONDS = 40.0  # of a candidate
CACHE = "--xla_gpu_per_fusion_autotune_cache_dir={out}/autotune"
CANDIDATES = {
    "plain": "",
    "no Triton products": "--xla_gpu_enable_triton_gemm=false",
    "autotune cache, empty": CACHE,
    "autotune cache, filled": CACHE,
    "optimization level 1": "--xla_backend_optimization_level=1",
    "4 compile threads": "--xla_gpu_force_compilation_parallelism=4",
    "no command buffers": "--xla_gpu_enable_command_buffer=",
    "LLVM in parallel": "--xla_gpu_enable_llvm_module_compilation_parallelism=true",
    "autotune level 0": "--xla_gpu_autotune_level=0",  # the last one: on an H200 nothing had come of it after 40 s
}


def compile_chains(scale: Scale, compilation: str) -> None:
    recipe = Recipe(scale.num_epochs, compilation=compilation)
    with _counting_programs() as programs:
        for number, genome in enumerate(scale.genomes):
            _measure(scale, genome, recipe, programs, number=number)


def options(scale: Scale) -> None:
    (Path(scale.out) / "autotune").mkdir(exist_ok=True)
    for name, flag in CANDIDATES.items():
        flags = f"{os.environ.get('XLA_FLAGS', '')} {flag.format(out=scale.out)}".strip()
        command = [sys.executable, __file__, "with_option", *sys.argv[2:], name]
        environment = {**os.environ, "XLA_FLAGS": flags}
        limit = _SECONDS * scale.patience
        try:
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=limit)
        except subprocess.TimeoutExpired:
            emit(option=name, skipped=f"ended after {limit:.0f} s")
            continue
        print(done.stdout, end="", flush=True)
        if done.returncode != 0:
            unknown = next((line for line in done.stderr.splitlines() if "Unknown flag" in line), None)
            last = next(iter(done.stderr.strip().splitlines()[-1:]), "no message")
            emit(option=name, skipped=unknown or f"exit code {done.returncode}: {last}")


def with_option(scale: Scale, name: str) -> None:
    jax.jit(lambda x: x @ x)(jax.numpy.ones((8, 8))).block_until_ready()  # opens the device, and its libraries
    with _counting_programs() as programs:
        for genome in scale.genomes[:2]:
            _measure(scale, genome, Recipe(scale.num_epochs, compilation="network"), programs, option=name)


def _measure(scale: Scale, genome: Genome, recipe: Recipe, programs: list[float], **labels: str | int) -> None:
    """Prepares and trains a network, with the seconds of both, and how many programs were compiled in each."""
    problem = load_problem(Classification(), scale.source())
    num_before, start, cpu = len(programs), time.perf_counter(), time.process_time()
    prepared = prepare(scale.space.network(genome, recipe.dtype), problem, recipe)
    seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu
    num_prepared, cpu = len(programs), time.process_time()
    ends = [time.perf_counter()]
    train(prepared, [0], lambda num_epochs, metrics: ends.append(time.perf_counter()))
    emit(
        **labels,
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        programs=num_prepared - num_before,
        programs_in_training=len(programs) - num_prepared,
        train_cpu_seconds=time.process_time() - cpu,
        last_epoch_seconds=ends[-1] - ends[-2],
        chain=scale.space.describe(genome),
    )


@contextmanager
def _counting_programs() -> Iterator[list[float]]:
    """Gives a list that grows by the seconds of each compilation."""
    programs: list[float] = []

    def listen(event: str, duration_secs: float, **details: str | int) -> None:
        if event == COMPILED:
            programs.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(listen)
    yield programs


if __name__ == "__main__":
    main({"compile": compile_chains, "options": options, "with_option": with_option}, sys.argv[1:])
