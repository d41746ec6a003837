"""A Gaussian process of this package as GPJax's own, and a model of GPJax as hyperparameters of this package.

GPJax adds its `jitter` to the variance of training rows and of predictions of the function. Here that is noise: what is
read has it in its noise, so that predictions of measurements agree, and what is written has none.
"""

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import gpjax as gpx
import jax
import jax.numpy as jnp
import numpy as np
import paramax
from gpjax.conditioning import ExactPosterior
from gpjax.kernels.stationary.base import StationaryKernel
from gpjax.likelihoods import Gaussian, MultiOutputGaussian
from gpjax.mean_functions import AbstractMeanFunction, Constant
from gpjax.parameters import NonNegativeReal, PositiveReal, val
from jaxtyping import Float

from nas_jax.surrogates.gaussian_process_state import GaussianProcessState
from nas_jax.surrogates.hyperparameters import Hyperparameters
from nas_jax.surrogates.means import parameters_of, with_parameters
from nas_jax.surrogates.scaling import Scaling, unscaled


class Process(NamedTuple):
    """What a Gaussian process of this package has of GPJax."""

    kernel: StationaryKernel
    has_shape: bool  # whether the kernel's alpha is learned
    mean: AbstractMeanFunction
    has_learned_mean: bool  # else it is zero, and a constant is a matter of the scaling


class ReadModel(NamedTuple):
    """A model of GPJax, in the units in which it was fitted."""

    found: Hyperparameters
    row_noise_variance: Float[np.ndarray, "*n"]  # of each row beyond that of all rows; zero where all have the same
    constant: float  # the mean, where the mean function is not learned
    data: tuple[np.ndarray, np.ndarray] | None  # of a posterior: inputs [n, d] and targets [n]


def posterior_of(process: Process, state: GaussianProcessState, *, is_isotropic: bool) -> ExactPosterior:
    """GPJax's exact posterior of scaled data, in float64; the lengthscale is a single number where it is isotropic."""
    with jax.enable_x64(True):
        lengthscales, num_features = state.lengthscales, len(state.lengthscales)
        settings: dict[str, Any] = {"alpha": PositiveReal(state.shape[0])} if process.has_shape else {}
        kernel = dataclasses.replace(
            process.kernel,
            lengthscale=PositiveReal(jnp.asarray(lengthscales[0] if is_isotropic else lengthscales)),
            variance=NonNegativeReal(jnp.asarray(state.signal_std**2)),
            n_dims=num_features,
            **settings,
        )
        mean = with_parameters(process.mean, jnp.asarray(state.mean_parameters))
        has_row_noise = bool(np.any(state.known_noise_std))
        noise_std = np.hypot(state.noise_std, state.known_noise_std) if has_row_noise else state.noise_std
        model = gpx.Prior(kernel=kernel, mean_function=mean, jitter=0.0) * Gaussian(obs_stddev=jnp.asarray(noise_std))
        return model.condition(gpx.Dataset(X=jnp.asarray(state.x), y=jnp.asarray(state.y)[:, None]))


def read_model(process: Process, model: Any, num_features: int) -> ReadModel:
    """Reads a model of GPJax that has the kernel and the mean function of the process.

    Raises:
        ValueError: another kind of model, or one with another kernel, mean function or number of features.
    """
    likelihood = getattr(model, "likelihood", None)
    if not isinstance(model, gpx.ConjugateModel | ExactPosterior) or isinstance(likelihood, MultiOutputGaussian):
        raise ValueError(
            "model must be GPJax's prior times a Gaussian likelihood of one output, or its posterior, "
            f"got {type(model).__name__}"
        )
    with jax.enable_x64(True):
        kernel, noise_std = model.prior.kernel, np.asarray(val(model.likelihood.obs_stddev), np.float64)
        _check_kernel(process, kernel)
        lengthscales = np.asarray(val(kernel.lengthscale), np.float64)
        if lengthscales.shape not in ((), (1,), (num_features,)):
            raise ValueError(f"x must have the {lengthscales.size} features of the model, got {num_features}")
        mean, constant = _read_mean(process, model.prior.mean_function)
        jitter, is_single = float(model.prior.jitter), noise_std.size == 1
        found = Hyperparameters(
            lengthscales=np.broadcast_to(lengthscales, num_features).copy(),
            signal_variance=np.asarray(val(kernel.variance), np.float64).reshape(()),
            noise_variance=np.asarray(jitter + (noise_std.item() ** 2 if is_single else 0.0)),
            shape=np.asarray([val(kernel.alpha)] if process.has_shape else [], np.float64),
            mean=mean,
        )
        data = None
        if isinstance(model, ExactPosterior):
            data = np.asarray(model.train_data.X), np.asarray(model.train_data.y)[:, 0]
        return ReadModel(found, np.zeros(()) if is_single else noise_std**2, constant, data)


