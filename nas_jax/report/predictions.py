"""Predictions against measurements: how good they were, in numbers and in figures."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from nas_jax.objectives import Objective
from nas_jax.report.page import Table
from nas_jax.report.plots import BLUE, INK, ORANGE, ScoreLabel, count_trials, finish, new_axes, styled
from nas_jax.surrogates import metrics as quality
from nas_jax.surrogates.base import Posterior, as_posterior
from nas_jax.trial import Prediction
from nas_jax.units import number, units_of


class Predictions(NamedTuple):
    """What was predicted of an objective, with deviations for a new measurement, and what was measured."""

    mean: Float[np.ndarray, " n"]
    std: Float[np.ndarray, " n"]
    measured: Float[np.ndarray, " n"]
    position: Float[np.ndarray, " n"]  # in the search, from 1

    @property
    def posterior(self) -> Posterior:
        return as_posterior(self.mean, self.std, np.float64)  # a loss may be larger than every float32


def predictions_of(predicted: Sequence[Prediction], measured: Sequence[float], positions: Sequence[int]) -> Predictions:
    mean, std = np.array(predicted, np.float64).reshape(-1, 2).T
    return Predictions(mean, std, np.array(measured, np.float64), np.array(positions, np.float64))


def measures(predictions: Predictions, objective: Objective) -> Table:
    """Figures of merit."""
    mean, _, measured, _ = predictions
    rows = (
        ("trials", number(len(mean))),
        ("Kendall's tau", f"{quality.kendall_tau(mean, measured):.3f}"),
        ("Spearman's rho", f"{quality.spearman(mean, measured):.3f}"),
        ("root mean squared error", units_of(objective.metric)(quality.rmse(mean, measured))),
        ("coverage of the 95 % intervals", f"{100 * quality.coverage(predictions.posterior, measured):.1f} %"),
        ("mean log density", f"{-quality.nlpd(predictions.posterior, measured):.2f} nats"),
    )
    return Table(("Measure", "Value"), rows, numeric=("Value",))


@styled
def predicted_against_measured(predictions: Predictions, label: ScoreLabel) -> Figure:
    """Predictions with bars of two standard deviations, over what was measured.

    Args:
        predictions: one or more.
        label: of the objective.
    """
    mean, std, measured, _ = predictions
    figure, axes = new_axes(height=4.6, is_square=True)
    points = np.stack([mean, measured])
    reach = 0.5 * float(np.ptp(points)) or np.inf  # a longer bar leaves the picture: one would flatten all others
    low = max(float((mean - 2 * std).min()), float(points.min()) - reach)
    high = min(float((mean + 2 * std).max()), float(points.max()) + reach)
    low, high = min(low, float(points.min())), max(high, float(points.max()))
    margin = 0.04 * (high - low) or 0.01
    limits = (low - margin, high + margin)
    axes.plot(limits, limits, color=INK, linewidth=1, linestyle="--", label="equal")
    axes.errorbar(
        measured,
        mean,
        yerr=2 * std,
        fmt="o",
        color=BLUE,
        markersize=3,
        ecolor=(BLUE, 0.3),
        elinewidth=0.8,
        label="mean ± 2 standard deviations",
    )
    axes.set(xlim=limits, ylim=limits, xlabel=f"Measured {label.text}", ylabel=f"Predicted {label.text}")
    for axis in (axes.xaxis, axes.yaxis):  # the same ticks on both, since they have the same limits
        axis.set_major_locator(MaxNLocator(5))
    finish(figure, axes, percent="xy" if label.is_fraction else "")
    return figure


@styled
def calibration(curves: Mapping[str, Predictions]) -> Figure:
    """The share of measurements within central intervals, over the share that should be there; a line for each name."""
    figure, axes = new_axes(height=4.6, is_square=True)
    axes.plot((0, 1), (0, 1), color=INK, linewidth=1, linestyle="--", label="calibrated")
    for (name, each), colour, marker in zip(curves.items(), (BLUE, ORANGE), "os", strict=False):
        levels, observed = quality.calibration_curve(each.posterior, each.measured)
        axes.plot(levels, observed, color=colour, marker=marker, markersize=3.5, label=name)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="Interval should hold", ylabel="Interval holds")
    finish(figure, axes, percent="xy")
    return figure


@styled
def residuals(predictions: Predictions) -> Figure:
    """Measured less predicted, in the predictions' own standard deviations, in the order of the search."""
    mean, std, measured, position = predictions
    standardized = (measured - mean) / std
    figure, axes = new_axes()
    axes.axhspan(-2, 2, color=BLUE, alpha=0.12, linewidth=0, label="2 standard deviations")
    axes.axhline(0, color=INK, linewidth=1, linestyle="--")
    shown = np.clip(standardized, -6, 6)
    is_inside = shown == standardized
    axes.scatter(position[is_inside], shown[is_inside], s=14, c=BLUE, linewidths=0, label="search trial")
    if not is_inside.all():
        axes.scatter(position[~is_inside], shown[~is_inside], s=22, c=ORANGE, marker="X", linewidths=0, label="farther")
    axes.set(ylabel="(Measured - predicted) / deviation", ylim=(-6.5, 6.5))
    count_trials(axes)
    finish(figure, axes)
    return figure
