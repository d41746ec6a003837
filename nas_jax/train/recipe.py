"""How a network is trained: the numbers, and the optimiser. What follows for each step is in `schedules.py`."""

import functools
import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax


@dataclass(frozen=True)
class Recipe:
    """Stochastic gradient descent with Nesterov momentum, linear warm-up and cosine decay to zero.

    `learning_rate` is the peak, reached after `warmup_epochs`. `weight_decay` applies to kernels only.
    `compute_dtype` "auto" is bfloat16 on accelerators and float32 on CPUs; parameters are always float32. With
    `drop_last` the examples that fill no batch are left out of an epoch, other ones each time. `parallel` "jit" or
    "pmap" spreads each batch over `num_devices` devices of this machine, None for all (`parallel/`). `compilation` says
    what is compiled: "network", a program of the whole network; "layers", a program for each kind of layer, which all
    networks share; "auto", what takes less time (`programs.py`).

    A training that stops early, by `schedule` "cut", has come so far on the cosine of the full one; by "constant" every
    one, the full one too, has a constant rate after the warm-up, which falls to zero over the last `cooldown` of its
    epochs, a fraction (`schedules.py`).
    """

    num_epochs: int
    batch_size: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    warmup_epochs: float = 1.0
    weight_decay: float = 5e-4
    compute_dtype: str = "auto"
    drop_last: bool = True
    parallel: str = "none"
    num_devices: int | None = None
    compilation: str = "auto"
    schedule: str = "cut"
    cooldown: float = 0.2

    def __post_init__(self) -> None:
        for name in ("num_epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}: has to be at least 1")
        if not 0 <= self.warmup_epochs <= self.num_epochs - 0.5:
            raise ValueError(
                f"warmup_epochs={self.warmup_epochs}: has to be at least 0, and half an epoch less than "
                f"num_epochs={self.num_epochs}"
            )
        limits = {"learning_rate": math.inf, "weight_decay": math.inf, "momentum": 1}
        for name, limit in limits.items():
            if not 0 <= getattr(self, name) < limit:
                raise ValueError(f"{name}={getattr(self, name)}: has to be at least 0 and below {limit}")
        if not 0 <= self.cooldown < 1:
            raise ValueError(f"cooldown={self.cooldown}: has to be at least 0 and below 1")
        for name, choices in (
            ("schedule", ("cut", "constant")),
            ("compute_dtype", ("auto", "float32", "bfloat16")),
            ("parallel", ("none", "jit", "pmap")),
            ("compilation", ("auto", "network", "layers")),
        ):
            if (value := getattr(self, name)) not in choices:
                raise ValueError(f"{name}={value!r}: choose from {', '.join(choices)}")
        if self.num_devices is not None and (self.num_devices < 1 or self.parallel == "none"):
            raise ValueError(f"num_devices={self.num_devices}: has to be at least 1, and needs parallel=jit or pmap")

    @property
    def dtype(self) -> jnp.dtype:
        is_cpu = jax.default_backend() == "cpu"
        name = ("float32" if is_cpu else "bfloat16") if self.compute_dtype == "auto" else self.compute_dtype
        return jnp.dtype(name)

    def steps_per_epoch(self, num_examples: int) -> int:
        return num_examples // self.batch_size if self.drop_last else -(-num_examples // self.batch_size)


def make_optimizer(recipe: Recipe) -> optax.GradientTransformation:
    """From gradients to the direction against which a step goes; how far is the learning rate's to say.

    Recipes that differ in nothing of it have the same object, by which programs are told apart (`layers.py`).
    """
    return _optimizer(recipe.momentum, recipe.weight_decay)


@functools.cache
def _optimizer(momentum: float, weight_decay: float) -> optax.GradientTransformation:
    return optax.chain(
        optax.add_decayed_weights(weight_decay, mask=_is_kernel),
        optax.trace(momentum, nesterov=True),
    )


def _is_kernel(params: Any) -> Any:
    return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == "kernel", params)
