"""The figures of a report: plain arrays in, a matplotlib Figure out.

Figures are made by the object-oriented API, never by pyplot, which keeps every figure it made in a global
list and picks a window system. Colours are of the Okabe-Ito palette, and every kind of point has a marker of
its own too, so the plots survive colour blindness and a grey printer.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, MaxNLocator, NullLocator

BLUE, ORANGE, GREY, BLACK = "#0072B2", "#E69F00", "#8C8C8C", "#000000"
STAGES = {  # stage: (name in the legend, colour, marker, size in points squared)
    "search": ("search trial", GREY, "o", 18),
    "final": ("finalist", BLUE, "D", 34),
    "baseline": ("baseline", ORANGE, "s", 40),
}


def save(figure: Figure, path: Path) -> None:
    """Writes a PNG that is sharp at the width of a page."""
    figure.savefig(path, dpi=150)


def predicted_against_measured(
    measured: Float[np.ndarray, "n"],
    mean: Float[np.ndarray, "n"],
    std: Float[np.ndarray, "n"],
    *,
    tau: float,
    coverage: float,
    label: str = "validation accuracy",
    is_fraction: bool = True,
) -> Figure:
    """Predictions with bars of two standard deviations, over what was measured.

    Args:
        measured: scores; at least one.
        mean: what a surrogate that never saw these scores said of them.
        std: its standard deviations, for a new measurement.
        tau: Kendall's tau of `mean` and `measured`, for the title.
        coverage: the share of `measured` within the 95 % intervals, for the title.
        label: what is measured.
        is_fraction: whether to print the axes in percent.
    """
    figure, axes = _axes(size=(5.6, 6.0), is_square=True)
    points = np.stack([mean, measured])
    reach = 0.5 * float(np.ptp(points)) or np.inf  # a longer bar leaves the picture: one would flatten all others
    low = max(float((mean - 2 * std).min()), float(points.min()) - reach)
    high = min(float((mean + 2 * std).max()), float(points.max()) + reach)
    low, high = min(low, float(points.min())), max(high, float(points.max()))
    margin = 0.04 * (high - low) or 0.01
    limits = (low - margin, high + margin)
    axes.plot(limits, limits, color=BLACK, linewidth=1, linestyle="--", label="prediction = measurement")
    axes.errorbar(
        measured,
        mean,
        yerr=2 * std,
        fmt="o",
        color=BLUE,
        markersize=3.5,
        ecolor=(BLUE, 0.3),
        elinewidth=1,
        label="mean ± 2 standard deviations",
    )
    axes.set(xlim=limits, ylim=limits, xlabel=f"Measured {label}", ylabel=f"Predicted {label}")
    axes.set_title(
        f"n = {len(measured)}, Kendall's tau {tau:.2f}, {100 * coverage:.0f} % within the 95 % intervals",
        fontsize="medium",
    )
    for axis in (axes.xaxis, axes.yaxis):  # the same ticks on both, since they have the same limits
        axis.set_major_locator(MaxNLocator(6))
    _finish(figure, axes, percent="xy" if is_fraction else "")
    return figure


def best_so_far(
    scores: Float[np.ndarray, "n"], *, label: str = "validation accuracy", is_fraction: bool = True
) -> Figure:
    """Each trial's score and the best one up to it. A trial without a score is NaN and leaves a gap."""
    figure, axes = _axes(size=(7.2, 4.0))
    number = np.arange(1, len(scores) + 1)
    _, colour, marker, size = STAGES["search"]
    axes.scatter(number, scores, s=size, c=colour, marker=marker, linewidths=0, label="trial")
    axes.step(number, np.fmax.accumulate(scores), where="post", color=BLUE, linewidth=2, label="best so far")
    axes.set(xlim=(0, len(scores) + 1), xlabel="Search trial", ylabel=_sentence(label))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    _finish(figure, axes, percent="y" if is_fraction else "")
    return figure


def accuracy_against_parameters(
    params: Float[np.ndarray, "n"],
    scores: Float[np.ndarray, "n"],
    stages: Sequence[str],
    *,
    winner: int | None = None,
    label: str = "validation accuracy",
    is_fraction: bool = True,
) -> Figure:
    """Scores over the sizes of the networks, on a logarithmic axis.

    Args:
        params: numbers of trainable parameters, positive; at least one.
        scores: of the same trials.
        stages: a key of `STAGES` for each trial.
        winner: position of the trial to put a ring around.
        label: what is measured.
        is_fraction: whether to print scores in percent.
    """
    figure, axes = _axes(size=(7.2, 4.6))
    for stage, (name, colour, marker, size) in STAGES.items():
        at = [position for position, each in enumerate(stages) if each == stage]
        if at:
            axes.scatter(params[at], scores[at], s=size, c=colour, marker=marker, linewidths=0, label=name)
    if winner is not None:
        axes.scatter(params[winner], scores[winner], s=170, facecolors="none", edgecolors=BLACK, label="winner")
    axes.set(xlabel="Parameters", ylabel=_sentence(label))
    _scale_by_decades(axes, float(params.min()), float(params.max()))
    _finish(figure, axes, percent="y" if is_fraction else "")
    return figure


def _axes(*, size: tuple[float, float], is_square: bool = False) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.add_subplot(aspect="equal" if is_square else "auto")
    axes.grid(color="#E3E3E3", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _finish(figure: Figure, axes: Axes, *, percent: str) -> None:
    """The legend goes above the axes, where it hides no point; axes named in `percent` are fractions."""
    num_entries = len(axes.get_legend_handles_labels()[1])
    figure.legend(loc="outside upper center", ncols=num_entries, frameon=False, fontsize="small", columnspacing=1.5)
    for name in percent:
        axis = axes.xaxis if name == "x" else axes.yaxis
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))


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
