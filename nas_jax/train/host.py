"""Small functions of JAX computed with NumPy: their jaxpr, equation by equation, so that nothing is compiled.

Initialisers are such functions: random bits, a handful of arithmetic and a reshape. A program of each would have to be
compiled for each shape, which costs a new network more than all of its numbers do.
"""

import inspect
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.special
from jax.extend import core

from nas_jax.layers import he_kernel

HE_KERNEL = inspect.unwrap(he_kernel).__name__  # as which a jaxpr calls it


class UnknownOperationError(NotImplementedError):
    """A primitive that is not known here."""


class Key(NamedTuple):
    """Stands for a key of JAX: the numbers from which NumPy draws, and the stream that kernels of `he_kernel` share.

    The first fold is the place of a variable in its network, which is among the numbers already.
    """

    numbers: tuple[int, ...]
    stream: np.random.Generator
    is_root: bool = True

    def fold(self, number: int) -> "Key":
        return Key(self.numbers if self.is_root else (*self.numbers, number), self.stream, is_root=False)

    def bits(self, width: int, shape: tuple[int, ...]) -> np.ndarray:
        rng = np.random.default_rng(self.numbers)
        return rng.integers(0, 2**width, shape, np.dtype(f"uint{width}"))


def number_of(text: str) -> int:
    """A name as a number, the same in every process."""
    return zlib.crc32(text.encode())


