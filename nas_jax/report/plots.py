"""The figures of a report: plain arrays in, a matplotlib Figure out.

Figures are made by the object-oriented API, never by pyplot, which keeps every figure it made in a global list and
picks a window system. Every kind of point has a marker of its own beside its colour, so that the plots survive colour
blindness and a grey printer. They are small, so that a phone shows their text large enough to read.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from nas_jax.report.svg import COLOURS

INK, MUTED, LINE, BLUE, ORANGE, GREEN = (COLOURS[name] for name in ("ink", "muted", "line", "blue", "orange", "green"))
STAGES = {  # stage: (name in the legend, colour, marker, size in points squared)
    "search": ("search trial", MUTED, "o", 14),
    "final": ("finalist", BLUE, "D", 30),
    "baseline": ("best of the search", ORANGE, "s", 36),
    "random": ("best random trial", ORANGE, "^", 40),
    "reference": ("reference network", ORANGE, "P", 44),
}
STYLE: dict[Any, Any] = {
    "font.size": 10.5,
    "text.color": INK,
    "text.parse_math": False,  # a name with dollars in it is a name
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": INK,
    "ytick.color": INK,
    "lines.solid_capstyle": "round",
}
_styled = rc_context(STYLE)


class Scale(NamedTuple):
    """What scores are called, and whether they are fractions, which axes show in percent."""

    label: str = "validation accuracy"
    is_fraction: bool = True


@_styled
def predicted_against_measured(
    measured: Float[np.ndarray, " n"], mean: Float[np.ndarray, " n"], std: Float[np.ndarray, " n"], scale: Scale
) -> Figure:
    """Predictions with bars of two standard deviations, over what was measured.

    Args:
        measured: scores; at least one.
        mean: what a surrogate that never saw these scores said of them.
        std: its standard deviations, for a new measurement.
        scale: of all three.
    """
    figure, axes = _axes(height=4.6, is_square=True)
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
    axes.set(xlim=limits, ylim=limits, xlabel=f"Measured {scale.label}", ylabel=f"Predicted {scale.label}")
    for axis in (axes.xaxis, axes.yaxis):  # the same ticks on both, since they have the same limits
        axis.set_major_locator(MaxNLocator(5))
    _finish(figure, axes, percent="xy" if scale.is_fraction else "")
    return figure


@_styled
def calibration(
    levels: Float[np.ndarray, " l"], observed: Sequence[Float[np.ndarray, " l"]], names: Sequence[str]
) -> Figure:
    """The share of measurements within central intervals, over the share that should be there; a line for each name."""
    figure, axes = _axes(height=4.6, is_square=True)
    axes.plot((0, 1), (0, 1), color=INK, linewidth=1, linestyle="--", label="calibrated")
    for each, name, colour, marker in zip(observed, names, (BLUE, ORANGE), "os", strict=False):
        axes.plot(levels, each, color=colour, marker=marker, markersize=3.5, label=name)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="Interval should hold", ylabel="Interval holds")
    _finish(figure, axes, percent="xy")
    return figure


@_styled
def residuals(position: Float[np.ndarray, " n"], standardized: Float[np.ndarray, " n"]) -> Figure:
    """Measured less predicted, in the predictions' own standard deviations, in the order of the search."""
    figure, axes = _axes()
    axes.axhspan(-2, 2, color=BLUE, alpha=0.12, linewidth=0, label="2 standard deviations")
    axes.axhline(0, color=INK, linewidth=1, linestyle="--")
    shown = np.clip(standardized, -6, 6)
    is_inside = shown == standardized
    axes.scatter(position[is_inside], shown[is_inside], s=14, c=BLUE, linewidths=0, label="search trial")
    if not is_inside.all():
        axes.scatter(position[~is_inside], shown[~is_inside], s=22, c=ORANGE, marker="X", linewidths=0, label="farther")
    axes.set(xlabel="Search trial", ylabel="(Measured - predicted) / deviation", ylim=(-6.5, 6.5))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    _finish(figure, axes)
    return figure


@_styled
def best_so_far(
    position: Float[np.ndarray, " n"],
    scores: Float[np.ndarray, " n"],
    scale: Scale,
    *,
    unit: str,
    expected: Float[np.ndarray, " n"] | None = None,
    is_extrapolated: Bool[np.ndarray, " n"] | None = None,
) -> Figure:
    """Each trial's score and the best one up to it, beside what random search may expect.

    Args:
        position: of each trial on the horizontal axis, growing: its number, or hours.
        scores: of the trials, some number; one without a score is NaN and leaves a gap.
        scale: of the scores.
        unit: what is on the horizontal axis.
        expected: of random search, for as many trials.
        is_extrapolated: where `expected` rests on fewer random trials than it speaks of; drawn with dots.
    """
    figure, axes = _axes()
    _, colour, marker, size = STAGES["search"]
    best = np.fmax.accumulate(scores)
    axes.scatter(position, scores, s=size, c=colour, marker=marker, linewidths=0, label="trial")
    axes.step(position, best, where="post", color=BLUE, linewidth=2, label="best so far")
    heights = [scores]
    if expected is not None and is_extrapolated is not None:
        heights.append(expected)
        known = np.where(is_extrapolated, np.nan, expected)
        axes.plot(position, known, color=ORANGE, linewidth=1.6, linestyle="--", label="random search")
        if is_extrapolated.any():
            axes.plot(position, np.where(is_extrapolated, expected, np.nan), color=ORANGE, linewidth=1.6, linestyle=":")
    axes.set(xlim=(0, float(position[-1]) * 1.02), xlabel=unit, ylabel=_sentence(scale.label))
    _zoom(axes, np.concatenate(heights))
    if unit == "Search trial":
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
    _finish(figure, axes, percent="y" if scale.is_fraction else "")
    return figure


