"""How a search with budgets sees learning curves: in two ways, each with a process that has learned from them.

The ranks of values tell good from best. The values as they are, but for the worst fifth, know that trainings on a
plateau do not differ.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from nas_jax.spaces.base import GeneSpace, Space
from nas_jax.strategies.choices import Choices, last_rows, next_rung, numbers_of
from nas_jax.strategies.contenders import incumbent
from nas_jax.strategies.targets import Targets, targets_of
from nas_jax.surrogates.acquisition import log_expected_improvement
from nas_jax.surrogates.base import Posterior
from nas_jax.surrogates.curve_process import CurveProcess, Curves, CurveState
from nas_jax.surrogates.padding import padded_posterior
from nas_jax.trial import Budget, History, Prediction

_FEWEST = 27  # points
_GROWTH = 1.4  # of the number of points between two searches for hyperparameters
_WORST = 0.2  # the share of values that are not told apart where values count as they are


class View(NamedTuple):
    """One way to see the values, and what it says of how trainings end."""

    process: CurveProcess
    targets: Targets
    state: CurveState
    ends: Posterior  # of m choices
    best: float  # the largest posterior mean of the end of what has begun
    incumbent: float  # that of the incumbent

    def log_improvement(self) -> Float[np.ndarray, " m"]:
        """The logarithm of the expected improvement of a full training of each choice over the best posterior mean."""
        num = len(np.asarray(self.ends.mean))
        return np.asarray(log_expected_improvement(padded_posterior(self.ends), self.best))[:num]

    def lead(self, optimism: float) -> Float[np.ndarray, " m"]:
        """By how much each choice may end better than the incumbent's mean, in standard deviations of the targets.

        `optimism` says by how many deviations of its posterior a choice is better than its mean.
        """
        return (np.asarray(self.ends.mean) + optimism * np.asarray(self.ends.std) - self.incumbent) / self.state.y_std

    def prediction(self, choices: Choices, place: int, each: tuple[Budget, ...]) -> Prediction:
        """What a choice measures with its next budget, in units of scores."""
        shares = _shares([choices.budgets[place]], each)
        asked = Curves(choices.x[[place]], shares, choices.training[[place]])
        posterior = self.process.predict(self.state, asked, with_noise=True)
        return self.targets.prediction(float(posterior.mean[0]), float(posterior.std[0]))


def views_of(
    space: Space, known: Float[np.ndarray, "n d"], choices: Choices, history: History, each: tuple[Budget, ...]
) -> list[View]:
    """Both views: by ranks, and by values.

    Args:
        known: features of the history's finished, failed and pending genomes.
        each: the rungs, ascending.
    """
    process = CurveProcess(_groups_of(space))
    scores = _scores_of(history)
    views = []
    for by_rank in (True, False):
        targets = _targets_of(scores, by_rank=by_rank)
        first = _targets_of(scores[: _size_of_fit(len(history.genomes))], by_rank=by_rank)
        state = _learn(process, known, history, targets, first, each)
        begun = process.predict(state, _ends_of(state.curves.x, state.curves.training))
        ends = process.predict(state, _ends_of(choices.x, choices.training))
        mean = np.asarray(begun.mean)
        views.append(View(process, targets, state, ends, float(mean.max()), float(mean[incumbent(history)])))
    return views


def _learn(
    process: CurveProcess,
    x: Float[np.ndarray, "n d"],
    history: History,
    targets: Targets,
    first: Targets,
    each: tuple[Budget, ...],
) -> CurveState:
    """What was measured, failures as the worst, and as if it were the posterior mean of what is pending.

    Args:
        first: those of the points for which hyperparameters are sought.
    """
    number, num = numbers_of(history), len(history.genomes) + len(history.failed)
    genomes = [*history.genomes, *history.failed]
    shares = _shares([*history.budgets, *_budgets_of_failures(history, each)], each)
    curves = Curves(x[:num], shares, np.array([number[genome] for genome in genomes]))
    begun = Curves(*(part[: len(first.values)] for part in curves))
    coordinates = _optimised(process, begun, first.values)
    state = process.condition(curves, targets.values, coordinates)
    if not history.pending:
        return state
    pending = Curves(
        x[num:], _shares(history.pending_budgets, each), np.array([number[genome] for genome in history.pending])
    )
    expected = np.asarray(process.predict(state, pending).mean)
    joined = Curves(*(np.concatenate(parts) for parts in zip(curves, pending, strict=True)))
    return process.condition(joined, np.append(targets.values, expected), coordinates)


def _budgets_of_failures(history: History, each: tuple[Budget, ...]) -> list[Budget]:
    """With which trainings failed: those after the last that they had measured, if any."""
    last = last_rows(history)
    reached = [history.budgets[last[genome]] if genome in last else None for genome in history.failed]
    return [next_rung(budget, each) or each[0] for budget in reached]


def _ends_of(x: Float[np.ndarray, "n d"], training: Int[np.ndarray, " n"]) -> Curves:
    return Curves(x, np.ones(len(x)), training)


def _scores_of(history: History) -> Float[np.ndarray, " n"]:
    """Of the finished trials, and of the failed ones the worst."""
    scores = history.scores
    if history.violations.shape[1]:
        scores = np.where((history.violations > 0).any(axis=1), scores.min(), scores)
    return np.append(scores, np.full(len(history.failed), scores.min()))


def _targets_of(scores: Float[np.ndarray, " n"], *, by_rank: bool) -> Targets:
    if by_rank:
        return targets_of(scores, "ranks")
    return Targets(np.maximum(scores, np.quantile(scores, _WORST)), lambda values: values)


def _shares(budgets: Sequence[Budget | None], each: tuple[Budget, ...]) -> Float[np.ndarray, " n"]:
    """How far trainings come with budgets, on a logarithmic scale from the first rung to the full budget.

    Where the full budget is the only rung, what has it has come to its end, and what has less is at the beginning.
    """
    first, full = each[0].epochs, each[-1].epochs
    epochs = np.array([(budget or each[-1]).epochs for budget in budgets], np.float64)
    if first == full:
        return (epochs >= full).astype(np.float64)
    return np.clip(np.log(epochs / first) / np.log(full / first), 0.0, 1.0)


def _size_of_fit(num: int) -> int:
    """How many of the first points hyperparameters are sought for: so that one search serves many steps."""
    size = num
    if num > _FEWEST:
        size = int(_FEWEST * _GROWTH ** np.floor(np.log(num / _FEWEST) / np.log(_GROWTH)))
    return size


def _groups_of(space: Space) -> tuple[str, ...] | None:
    """Features of a gene share a lengthscale; all do where the space knows no genes."""
    return tuple(space.feature_genes) if isinstance(space, GeneSpace) else None


def _optimised(process: CurveProcess, curves: Curves, y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " k"]:
    """The hyperparameters of points, remembered: the next steps ask for them again."""
    parts = (np.ascontiguousarray(part, np.float64) for part in (*curves, y))
    return _optimised_bytes(process, len(y), *(part.tobytes() for part in parts))


@lru_cache(maxsize=32)
def _optimised_bytes(process: CurveProcess, num: int, *parts: bytes) -> Float[np.ndarray, " k"]:
    x, share, training, y = (np.frombuffer(part) for part in parts)
    return process.optimise(Curves(x.reshape(num, -1), share, training.astype(int)), y)
