"""Optimisers by name: stochastic gradient descent with momentum, and all of optax that take a learning rate.

The learning rate is an argument of a step, so that trainings of any length and schedule share a program.
"""

import dataclasses
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
import optax
import optax.contrib

from nas_jax.train.host import evaluate
from nas_jax.train.packing import Packing

Settings: TypeAlias = tuple[tuple[str, Any], ...]

# What one number's step may depend on: that number alone, all of its array, or all of the network. Who is not listed
# is taken to be of the last kind, which is always right: it is then given the arrays as the network has them.
Reach: TypeAlias = Literal["number", "array", "network"]
_BY_NUMBER = (
    *("sgd", "adam", "adamw", "adamax", "adamaxw", "adabelief", "adadelta", "adagrad", "adan", "amsgrad", "lion"),
    *("nadam", "nadamw", "radam", "rmsprop", "sign_sgd", "yogi"),
)
_BY_ARRAY = ("adafactor", "lamb", "lars", "fromage", "novograd", "sm3")
_REACH: dict[str, Reach] = {**dict.fromkeys(_BY_NUMBER, "number"), **dict.fromkeys(_BY_ARRAY, "array")}
_MASKS = ("mask", "weight_decay_mask")
_OWN = ("learning_rate", "weight_decay", *_MASKS)  # what the recipe itself says
# They ask for the loss itself, for a key, or for other parameters to evaluate than those that they train.
_UNFIT = ("lbfgs", "noisy_sgd", "momo", "momo_adam", "schedule_free_adamw", "schedule_free_sgd", "sophia")
# They find a rate of their own from the first steps, by a sum weighted with what the recipe gives them.
WITHOUT_WARMUP = ("dadapt_adamw", "prodigy")


class Rule(NamedTuple):
    """`init(params) -> state`, `step(gradients, state, params, learning_rate) -> (params, state)`."""

    init: Callable[[Any], Any]
    step: Callable[[Any, Any, Any, jax.Array], tuple[Any, Any]]


class Averaged(NamedTuple):
    """The state of a rule, and the average of the parameters so far."""

    inner: Any
    count: Any  # of steps, int32
    average: Any


@dataclass(frozen=True, eq=False)
class Optimizer:
    """A rule, and with an `ema_decay` the exponential average of the parameters, which is what counts in the end.

    The average is without the bias to its beginning: after one step it is the parameters (Kingma & Ba 2015, section 3).
    """

    rule: Rule
    reach: Reach
    is_clipped: bool = False
    ema_decay: float | None = None

    @property
    def is_by_arrays(self) -> bool:
        """Whether a part of the network can be trained without looking at the rest."""
        return self.reach != "network" and not self.is_clipped

    def init(self, params: Any) -> Any:
        state = self.rule.init(params)
        if self.ema_decay is None:
            return state
        return Averaged(state, jnp.zeros((), jnp.int32), jax.tree.map(jnp.zeros_like, params))

    def step(self, gradients: Any, state: Any, params: Any, learning_rate: jax.Array) -> tuple[Any, Any]:
        if self.ema_decay is None:
            return self.rule.step(gradients, state, params, learning_rate)
        params, inner = self.rule.step(gradients, state.inner, params, learning_rate)
        count = state.count + 1
        log = jnp.log(jnp.float32(self.ema_decay))
        keep = self.ema_decay * jnp.expm1((count - 1) * log) / jnp.expm1(count * log)
        average = jax.tree.map(lambda old, new: keep * old + (1 - keep) * new, state.average, params)
        return params, Averaged(inner, count, average)

    def final(self, params: Any, state: Any) -> Any:
        """The parameters to evaluate and to keep."""
        return params if self.ema_decay is None else state.average

    def start(self, params: Any) -> Any:
        """`init(params)` on the host: NumPy's arrays of NumPy's arrays, so that nothing is compiled for it."""
        return evaluate(self.init, params)

    def of_packed(self, packing: Packing) -> "Optimizer":
        """For parameters in vectors; a rule that looks at whole arrays is given them as they are in the network."""
        if self.reach == "number":
            return self

        def step(gradients: Any, state: Any, params: Any, learning_rate: jax.Array) -> tuple[Any, Any]:
            trees = packing.unpack(gradients), state, packing.unpack(params)
            new, state = self.rule.step(*trees, learning_rate)
            return packing.pack(new), state

        return dataclasses.replace(self, rule=Rule(lambda params: self.rule.init(packing.unpack(params)), step))


