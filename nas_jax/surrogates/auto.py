"""Several surrogates, of which each fit takes the one that predicts unseen measurements best."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
from jaxtyping import Float

from nas_jax.surrogates.base import Bounded, Fitted, Posterior, State
from nas_jax.surrogates.capabilities import description_of, grouped
from nas_jax.surrogates.checks import training_arrays
from nas_jax.surrogates.metrics import nlpd
from nas_jax.surrogates.settings import check_at_least, surrogate_of, title_of
from nas_jax.surrogates.validation import cross_validate

_FEWEST_ROWS = 8  # with fewer, folds say more of chance than of the surrogates


class AutoState(NamedTuple):
    """The surrogate that was taken, why, and what it learned."""

    chosen: str  # its name, one of `Auto.titles`
    scores: dict[str, float]  # of each: mean log density of held-out measurements, in nats; empty below 8 rows
    state: State


@dataclass(frozen=True)
class Auto:
    """Settings of a choice by cross-validation.

    All choices predict the same held-out rows, noise included, and the highest mean log density wins: it asks for good
    means as well as for honest deviations. Leave-one-out of a Gaussian process would be cheaper, but keeps the
    hyperparameters of all rows, and would be kinder to it than folds are to the others.

    Args:
        choices: Surrogates, their names in this package, or mappings with a `name` and settings. With fewer than eight
            rows, and where densities are equal, the first is taken. The default leaves out the deep ensemble, whose
            program takes longest to compile, for each padded size of rows and of folds.
        num_folds: Folds; each choice is fitted once for each, and the one taken once more to all rows.

    Raises:
        ValueError: no choice, an unknown surrogate, or a setting out of its range.
    """

    choices: Sequence[Any] = ("gaussian_process", "random_forest", "svm")
    num_folds: int = 5

    def __post_init__(self) -> None:
        if isinstance(self.choices, str) or len(self.choices) == 0:
            raise ValueError(f"choices must be a sequence of at least one surrogate, got {self.choices!r}")
        object.__setattr__(self, "choices", tuple(surrogate_of(choice) for choice in self.choices))
        check_at_least(2, num_folds=self.num_folds)

    @property
    def upper_bound(self) -> float | None:
        """The smallest of the choices."""
        bounds = [choice.upper_bound for choice in self.choices if isinstance(choice, Bounded)]
        return min((bound for bound in bounds if bound is not None), default=None)

    @property
    def titles(self) -> tuple[str, ...]:
        """A name for each choice: that of its module, with a number where several are of one module."""
        names = [title_of(choice) for choice in self.choices]
        return tuple(
            name if names.count(name) == 1 else f"{name} {names[: place + 1].count(name)}"
            for place, name in enumerate(names)
        )

    def fit(self, key: jax.Array, x: Any, y: Any) -> AutoState:
        """Chooses by `x` `[n, d]` and `y` `[n]`, and fits the choice to them.

        Raises:
            ValueError: data that a choice refuses.
        """
        x, y = training_arrays(x, y)
        fit_key, fold_key = jax.random.split(key)
        by_title = dict(zip(self.titles, self.choices, strict=True))
        scores = {}
        if len(y) >= _FEWEST_ROWS:
            for title, choice in by_title.items():
                scores[title] = -nlpd(cross_validate(choice, fold_key, x, y, self.num_folds), y)
        chosen = max(scores, key=scores.__getitem__, default=self.titles[0])
        return AutoState(chosen, scores, by_title[chosen].fit(fit_key, x, y))

    def with_groups(self, labels: Sequence[Hashable]) -> "Auto":
        return replace(self, choices=tuple(grouped(choice, labels) for choice in self.choices))

    def predict(self, state: AutoState, x_new: Any, *, with_noise: bool = False) -> Posterior:
        """Marginal predictions of the choice at `x_new` `[m, d]`, in units of the targets.

        Raises:
            ValueError: queries that the choice refuses.
        """
        choice, inner = self.unwrap(state)
        return choice.predict(inner, x_new, with_noise=with_noise)

    def describe(self, state: AutoState) -> dict[str, Any]:
        """The name of the choice as "surrogate", and what the choice says of itself."""
        return {"surrogate": state.chosen, **description_of(*self.unwrap(state))}

    def unwrap(self, state: AutoState) -> Fitted:
        """The choice and what it learned."""
        return Fitted(self.choices[self.titles.index(state.chosen)], state.state)

    def wrap(self, state: AutoState, inner: State) -> AutoState:
        """The choice and its scores stay."""
        return state._replace(state=inner)

    def wrap_draws(self, state: AutoState, x_new: Any, draws: Float[jax.Array, "num m"]) -> Float[jax.Array, "num m"]:
        """Draws are those of the choice."""
        return draws


make = Auto