@_styled
def scores_over_parameters(
    params: Float[np.ndarray, " n"],
    scores: Float[np.ndarray, " n"],
    stages: Sequence[str],
    scale: Scale,
    *,
    winner: int | None = None,
) -> Figure:
    """Scores over the sizes of the networks, on a logarithmic axis.

    Args:
        params: numbers of trainable parameters, positive; at least one.
        scores: of the same trials.
        stages: a key of `STAGES` for each trial.
        scale: of the scores.
        winner: position of the trial to put a ring around.
    """
    figure, axes = _axes()
    for stage, (name, colour, marker, size) in STAGES.items():
        at = [position for position, each in enumerate(stages) if each == stage]
        if at:
            axes.scatter(params[at], scores[at], s=size, c=colour, marker=marker, linewidths=0, label=name)
    if winner is not None:
        axes.scatter(params[winner], scores[winner], s=150, facecolors="none", edgecolors=INK, label="winner")
    axes.set(xlabel="Parameters", ylabel=_sentence(scale.label))
    _scale_by_decades(axes, float(params.min()), float(params.max()))
    _zoom(axes, scores)
    _finish(figure, axes, percent="y" if scale.is_fraction else "")
    return figure


@_styled
def learning_curves(curves: Sequence[tuple[str, Sequence[float]]], label: str, *, is_fraction: bool) -> Figure:
    """A metric of the networks, epoch by epoch.

    Args:
        curves: for each line a stage of a trial, or "winner", and its values; the later ones are on top.
        label: the metric.
        is_fraction: whether to show it in percent.
    """
    figure, axes = _axes()
    named: set[str] = set()
    for kind, values in curves:
        name, colour, width = ("winner", GREEN, 2.4) if kind == "winner" else (*STAGES[kind][:2], 1.2)
        style: dict[str, Any] = {"color": colour, "linewidth": width, "alpha": 0.45 if kind == "search" else 1.0}
        epochs = np.arange(1, len(values) + 1)
        marker = "o" if len(values) == 1 else None
        axes.plot(epochs, values, label=None if name in named else name, marker=marker, **style)
        named.add(name)
    axes.set(xlabel="Epoch", ylabel=_sentence(label))
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    _finish(figure, axes, percent="y" if is_fraction else "")
    return figure


@_styled
def importances(
    genes: Sequence[str],
    total: Float[np.ndarray, " g"],
    total_std: Float[np.ndarray, " g"],
    first: Float[np.ndarray, " g"],
) -> Figure:
    """Bars of the total Sobol indices, and within them the part of a gene alone; the first gene is on top."""
    figure, axes = _axes(height=0.9 + 0.32 * len(genes))
    places = np.arange(len(genes))[::-1]
    error = {"ecolor": INK, "elinewidth": 1}
    axes.barh(places, total, xerr=total_std, color=BLUE, alpha=0.45, label="with others", error_kw=error)
    axes.barh(places, np.maximum(first, 0), height=0.4, color=BLUE, label="alone")
    axes.set_yticks(places, [name if len(name) <= 24 else f"{name[:23]}…" for name in genes])
    axes.set(xlabel="Share of the variance", xlim=(0, None))
    axes.grid(False, axis="y")
    _finish(figure, axes, percent="x")
    return figure


def _axes(*, height: float = 3.5, is_square: bool = False) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5.0, height), layout="constrained")
    axes = figure.add_subplot(aspect="equal" if is_square else "auto")
    axes.grid(color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _finish(figure: Figure, axes: Axes, *, percent: str = "") -> None:
    """The legend goes above the axes, where it hides no point; axes named in `percent` are fractions."""
    num_entries = len(axes.get_legend_handles_labels()[1])
    num_columns = num_entries if num_entries <= 3 else 2
    figure.legend(loc="outside upper center", ncols=num_columns, frameon=False, fontsize="small", columnspacing=1.5)
    for name in percent:
        axis = axes.xaxis if name == "x" else axes.yaxis
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))


def _zoom(axes: Axes, scores: Float[np.ndarray, " n"]) -> None:
    """Leaves the worst tenth of the scores below the picture, and says so, where it would flatten all others."""
    known = scores[np.isfinite(scores)]
    low, high = np.quantile(known, 0.1), known.max()
    margin = 0.08 * (high - low)
    if margin > 0 and low - known.min() > 3 * (high - low):
        axes.set_ylim(low - margin, high + margin)
        num_hidden = int((known < low - margin).sum())
        axes.annotate(
            f"↓ {num_hidden} lower", (0.99, 0.02), xycoords="axes fraction", ha="right", fontsize="small", color=INK
        )


def _scale_by_decades(axes: Axes, low: float, high: float) -> None:
    """A logarithmic x axis with ticks such as 200 k, wide enough to hold some of them whatever the values."""
    is_wide = high / low > 1e3
    margin = 1.2 if high / low > 4 else 2.0
    axes.set_xscale("log")
    axes.set_xlim(low / margin, high * margin)
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if is_wide else (1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.xaxis.set_minor_locator(NullLocator())


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