def needed_equations(jaxpr: core.Jaxpr, outputs: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Of each of `outputs` the equations on which it depends, in their order."""
    places = {out: place for place, equation in enumerate(jaxpr.eqns) for out in equation.outvars}

    def needed(output: Any) -> tuple[Any, ...]:
        found: set[int] = set()
        wanted = [output]
        while wanted:
            var = wanted.pop()
            place = None if isinstance(var, core.Literal) else places.get(var)
            if place is not None and place not in found:
                found.add(place)
                wanted.extend(jaxpr.eqns[place].invars)
        return tuple(jaxpr.eqns[place] for place in sorted(found))

    return [needed(output) for output in outputs]


def run_equations(equations: Iterable[Any], values: dict[Any, Any]) -> None:
    """Adds the results of `equations` to `values`, which has those of the variables that they start from.

    Raises:
        UnknownOperationError: one of them is of an unknown kind.
    """
    for equation in equations:
        results = _apply(equation, [value_of(var, values) for var in equation.invars])
        for var, result in zip(equation.outvars, results, strict=True):
            values[var] = _as_declared(result, var)


def value_of(var: Any, values: Mapping[Any, Any]) -> Any:
    if not isinstance(var, core.Literal):
        return values[var]
    aval: Any = var.aval
    return np.asarray(var.val, aval.dtype)


def evaluate(function: Callable[..., Any], *arguments: Any) -> Any:
    """`function(*arguments)` of NumPy's arrays, without compiling anything unless an operation is unknown."""
    closed, shapes = jax.make_jaxpr(function, return_shape=True)(*arguments)
    try:
        leaves = _run(closed, jax.tree.leaves(arguments))
    except UnknownOperationError:
        return jax.device_get(jax.jit(function)(*arguments))
    return jax.tree.unflatten(jax.tree.structure(shapes), leaves)


def _run(closed: core.ClosedJaxpr, arguments: Sequence[Any]) -> list[Any]:
    jaxpr = closed.jaxpr
    values = {
        **dict(zip(jaxpr.constvars, closed.consts, strict=True)),
        **dict(zip(jaxpr.invars, arguments, strict=True)),
    }
    run_equations(jaxpr.eqns, values)
    return [value_of(var, values) for var in jaxpr.outvars]


def _as_declared(result: Any, var: Any) -> Any:
    """In the type that JAX says: NumPy's own would be wider here and there."""
    if jax.dtypes.issubdtype(var.aval.dtype, jax.dtypes.prng_key):
        return result
    return np.asarray(result, var.aval.dtype)


def _apply(equation: Any, inputs: list[Any]) -> Sequence[Any]:
    name, params = equation.primitive.name, equation.params
    if name in ("jit", "pjit", "closed_call", "core_call", "custom_jvp_call", "custom_vjp_call"):
        called = params.get("name")
        if called == HE_KERNEL:
            return [_he_kernel(inputs[0].item().stream, equation.outvars[0].aval.shape)]
        if called == "diagonal" and inputs[0].ndim == 2:  # a gather otherwise
            return [np.diagonal(inputs[0])]
        inner = params.get("jaxpr", params.get("call_jaxpr"))
        return _run(inner, inputs)
    if name == "qr" and not params["full_matrices"] and not params.get("pivoting"):
        return list(np.linalg.qr(inputs[0]))
    if name not in _OPERATIONS or (name in ("div", "rem") and np.asarray(inputs[0]).dtype.kind != "f"):
        raise UnknownOperationError(name)
    return [_OPERATIONS[name](params, *inputs)]


def _he_kernel(stream: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return stream.normal(scale=np.sqrt(2 / int(np.prod(shape[:-1]))), size=shape)


def key_array(key: Key) -> np.ndarray:
    """A key as an array without axes, on which NumPy's operations work."""
    array = np.empty((), object)
    array[()] = key
    return array


def _split(params: Mapping[str, Any], key: np.ndarray) -> np.ndarray:
    parent = key.item()._replace(is_root=False)
    keys = np.empty(params["shape"], object)
    for place in np.ndindex(*params["shape"]):
        keys[place] = parent.fold(number_of(f"split{params['shape']}")).fold(
            int(np.ravel_multi_index(place, keys.shape))
        )
    return keys


def _broadcast_in_dim(params: Mapping[str, Any], x: np.ndarray) -> np.ndarray:
    shape = params["shape"]
    lengths = [1] * len(shape)
    for axis, length in zip(params["broadcast_dimensions"], np.shape(x), strict=True):
        lengths[axis] = length
    return np.broadcast_to(np.reshape(x, lengths), shape)


def _iota(params: Mapping[str, Any]) -> np.ndarray:
    shape, axis = params["shape"], params["dimension"]
    lengths = [-1 if i == axis else 1 for i in range(len(shape))]
    return np.broadcast_to(np.arange(shape[axis]).reshape(lengths), shape)


def _slice(params: Mapping[str, Any], x: np.ndarray) -> np.ndarray:
    starts, limits = params["start_indices"], params["limit_indices"]
    strides = params["strides"] or (1,) * len(starts)
    return x[tuple(map(slice, starts, limits, strides))]


def _reshape(params: Mapping[str, Any], x: np.ndarray) -> np.ndarray:
    if params.get("dimensions") is not None:
        raise UnknownOperationError("reshape with dimensions")
    return np.reshape(x, params["new_sizes"])


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda params, *inputs: function(*inputs)


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "random_bits": lambda params, key: key.item().bits(params["bit_width"], params["shape"]),
    "random_fold_in": lambda params, key, number: key_array(key.item().fold(int(number))),
    "random_split": _split,
    "broadcast_in_dim": _broadcast_in_dim,
    "iota": _iota,
    "slice": _slice,
    "reshape": _reshape,
    "squeeze": lambda params, x: np.squeeze(x, params["dimensions"]),
    "expand_dims": lambda params, x: np.expand_dims(x, params["dimensions"]),
    "transpose": lambda params, x: np.transpose(x, params["permutation"]),
    "concatenate": lambda params, *inputs: np.concatenate(inputs, params["dimension"]),
    "convert_element_type": lambda params, x: np.asarray(x).astype(params["new_dtype"]),
    "bitcast_convert_type": lambda params, x: np.asarray(x).view(params["new_dtype"]),
    "integer_pow": lambda params, x: np.power(x, params["y"]),
    "reduce_sum": lambda params, x: np.sum(x, axis=params["axes"]),
    "reduce_prod": lambda params, x: np.prod(x, axis=params["axes"]),
    "reduce_max": lambda params, x: np.max(x, axis=params["axes"]),
    "select_n": lambda params, which, *cases: np.choose(np.asarray(which, int), cases),
    "clamp": lambda params, low, x, high: np.clip(x, low, high),
    "stop_gradient": _plain(lambda x: x),
    "copy": _plain(lambda x: x),
    "copy_p": _plain(lambda x: x),
    "erf": _plain(scipy.special.erf),
    "erf_inv": _plain(scipy.special.erfinv),
    "rsqrt": _plain(lambda x: 1 / np.sqrt(x)),
    "shift_right_logical": _plain(np.right_shift),  # of unsigned numbers, which random bits are
    "shift_left": _plain(np.left_shift),
    **{
        name: _plain(function)
        for name, function in {
            "add": np.add,
            "sub": np.subtract,
            "mul": np.multiply,
            "div": np.divide,
            "rem": np.fmod,
            "pow": np.power,
            "max": np.maximum,
            "min": np.minimum,
            "neg": np.negative,
            "sign": np.sign,
            "abs": np.abs,
            "sqrt": np.sqrt,
            "square": np.square,
            "exp": np.exp,
            "log": np.log,
            "log1p": np.log1p,
            "expm1": np.expm1,
            "sin": np.sin,
            "cos": np.cos,
            "tanh": np.tanh,
            "floor": np.floor,
            "nextafter": np.nextafter,
            "eq": np.equal,
            "ne": np.not_equal,
            "lt": np.less,
            "le": np.less_equal,
            "gt": np.greater,
            "ge": np.greater_equal,
            "and": np.bitwise_and,
            "or": np.bitwise_or,
            "not": np.invert,
        }.items()
    },
}
