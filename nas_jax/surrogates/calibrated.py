"""Another surrogate with its deviations rescaled, so that intervals hold as much of unseen points as they say."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float
from scipy import stats

from nas_jax.surrogates.base import Bounded, Fitted, Posterior, State, as_posterior, as_result
from nas_jax.surrogates.capabilities import grouped
from nas_jax.surrogates.checks import training_arrays
from nas_jax.surrogates.settings import check_at_least, surrogate_of
from nas_jax.surrogates.validation import cross_validate

_SCALES = (0.1, 10.0)  # where few points, or targets that never vary, would say less or more


class CalibratedState(NamedTuple):
    """What the surrogate learned of all rows, and the factor of its deviations."""

    state: State
    scale: float


@dataclass(frozen=True)
class Calibrated:
    """Settings of a calibrated surrogate: means are its own, deviations are multiplied by one factor.

    The factor makes the surrogate's central intervals of probability `level` hold that share of cross-validated
    measurements. It is that of split conformal prediction with scores |y - mean| / std (Lei, G'Sell, Rinaldo,
    Tibshirani & Wasserman, "Distribution-free predictive inference for regression", JASA 113, 2018, section 5.2),
    whose guarantee holds for points that the fit did not see. Scores come from folds here, as in cross-conformal
    prediction (Vovk, Annals of Mathematics and Artificial Intelligence 74, 2015), so that the fit keeps all rows: the
    guarantee becomes an approximation, which errs on the wide side where more rows make a better fit. Other levels
    are right as far as scores are Gaussian.

    Args:
        surrogate: A surrogate, its name in this package, or a mapping with its `name` and settings.
        num_folds: Folds of the cross-validation; the surrogate is fitted once for each, and once to all rows.
        level: Probability that is made to hold. The nearer to one, the fewer points decide: of n points the one that
            is larger than all but (1 - level)(n + 1) - 1; if there is none, the largest.

    Raises:
        ValueError: an unknown surrogate, or a setting out of its range.
    """

    surrogate: Any = "random_forest"
    num_folds: int = 5
    level: float = 0.9

    def __post_init__(self) -> None:
        object.__setattr__(self, "surrogate", surrogate_of(self.surrogate))
        check_at_least(2, num_folds=self.num_folds)
        if not 0 < self.level < 1:
            raise ValueError(f"level must lie between 0 and 1, got {self.level}")

    @property
    def upper_bound(self) -> float | None:
        """That of the surrogate."""
        return self.surrogate.upper_bound if isinstance(self.surrogate, Bounded) else None

    def fit(self, key: jax.Array, x: Any, y: Any) -> CalibratedState:
        """Fits the surrogate to `x` `[n, d]` and `y` `[n]`; a lone row leaves deviations as they are.

        Raises:
            ValueError: data that the surrogate refuses.
        """
        x, y = training_arrays(x, y)
        fit_key, fold_key = jax.random.split(key)
        state = self.surrogate.fit(fit_key, x, y)
        if len(y) < 2:
            return CalibratedState(state, 1.0)
        unseen = cross_validate(self.surrogate, fold_key, x, y, self.num_folds)
        scores = np.abs(y - np.asarray(unseen.mean, np.float64)) / np.asarray(unseen.std, np.float64)
        return CalibratedState(state, float(np.clip(conformal_scale(scores, self.level), *_SCALES)))

    def with_groups(self, labels: Sequence[Hashable]) -> "Calibrated":
        return replace(self, surrogate=grouped(self.surrogate, labels))

    def predict(self, state: CalibratedState, x_new: Any, *, with_noise: bool = False) -> Posterior:
        """Marginal predictions at `x_new` `[m, d]`, in units of the targets.

        The function's deviations are rescaled like those of measurements, so that noise keeps its share.

        Raises:
            ValueError: queries that the surrogate refuses.
        """
        posterior = self.surrogate.predict(state.state, x_new, with_noise=with_noise)
        return as_posterior(posterior.mean, np.asarray(posterior.std) * np.float32(state.scale), posterior.mean.dtype)

    def unwrap(self, state: CalibratedState) -> Fitted:
        """The surrogate whose deviations are rescaled."""
        return Fitted(self.surrogate, state.state)

    def wrap(self, state: CalibratedState, inner: State) -> CalibratedState:
        """Keeps the factor, which came from what was measured: a fantasy cannot tell how wrong predictions are."""
        return state._replace(state=inner)

    def wrap_draws(
        self, state: CalibratedState, x_new: Any, draws: Float[jax.Array, "num m"]
    ) -> Float[jax.Array, "num m"]:
        """Multiplies the draws' distances from the posterior mean by the factor of the deviations."""
        mean = np.asarray(self.surrogate.predict(state.state, x_new).mean)[None, :]
        return as_result(mean + np.float32(state.scale) * (np.asarray(draws) - mean), draws.dtype)


make = Calibrated


def conformal_scale(scores: Float[np.ndarray, " n"], level: float) -> float:
    """The factor that makes Gaussian intervals of probability `level` hold a further score at least as often.

    `scores` `[n]` are absolute errors in units of the predicted deviation. Their ceil((n + 1) level)-th smallest, for
    one more exchangeable score has an equal chance of each of n + 1 ranks; the largest where that asks for more.
    """
    rank = min(int(np.ceil((len(scores) + 1) * level)), len(scores))
    return float(np.sort(scores)[rank - 1] / stats.norm.ppf(0.5 + level / 2))