def names() -> list[str]:
    """The optimisers that there are."""
    return [name for name in sorted({*dir(optax), *dir(optax.contrib)}) if _is_optimizer(name)]


def check(name: str, settings: Settings) -> None:
    """Raises ValueError, in one line, unless there is such an optimiser with such settings."""
    if not _is_optimizer(name):
        raise ValueError(f"optimizer={name!r}: choose from {', '.join(names())}")
    known = ("nesterov",) if name == "sgd" else tuple(each for each in _parameters(name) if each not in _OWN)
    for field, _ in settings:
        if field not in known:
            raise ValueError(f"optimizer_settings: {name} has no {field!r}; choose from {', '.join(known)}")


@functools.cache
def optimizer_of(
    name: str,
    settings: Settings,
    momentum: float,
    weight_decay: float,
    clip_norm: float | None,
    ema_decay: float | None,
) -> Optimizer:
    """The same object for the same arguments, by which programs are told apart (`layers.py`).

    Weight decay is of kernels only. An optimiser that has one of its own, as `adamw`, applies it in its own way; with
    others it is added to the gradients. `clip_norm` is the largest length of the gradient of all parameters.
    """
    if name == "sgd":
        rule = _momentum(momentum, weight_decay, clip_norm, **dict(settings))
    else:
        rule = _named(name, settings, weight_decay, clip_norm)
    return Optimizer(rule, _REACH.get(name, "network"), clip_norm is not None, ema_decay)


def _momentum(momentum: float, weight_decay: float, clip_norm: float | None, nesterov: bool = True) -> Rule:
    directions = _chain(
        clip_norm, optax.add_decayed_weights(weight_decay, mask=_is_kernel), optax.trace(momentum, nesterov=nesterov)
    )

    def step(gradients: Any, state: Any, params: Any, learning_rate: jax.Array) -> tuple[Any, Any]:
        against, state = directions.update(gradients, state, params)
        return jax.tree.map(lambda param, direction: param - learning_rate * direction, params, against), state

    return Rule(directions.init, step)


def _named(name: str, settings: Settings, weight_decay: float, clip_norm: float | None) -> Rule:
    parameters = _parameters(name)
    given: dict[str, Any] = dict(settings)
    masks = dict.fromkeys((each for each in _MASKS if each in parameters), _is_kernel)
    is_own = "weight_decay" in parameters and bool(masks)
    if is_own:
        given |= {"weight_decay": weight_decay, **masks}
    elif "weight_decay" in parameters:
        given["weight_decay"] = 0.0
    before = [] if is_own else [optax.add_decayed_weights(weight_decay, mask=_is_kernel)]

    def with_rate(learning_rate: Any) -> optax.GradientTransformation:
        return _chain(clip_norm, *before, _find(name)(learning_rate=learning_rate, **given))

    def step(gradients: Any, state: Any, params: Any, learning_rate: jax.Array) -> tuple[Any, Any]:
        updates, state = with_rate(learning_rate).update(gradients, state, params)
        return optax.apply_updates(params, updates), state

    return Rule(lambda params: with_rate(1.0).init(params), step)


def _chain(clip_norm: float | None, *parts: optax.GradientTransformation) -> optax.GradientTransformation:
    return optax.chain(*([] if clip_norm is None else [optax.clip_by_global_norm(clip_norm)]), *parts)


def _find(name: str) -> Any:
    return getattr(optax, name, None) or getattr(optax.contrib, name, None)


def _is_optimizer(name: str) -> bool:
    """Whether optax makes an optimiser of this name, of a learning rate and settings with defaults."""
    value = _find(name)
    if not inspect.isfunction(value) or name in _UNFIT or name.startswith("scale_by_"):
        return False
    parameters = inspect.signature(value).parameters
    required = {each.name for each in parameters.values() if each.default is each.empty}
    return "learning_rate" in parameters and required <= {"learning_rate"}


def _parameters(name: str) -> tuple[str, ...]:
    return tuple(inspect.signature(_find(name)).parameters)


def _is_kernel(params: Any) -> Any:
    return jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == "kernel", params)
