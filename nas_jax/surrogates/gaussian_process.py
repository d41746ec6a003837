"""Exact Gaussian-process regression; hyperparameters maximise their posterior density, or are drawn from it.

Inputs are scaled to [0, 1] by the range of the training data, unless told otherwise. Targets are warped (`warps.py`)
and standardised, so hyperparameters are in units of a feature's range and of the warped targets' deviation. The prior
of the hyperparameters is in `hyperparameters.py`, the kernels and mean functions, which are GPJax's, in `kernels.py`
and `means.py`, the algebra in `exact.py`. Training rows are padded to a few sizes, each compiled once.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from nas_jax.surrogates import programs
from nas_jax.surrogates.base import Posterior, as_posterior, as_result
from nas_jax.surrogates.checks import hyperparameter_arrays, mean_array, query_array, training_arrays
from nas_jax.surrogates.gaussian_process_state import (
    GaussianProcessState,
    conditioned_of,
    hyperparameters_of,
    left_out,
    scaled_data,
    state_of,
)
from nas_jax.surrogates.gpjax_bridge import Process, posterior_of, read_model, row_noise, scaling_of_model
from nas_jax.surrogates.hyperparameters import Hyperparameters, groups_of, prior_of
from nas_jax.surrogates.kernels import num_shapes, stationary_kernel
from nas_jax.surrogates.loadings import loadings_of
from nas_jax.surrogates.means import check_mean, mean_function, parameters_of
from nas_jax.surrogates.mixtures import mixture_moments
from nas_jax.surrogates.padding import Chunk, chunks, pad
from nas_jax.surrogates.posterior_draw import draw_hyperparameters
from nas_jax.surrogates.posterior_mode import find_mode
from nas_jax.surrogates.precision import in_double_precision, side_by_side
from nas_jax.surrogates.randomness import generator_of
from nas_jax.surrogates.scaling import Scaling, scaling_of
from nas_jax.surrogates.settings import check_at_least, check_warp

_CHUNKS = (32, 512)  # how many points one call predicts: few, or many


@dataclass(frozen=True)
class GaussianProcess:
    """Settings of an exact Gaussian process.

    Args:
        kernel: "rbf", "matern12", "matern32", "matern52", "rational_quadratic", or a stationary kernel of GPJax:
            its lengthscale and variance are learned anew, its other parameters stay.
        ard: One lengthscale a feature, or a group of features; else a single one.
        groups: With `ard`, a label for each feature; features of one label share a lengthscale (one-hot features whose
            lengthscales are drawn only a part of it, see `loadings.py`).
        sharing: With `ard`, the correlation of log-lengthscales under the prior, from 0 to 1.
        warp: "sinh_arcsinh" bends skewed targets, "log_distance" models -log(upper_bound - y), "identity" neither.
        upper_bound: With "log_distance", what no target reaches (accuracies: a little above one).
        hyperparameters: "optimised", or "drawn": each fit draws them from their posterior (`posterior_draw.py`, with
            `ard` `relevance_draw.py`), without known noise. `sharing` and `num_starts` have no effect then.
        num_draws: With "drawn", over how many processes predictions average.
        scale_inputs: Scale features by their ranges in training (one without any never counts); else they are about 1.
        num_starts: Optimisations: the first from the prior mode, all others from draws of the prior.
        max_evaluations: Likelihood evaluations that each start may use.
        min_noise_std: Least noise that a fit can find, in standard deviations of the warped targets.
        mean: The prior mean: "constant" (that of the warped targets), "linear" in the features, or a mean function of
            GPJax, in scaled units; what it learns is found with the hyperparameters (`means.py`).

    Raises:
        ValueError: an unknown kernel or mean, or a setting out of its range.
    """

    kernel: Any = "matern52"
    ard: bool = True
    groups: Sequence[Hashable] | None = None
    sharing: float = 0.95
    warp: str = "sinh_arcsinh"
    upper_bound: float | None = None
    hyperparameters: str = "optimised"
    num_draws: int = 4
    scale_inputs: bool = True
    num_starts: int = 4
    max_evaluations: int = 150
    min_noise_std: float = 1e-3
    mean: Any = "constant"

    def __post_init__(self) -> None:
        stationary_kernel(self.kernel)
        check_mean(self.mean)
        if not (0 <= self.sharing <= 1 and self.min_noise_std > 0):
            raise ValueError(f"sharing must lie between 0 and 1, and min_noise_std above 0: {self}")
        check_at_least(1, num_starts=self.num_starts, max_evaluations=self.max_evaluations, num_draws=self.num_draws)
        check_warp(self.warp, self.upper_bound)
        if self.hyperparameters not in ("optimised", "drawn"):
            raise ValueError(f"unknown hyperparameters {self.hyperparameters!r}; choose from optimised, drawn")
        if self.hyperparameters == "drawn" and (num_shapes(self.kernel) or self.mean != "constant"):
            raise ValueError(f"drawn hyperparameters must come with a kernel without shape and mean='constant': {self}")
        if self.groups is not None and not self.ard:
            raise ValueError(f"groups of features must come with ard=True: {self}")

    def fit(self, key: jax.Array, x: Any, y: Any, *, noise_std: Any = None) -> GaussianProcessState:
        """Finds hyperparameters, or draws them, and conditions on `x` `[n, d]` and `y` `[n]`.

        Draws and starts differ with `key`; a start that ends at a value which is not finite is left out.

        Args:
            noise_std: Known deviations `[n]` of the measurements, in units of the targets; what is learned is the
                noise beyond them.

        Raises:
            ValueError: empty data, shapes that do not match, NaN, infinite or huge values, negative noise, or noise
                that is known where hyperparameters are drawn.
        """
        x, y = training_arrays(x, y)
        data = scaled_data(scaling := self._scaling(x, y), x, y, noise_std)
        num_varying = int(np.count_nonzero(np.ptp(x, axis=0)))
        if self.hyperparameters == "optimised":
            return self._condition(data, self._mode(key, data, num_varying), scaling)
        if noise_std is not None:
            raise ValueError("noise_std must come with hyperparameters='optimised'")
        kernel, loadings = stationary_kernel(self.kernel), loadings_of(data[0], self.groups) if self.ard else None
        draws = draw_hyperparameters(key, kernel, num_varying, data[0], data[1], loadings, self.num_draws)
        return GaussianProcessState.of_members([self._condition(data, found, scaling) for found in draws])

    def _mode(self, key: jax.Array, data: tuple[np.ndarray, ...], num_varying: int) -> Hyperparameters:
        """The optimised hyperparameters."""
        num_features = data[0].shape[1]
        groups, mean = groups_of(self.groups, num_features, ard=self.ard), mean_function(self.mean, num_features)
        sharing, learned = self.sharing if self.ard else 1.0, parameters_of(mean)
        prior = prior_of(num_varying, groups, sharing, self.min_noise_std, learned)
        observed = programs.Observed(stationary_kernel(self.kernel), pad(*data), prior, mean)
        return find_mode(key, observed, num_shapes(self.kernel), self.num_starts, self.max_evaluations)

    def condition_on(
        self,
        x: Any,
        y: Any,
        *,
        lengthscales: Any,
        signal_std: Any,
        noise_std: Any,
        shape: Any = (),
        mean_parameters: Any = (),
        known_noise_std: Any = None,
    ) -> GaussianProcessState:
        """Conditions on `x` `[n, d]` and `y` `[n]` with given hyperparameters, in the units of the state.

        Args:
            lengthscales: One number, or one for each feature (whatever `ard` says).
            shape: `[alpha]` for the kernel "rational_quadratic", else empty.
            mean_parameters: `[intercept, *slopes]` for the mean "linear", those of an instance, empty for "constant".
            known_noise_std: What `fit` calls `noise_std`: deviations `[n]` in units of the targets.

        Raises:
            ValueError: as `fit`; hyperparameters of a wrong shape or out of their range.
        """
        x, y = training_arrays(x, y)
        given = hyperparameter_arrays(lengthscales, signal_std, noise_std, shape, x.shape[1], num_shapes(self.kernel))
        mean = mean_array(mean_parameters, len(parameters_of(mean_function(self.mean, x.shape[1]))))
        scaling = self._scaling(x, y)
        return self._condition(scaled_data(scaling, x, y, known_noise_std), Hyperparameters(*given, mean), scaling)

    def condition(self, state: GaussianProcessState, x: Any, y: Any, *, noise_std: Any = None) -> GaussianProcessState:
        """Adds measurements `y` `[k]` at `x` `[k, d]`; hyperparameters, scales and warp stay what they are.

        For measurements since the fit, and for fantasies: what would be predicted if these were measured.

        Raises:
            ValueError: as `fit`, or another number of features.
        """
        x, y = training_arrays(x, y)
        added = scaled_data(state.scaling, query_array(x, state.x.shape[1], name="x"), y, noise_std)
        known = (state.x, state.y, state.known_noise_std**2)
        data = tuple(np.concatenate(pair) for pair in zip(known, added, strict=True))
        return GaussianProcessState.of_members(
            [self._condition(data, hyperparameters_of(member), state.scaling) for member in state.members]
        )

    def predict(self, state: GaussianProcessState, x_new: Any, *, with_noise: bool = False) -> Posterior:
        """Marginal predictions at `x_new` `[m, d]`, in units of the targets; of drawn hyperparameters their mixture's.

        Works through chunks of 32 or 512 points, so memory grows with m only by the points and the results.

        Args:
            with_noise: Deviations of a new measurement (without known noise of its own), not of the function.

        Raises:
            ValueError: another number of features, NaN, infinite or huge values.
        """
        queries = state.scaling.inputs(query_array(x_new, state.x.shape[1]))
        processes = [(self._conditioned(member), with_noise * member.noise_std**2) for member in state.members]
        mean, std = np.empty(len(queries)), np.empty(len(queries))

        def predict_chunk(chunk: Chunk) -> None:
            rows, points = chunk
            predicted = [(in_double_precision(programs.predict, points, each), noise) for each, noise in processes]
            means = np.array([centre for (centre, _), _ in predicted])
            variances = np.array([variance + noise for (_, variance), noise in predicted])
            centre, variance = (part[: rows.stop - rows.start] for part in mixture_moments(means, variances))
            mean[rows], std[rows] = state.scaling.moments(centre, np.sqrt(variance))

        side_by_side(predict_chunk, list(chunks(queries, _CHUNKS)))
        return as_posterior(mean, std, state.scaling.dtype)

    def sample(self, state: GaussianProcessState, key: jax.Array, x_new: Any, num: int) -> jax.Array:
        """Joint draws of the function at `x_new` `[m, d]`: `[num, m]`, in units of the targets.

        Each is of one draw of the hyperparameters, by chance, which costs a factorisation of m by m numbers. A
        covariance that cannot be factorised gets the least addition to its diagonal, from 1e-10 signal variances on,
        with which it can.

        Raises:
            ValueError: as `predict`, or a `num` below one.
        """
        if num < 1:
            raise ValueError(f"num must be at least 1, got {num}")
        queries = state.scaling.inputs(query_array(x_new, state.x.shape[1]))
        if not len(queries):
            return as_result(np.zeros((num, 0)), state.scaling.dtype)
        padded = pad(queries, *np.zeros((2, len(queries))))
        chosen = generator_of(key).integers(len(state.members), size=num)
        draws = np.empty((num, len(queries)))
        for place in np.unique(chosen):
            found = in_double_precision(programs.sample, padded, self._conditioned(state.members[place]), key, num=num)
            draws[chosen == place] = found[chosen == place, : len(queries)]
        return as_result(state.scaling.inverse_targets(draws), state.scaling.dtype)

    def leave_one_out(self, state: GaussianProcessState) -> Posterior:
        """Predicts each training measurement, noise included, from all others: `[n]`, ready to be held against y.

        Hyperparameters, scales and warp stay those of all data. Closed form of Rasmussen & Williams (2006),
        eq. 5.12; a lone point is predicted by the prior.
        """
        mean, variance = mixture_moments(*left_out(state))
        return as_posterior(*state.scaling.moments(mean, np.sqrt(variance)), state.scaling.dtype)

    def as_gpjax(self, state: GaussianProcessState) -> Any:
        """GPJax's posterior of the same process: an `ExactPosterior`, conditioned on scaled data, in float64.

        Of drawn hyperparameters it is that of the first draw; `state.members` has the state of each.
        Use it inside `jax.enable_x64(True)`. It takes `state.scaling.inputs(x)` and speaks of
        `state.scaling.targets(y)`; `state.scaling.moments(mean, std)` leads back to units of the targets. Measurements
        with known noise have each their deviation in its likelihood, which then predicts no others.
        """
        return posterior_of(self._process(len(state.lengthscales)), state, is_isotropic=not self.ard)

    def from_gpjax(self, model: Any, x: Any, y: Any, *, scaling: Scaling | None = None) -> GaussianProcessState:
        """The state of a process that GPJax fitted: its hyperparameters, conditioned on `x` `[n, d]` and `y` `[n]`.

        Args:
            model: GPJax's prior times a Gaussian likelihood, or a posterior; its kernel and mean are this process's.
            scaling: What maps the data to the units in which `model` was fitted. Without it, they are those of the
                data; data of a posterior may also be scaled as `fit` does.

        Raises:
            ValueError: as `fit`; a model of another kind, kernel or mean, or a posterior of other data.
        """
        x, y = training_arrays(x, y)
        read = read_model(self._process(x.shape[1]), model, x.shape[1])
        scaling = scaling or scaling_of_model(read, self._scaling(x, y), x, y)
        scaling = scaling._replace(y_mean=scaling.y_mean + read.constant * scaling.y_scale)
        data = scaling.inputs(x), scaling.targets(y), row_noise(read, len(y))
        return self._condition(data, read.found, scaling)

    def describe(self, state: GaussianProcessState) -> dict[str, Any]:
        """Lengthscales, signal and noise, in the units of the state; one lengthscale where all are equal.

        Of drawn hyperparameters the first draw.
        """
        num = 1 if np.all(state.lengthscales == state.lengthscales[0]) else None
        lengthscales = state.lengthscales[:num].tolist()
        return {"lengthscales": lengthscales, "signal_std": state.signal_std, "noise_std": state.noise_std}

    def lengthscales(self, state: GaussianProcessState) -> Float[np.ndarray, " d"] | None:
        """The lengthscale of each feature, in units of its training range; None without `ard`, and of a mere draw."""
        return state.lengthscales if self.ard and self.hyperparameters == "optimised" else None

    def with_groups(self, labels: Sequence[Hashable]) -> "GaussianProcess":
        """With these `groups`, where lengthscales of features are drawn and there are none yet."""
        is_told = not self.ard or self.hyperparameters != "drawn" or self.groups is not None
        return self if is_told else replace(self, groups=tuple(labels))

    def _scaling(self, x: np.ndarray, y: np.ndarray) -> Scaling:
        return scaling_of(x, y, self.warp, self.upper_bound, self.scale_inputs)

    def _process(self, num_features: int) -> Process:
        mean, has_mean = mean_function(self.mean, num_features), self.mean != "constant"
        return Process(stationary_kernel(self.kernel), num_shapes(self.kernel) > 0, mean, has_mean)

    def _condition(
        self, data: tuple[np.ndarray, ...], given: Hyperparameters, scaling: Scaling
    ) -> GaussianProcessState:
        mean = mean_function(self.mean, data[0].shape[1])
        result = in_double_precision(programs.factorise, stationary_kernel(self.kernel), mean, given, pad(*data))
        return state_of(data, given, result, scaling)

    def _conditioned(self, state: GaussianProcessState) -> programs.Conditioned:
        return conditioned_of(stationary_kernel(self.kernel), mean_function(self.mean, state.x.shape[1]), state)


make = GaussianProcess
