"""A scikit-learn estimator around any surrogate, for pipelines, cross-validation and searches over settings.

>>> import numpy as np
>>> from sklearn.model_selection import GridSearchCV
>>> from nas_jax.surrogates.gaussian_process import GaussianProcess
>>> from nas_jax.surrogates.sklearn import SurrogateRegressor
>>> X = np.random.default_rng(0).uniform(size=(30, 2))
>>> y = np.sin(6 * X[:, 0]) + X[:, 1]
>>> regressor = SurrogateRegressor(GaussianProcess(kernel="matern52"), random_state=0).fit(X, y)
>>> mean, std = regressor.predict([[0.5, 0.5], [3.0, 3.0]], return_std=True)
>>> mean.shape, bool(std[0] < std[1])
((2,), True)
>>> search = GridSearchCV(regressor, {"surrogate__kernel": ["matern52", "rbf"]}, cv=3).fit(X, y)
>>> search.best_params_
{'surrogate__kernel': 'rbf'}
"""

import dataclasses
from typing import Any

import jax
import numpy as np
from jaxtyping import Float64
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from nas_jax.surrogates.arrays import refuse_misread
from nas_jax.surrogates.base import Surrogate

_PREFIX = "surrogate__"


class SurrogateRegressor(RegressorMixin, BaseEstimator):
    """Fits and predicts as scikit-learn does; a surrogate does the work.

    Settings of the surrogate are parameters too: `set_params(surrogate__ard=False)` replaces the surrogate, which
    is frozen, by one that differs in `ard`. As everywhere in scikit-learn, arguments are first looked at by `fit`,
    so the constructor takes anything.

    Args:
        surrogate: What learns; any `Surrogate`. Those that are dataclasses have parameters of their own.
        random_state: An integer for the same result from every `fit`, a `np.random.RandomState` to draw from, or
            None for NumPy's global one. The surrogate's key is drawn from it.
        with_noise: Whether deviations are those of a new measurement, or of the function itself.

    Attributes:
        surrogate_: The surrogate that learned. Later changes of the parameter leave it as it is.
        state_: What it learned.
        n_features_in_: Number of features of the training data.
        feature_names_in_: Their names, where the data had names.
    """

    def __init__(self, surrogate: Any, *, random_state: Any = None, with_noise: Any = False) -> None:
        self.surrogate = surrogate
        self.random_state = random_state
        self.with_noise = with_noise

    def fit(self, X: Any, y: Any) -> "SurrogateRegressor":
        """Learns from `X` `[n, d]` and `y` `[n]`.

        Raises:
            TypeError: `surrogate` is none, or `X` is sparse.
            ValueError: data that scikit-learn or the surrogate refuse, such as NaN or several targets a row.
        """
        if isinstance(self.surrogate, type) or not isinstance(self.surrogate, Surrogate):
            raise TypeError(f"surrogate must be one, such as GaussianProcess(), got {self.surrogate!r}")
        for name, values in (("X", X), ("y", y)):
            refuse_misread(name, values)  # scikit-learn refuses all else
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        self.surrogate_ = self.surrogate
        self.state_ = self.surrogate_.fit(jax.random.key(seed), X, y)
        return self

    def predict(
        self, X: Any, return_std: bool = False
    ) -> Float64[np.ndarray, " m"] | tuple[Float64[np.ndarray, " m"], Float64[np.ndarray, " m"]]:
        """The mean at `X` `[m, d]`, and with `return_std` also the standard deviation, in units of the targets.

        Numbers are those of the surrogate's `predict`: stored as float64, and as exact as those.

        Raises:
            NotFittedError: `fit` comes first.
            ValueError: another number of features than in training, NaN or infinite values, or no rows.
        """
        check_is_fitted(self)
        refuse_misread("X", X)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        posterior = self.surrogate_.predict(self.state_, X, with_noise=self.with_noise)
        mean, std = (np.asarray(values, np.float64) for values in posterior)
        return (mean, std) if return_std else mean

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Parameters by name, with `deep` also those of the surrogate, as `surrogate__<setting>`."""
        nested = {_PREFIX + name: value for name, value in _settings(self.surrogate).items()} if deep else {}
        return super().get_params(deep) | nested

    def set_params(self, **params: Any) -> "SurrogateRegressor":
        """Sets parameters by the names of `get_params`; a new surrogate before any of its settings.

        Raises:
            ValueError: an unknown name, or a setting that the surrogate refuses.
        """
        nested = {name.removeprefix(_PREFIX): params.pop(name) for name in list(params) if name.startswith(_PREFIX)}
        super().set_params(**params)
        known = _settings(self.surrogate)
        for name in nested:
            if name not in known:
                raise ValueError(f"{self.surrogate!r} has no setting {name!r}; choose from {', '.join(known)}")
        if nested:
            self.surrogate = dataclasses.replace(self.surrogate, **nested)
        return self


def _settings(surrogate: Any) -> dict[str, Any]:
    """Fields of a dataclass instance by name, of anything else none."""
    if not dataclasses.is_dataclass(surrogate) or isinstance(surrogate, type):
        return {}
    return {field.name: getattr(surrogate, field.name) for field in dataclasses.fields(surrogate) if field.init}
