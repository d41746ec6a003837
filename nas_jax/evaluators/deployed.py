"""What a network costs where it will run: measured of its compiled program, before any training.

The program is the one that is exported: from raw inputs to predictions, in float32, with the parameters as constants:
with them as arguments calls take longer. They have their initial values, which changes none of these figures.
"""

import functools
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np
from flax import linen as nn

from nas_jax.metrics import DEPLOYED, LATENCIES
from nas_jax.objectives import Objectives
from nas_jax.portable import make_predict
from nas_jax.tasks.base import Problem
from nas_jax.timed_calls import time_calls
from nas_jax.train.variables import draw_variables, input_shapes, plan_variables

_MAX_SECONDS = 1.0  # of calls
_measuring = threading.Lock()  # one network at a time


def wanted_of(objectives: Objectives | None) -> tuple[str, ...]:
    """Those of DEPLOYED that an objective or a constraint asks for."""
    return tuple(name for name in (objectives.needed if objectives else ()) if name in DEPLOYED)


def measured_for(wanted: Sequence[str]) -> tuple[str, ...]:
    """The figures of DEPLOYED that there are where these are wanted: some come along."""
    if not wanted:
        return ()
    timed = LATENCIES if set(wanted) & set(LATENCIES) else ()
    return tuple(name for name in DEPLOYED if name in (*wanted, *timed, "size_bytes"))


@dataclass(frozen=True, eq=False)
class Deployed:
    """A network compiled as it will run. `known` are figures that need no call; `seconds` is how long all this took."""

    compiled: jax.stages.Compiled
    inputs: jax.Array
    known: dict[str, float]
    is_timed: bool
    seconds: float

    def measure(self) -> dict[str, float]:
        """The figures that belong to what is wanted. No other network of this process is timed meanwhile."""
        if not self.is_timed:
            return self.known
        with _measuring:
            seconds = time_calls(lambda: jax.block_until_ready(self.compiled(self.inputs)), _MAX_SECONDS)
        low, median, high = np.quantile(seconds, (0.25, 0.5, 0.75)).tolist()
        return self.known | {
            "latency_ms": 1000 * median,
            "latency_ms_spread": 1000 * (high - low),
            "throughput": len(self.inputs) / median,
        }


def compile_deployed(network: nn.Module, problem: Problem, wanted: Sequence[str], batch_size: int) -> Deployed:
    """Compiles a network for figures of DEPLOYED.

    Args:
        network: in float32.
        batch_size: inputs of a call.
    """
    begun = time.perf_counter()
    task, spec = problem.task, problem.dataset.spec
    variables = jax.tree.map(jax.device_put, draw_variables(plan_variables(network, input_shapes(problem)), seed=0))
    one = spec.arrays[task.input_name]
    inputs = jax.device_put(np.zeros((batch_size, *one.shape), one.dtype))
    predict = functools.partial(make_predict(network, task, spec), variables)
    compiled = jax.jit(predict).lower(inputs).compile()
    size = sum(leaf.nbytes for leaf in jax.tree.leaves(variables))
    known = {"size_bytes": float(size)}
    if "peak_memory_bytes" in wanted and (memory := compiled.memory_analysis()) is not None:
        known["peak_memory_bytes"] = float(
            size + memory.argument_size_in_bytes + memory.output_size_in_bytes + memory.temp_size_in_bytes
        )
    return Deployed(compiled, inputs, known, bool(set(wanted) & set(LATENCIES)), time.perf_counter() - begun)


def is_broken(objectives: Objectives | None, metrics: dict[str, float]) -> bool:
    """Whether what is known before training breaks a constraint already."""
    constraints = objectives.constraints if objectives else ()
    known = [constraint for constraint in constraints if constraint.metric in metrics]
    return any(broken > 0 for constraint in known for broken in constraint.violations(metrics))