def row_noise(read: ReadModel, num_rows: int) -> Float[np.ndarray, " n"]:
    """The noise variance of each row beyond that of all rows.

    Raises:
        ValueError: a likelihood of another number of rows.
    """
    if read.row_noise_variance.shape not in ((), (num_rows,)):
        raise ValueError(f"y must have the {read.row_noise_variance.size} rows of the model's noise, got {num_rows}")
    return np.broadcast_to(read.row_noise_variance, num_rows).copy()


def scaling_of_model(read: ReadModel, own: Scaling, x: Float[np.ndarray, "n d"], y: Float[np.ndarray, " n"]) -> Scaling:
    """What maps data to the units of the model: nothing, or `own` where that gives the data of a posterior.

    Raises:
        ValueError: a posterior of other data.
    """
    if read.data is None:
        return unscaled(x, y)
    if _are_close(read.data, (x, y)):
        return unscaled(x, y)
    if _are_close(read.data, (own.inputs(x), own.targets(y))):
        return own
    raise ValueError(
        "x and y must be the data that the posterior was conditioned on, as they are or scaled as this process scales "
        "them: give scaling=, or posterior.prior * posterior.likelihood for other data"
    )


def _are_close(ours: tuple[np.ndarray, ...], theirs: tuple[np.ndarray, ...]) -> bool:
    pairs = zip(ours, theirs, strict=True)
    return all(one.shape == other.shape and np.allclose(one, other, 1e-5, 1e-7) for one, other in pairs)


def _check_kernel(process: Process, kernel: Any) -> None:
    wanted = process.kernel
    if type(kernel) is not type(wanted) or kernel.active_dims != slice(None):
        raise ValueError(
            f"the model's kernel must be a {type(wanted).__name__} of all features, as this process has it, got a "
            f"{type(kernel).__name__}: make the process with kernel="
        )
    if not process.has_shape and not _are_equal(_at_unit_scales(kernel), _at_unit_scales(wanted)):
        raise ValueError("the model's kernel must have the parameters of this process's: make the process with kernel=")


def _at_unit_scales(kernel: StationaryKernel) -> StationaryKernel:
    return eqx.tree_at(lambda kernel: (kernel.lengthscale, kernel.variance), kernel, (jnp.ones(()), jnp.ones(())))


def _read_mean(process: Process, mean: Any) -> tuple[Float[np.ndarray, " q"], float]:
    """What the mean function learned, and a constant that belongs to the scaling."""
    if not process.has_learned_mean and isinstance(mean, Constant) and np.size(val(mean.constant)) == 1:
        return np.zeros(0), np.asarray(val(mean.constant), np.float64).item()
    parameters = parameters_of(mean)
    is_same = parameters.shape == parameters_of(process.mean).shape and type(mean) is type(process.mean)
    if not process.has_learned_mean or not is_same or not _are_equal(with_parameters(process.mean, parameters), mean):
        raise ValueError(
            f"the model's mean function must be that of this process, got {type(mean).__name__}: make the process with "
            "mean="
        )
    return parameters, 0.0


def _are_equal(first: Any, second: Any) -> bool:
    """Whether two parts of GPJax are made of the same classes and have the same parameters."""
    first, second = paramax.unwrap(first), paramax.unwrap(second)
    ours, theirs = jax.tree.leaves(first), jax.tree.leaves(second)
    return _classes_of(first) == _classes_of(second) and all(map(np.array_equal, ours, theirs))


def _classes_of(part: Any) -> list[type]:
    """The class of a part and of all parts within it; settings that are no parts, such as `n_dims`, do not count."""
    if isinstance(part, list | tuple):
        return [found for child in part for found in _classes_of(child)]
    if not isinstance(part, eqx.Module):
        return []
    children = [getattr(part, field.name) for field in dataclasses.fields(part)]
    return [type(part), *_classes_of(children)]
