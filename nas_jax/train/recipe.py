"""How a network is trained: the numbers, and the optimiser. What follows for each step is in `schedules.py`."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

import jax
import jax.numpy as jnp

from nas_jax.train import optimizers
from nas_jax.trial import freeze


@dataclass(frozen=True)
class Recipe:
    """Stochastic gradient descent with Nesterov momentum, linear warm-up and cosine decay to zero.

    `learning_rate` is the peak, reached after `warmup_epochs`. `weight_decay` applies to kernels only. `optimizer` is
    "sgd" or any of optax by its name there ("adamw", "lion"), with `optimizer_settings` by name (`{"b2": 0.99}`);
    `momentum` is of "sgd" alone. `clip_norm` limits the length of the gradient of all parameters. With an `ema_decay`
    an exponential average of the parameters over the steps is evaluated and kept, and not the last ones.
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
    _: KW_ONLY
    batch_size: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    optimizer: str = "sgd"
    optimizer_settings: Any = ()  # a mapping, or pairs of name and value, as which it is kept
    clip_norm: float | None = None
    ema_decay: float | None = None
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
        object.__setattr__(self, "optimizer_settings", _pairs(self.optimizer_settings))
        optimizers.check(self.optimizer, self.optimizer_settings)
        if self.optimizer in optimizers.WITHOUT_WARMUP and self.warmup_epochs:
            raise ValueError(
                f"optimizer={self.optimizer!r} diverges where its first rate is 0, as a warm-up has it: set "
                "recipe.warmup_epochs=0"
            )
        if self.clip_norm is not None and not 0 < self.clip_norm < math.inf:
            raise ValueError(f"clip_norm={self.clip_norm}: has to be above 0; leave it out for gradients as they are")
        if self.ema_decay is not None and not 0 < self.ema_decay < 1:
            raise ValueError(f"ema_decay={self.ema_decay}: has to lie between 0 and 1; leave it out for no average")
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


def make_optimizer(recipe: Recipe) -> optimizers.Optimizer:
    """What takes a step, for a learning rate that it is given.

    Recipes that differ in nothing of it have the same object, by which programs are told apart (`layers.py`).
    """
    return optimizers.optimizer_of(
        recipe.optimizer,
        recipe.optimizer_settings,
        recipe.momentum,
        recipe.weight_decay,
        recipe.clip_norm,
        recipe.ema_decay,
    )


def _pairs(settings: Any) -> optimizers.Settings:
    """A mapping, or its pairs, as pairs in the order of their names.

    Raises:
        ValueError: it is neither.
    """
    given = settings.items() if isinstance(settings, Mapping) else settings or ()
    pairs = tuple(given) if isinstance(given, Iterable) else (given,)
    if not all(isinstance(pair, tuple | list) and len(pair) == 2 and isinstance(pair[0], str) for pair in pairs):
        raise ValueError(f"optimizer_settings={settings!r}: has to be a mapping, as {{'b2': 0.99}}")
    return tuple(sorted((name, freeze(value)) for name, value in pairs))
