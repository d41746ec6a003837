"""The methods that are compared. Each imports its library when it is called: a fresh process pays for one only.

A method takes standardised data, a seed and a number of starts, and returns how it predicts and what it found.
"""

import warnings
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
from score import Found, from_coordinates

STOPPING = {"gtol": 1e-3, "ftol": 1e-8, "maxfun": 150}  # when `GaussianProcess` ends a start


class Fitted(NamedTuple):
    predict: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]  # [m, d] to means and deviations [m]
    found: Found


class Method(NamedTuple):
    fit: Callable[[np.ndarray, np.ndarray, int, int], Fitted]
    package: str  # that must be installed
    has_starts: bool  # else it always makes one


def ours(x: np.ndarray, y: np.ndarray, seed: int, num_starts: int) -> Fitted:
    import jax

    surrogate = our_settings(num_starts)
    state = surrogate.fit(jax.random.key(seed), x, y)

    def predict(x_new):
        return tuple(map(np.asarray, surrogate.predict(state, x_new)))

    return Fitted(predict, Found(state.lengthscales, state.signal_std**2, state.noise_std**2))


def our_settings(num_starts: int):
    from nas_jax.surrogates.gaussian_process import GaussianProcess

    return GaussianProcess(kernel="matern52", ard=True, warp="identity", num_starts=num_starts)


def scikit_learn(x: np.ndarray, y: np.ndarray, seed: int, num_starts: int) -> Fitted:
    """As most use it: the highest marginal likelihood within wide bounds."""
    return _scikit_learn(x, y, n_restarts_optimizer=num_starts - 1, random_state=seed)


def scikit_learn_with_prior(x: np.ndarray, y: np.ndarray, seed: int, num_starts: int) -> Fitted:
    """The posterior density of `ours`, in its coordinates, from its starts and with its stopping rules."""
    return _scikit_learn(x, y, optimizer=partial(_highest_density, starts=_starts(seed, num_starts, x.shape[1])))


def gpjax(x: np.ndarray, y: np.ndarray, seed: int, num_starts: int) -> Fitted:
    """As in its documentation: the highest marginal likelihood, by `fit_scipy` from one start."""
    import gpjax as gpx
    import jax
    import jax.numpy as jnp
    from gpjax.parameters import val

    with jax.enable_x64(True):
        data = gpx.Dataset(X=jnp.asarray(x, jnp.float64), y=jnp.asarray(y, jnp.float64)[:, None])
        kernel = gpx.kernels.Matern52(lengthscale=jnp.ones(x.shape[1]))
        prior = gpx.gps.Prior(mean_function=gpx.mean_functions.Zero(), kernel=kernel)
        fitted, _ = gpx.fit_scipy(
            model=prior * gpx.likelihoods.Gaussian(),
            objective=lambda model, batch: -gpx.objectives.conjugate_mll(model, batch),
            train_data=data,
            verbose=False,
        )
        posterior = fitted.condition(data)
        kernel, noise_variance = fitted.prior.kernel, float(val(fitted.likelihood.obs_stddev)) ** 2
        found = Found(np.asarray(val(kernel.lengthscale)), float(val(kernel.variance)), noise_variance)

    def predict(x_new):
        with jax.enable_x64(True):
            marginals = fitted.likelihood(posterior(jnp.asarray(x_new, jnp.float64), covariance="diagonal"))
            return np.asarray(marginals.mean), np.sqrt(np.asarray(marginals.variance))

    return Fitted(predict, found)


def botorch(x: np.ndarray, y: np.ndarray, seed: int, num_starts: int) -> Fitted:
    """`SingleTaskGP` with its own prior and a Matern-5/2 kernel, by `fit_gpytorch_mll` from one start."""
    import torch
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.models.utils.gpytorch_modules import get_covar_module_with_dim_scaled_prior
    from gpytorch.mlls import ExactMarginalLogLikelihood

    torch.manual_seed(seed)
    kernel = get_covar_module_with_dim_scaled_prior(ard_num_dims=x.shape[1], use_rbf_kernel=False)
    surrogate = SingleTaskGP(torch.as_tensor(x), torch.as_tensor(y)[:, None], covar_module=kernel)
    fit_gpytorch_mll(ExactMarginalLogLikelihood(surrogate.likelihood, surrogate))
    unit = len(y) / (len(y) - 1)  # it divides by a deviation of n - 1 degrees of freedom
    lengthscales = surrogate.covar_module.lengthscale.detach().numpy().ravel()

    def predict(x_new):
        with torch.no_grad():
            posterior = surrogate.posterior(torch.as_tensor(x_new))
            return posterior.mean.numpy().ravel(), posterior.variance.sqrt().numpy().ravel()

    return Fitted(predict, Found(lengthscales, unit, unit * surrogate.likelihood.noise.item()))


METHODS = {
    "ours": Method(ours, "nas_jax", has_starts=True),
    "scikit-learn": Method(scikit_learn, "sklearn", has_starts=True),
    "scikit-learn, our posterior": Method(scikit_learn_with_prior, "sklearn", has_starts=True),
    "GPJax": Method(gpjax, "gpjax", has_starts=False),
    "BoTorch": Method(botorch, "botorch", has_starts=False),
}


def is_installed(name: str) -> bool:
    return find_spec(METHODS[name].package) is not None


def _scikit_learn(x: np.ndarray, y: np.ndarray, **settings) -> Fitted:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    kernel = ConstantKernel(1.0, (1e-3, 1e3)) * Matern(np.ones(x.shape[1]), (1e-2, 1e3), nu=2.5)
    regressor = GaussianProcessRegressor(kernel + WhiteKernel(0.1, (1e-5, 1e1)), **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of hyperparameters that end at a bound
        regressor.fit(x, y)
    signal_variance, *lengthscales, noise_variance = np.exp(regressor.kernel_.theta)
    return Fitted(
        partial(regressor.predict, return_std=True), Found(np.array(lengthscales), signal_variance, noise_variance)
    )


def _highest_density(obj_func, initial_theta, bounds, *, starts):
    """An optimiser for scikit-learn, whose `theta` is the logarithms of signal variance, lengthscales and noise."""
    from scipy.optimize import minimize

    def theta_of(z):
        found, slopes = from_coordinates(z)
        return np.log([found.signal_variance, *found.lengthscales, found.noise_variance]), slopes

    def cost(z):
        theta, slopes = theta_of(z)
        value, gradient = obj_func(theta, eval_gradient=True)
        return value + 0.5 * z @ z, gradient @ slopes + z

    ends = [minimize(cost, start, jac=True, method="L-BFGS-B", options=STOPPING) for start in starts]
    best = min(ends, key=lambda end: end.fun)
    return theta_of(best.x)[0], best.fun


def _starts(seed: int, num_starts: int, num_features: int) -> list[np.ndarray]:
    """The mode of the prior and the draws of it that `ours` starts from, given this seed."""
    import jax

    key, shape = jax.random.key(seed), (3 + num_features,)
    with jax.enable_x64(True):
        draws = [jax.random.normal(jax.random.fold_in(key, number), shape) for number in range(1, num_starts)]
        return [np.zeros(shape), *map(np.asarray, draws)]
