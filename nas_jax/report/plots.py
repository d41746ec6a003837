"""What the figures of a report have in common: colours, axes, legends. Each figure is beside its section.

Figures are made by the object-oriented API, never by pyplot, which keeps every figure it made in a global list and
picks a window system. Every kind of point has a marker of its own beside its colour, so that the plots survive colour
blindness and a grey printer. They are small, so that a phone shows their text large enough to read.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from nas_jax.metrics import is_fraction, title_of
from nas_jax.objectives import Objective
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
styled = rc_context(STYLE)


class ScoreLabel(NamedTuple):
    """What the values of an objective are called, and whether they are fractions, which axes show in percent."""

    text: str
    is_fraction: bool


def label_of(objective: Objective) -> ScoreLabel:
    """Of values, which are higher where they are better."""
    name = title_of(objective.metric)
    return ScoreLabel(name if objective.maximize else f"negative {name}", is_fraction(objective.metric))


def new_axes(*, height: float = 3.5, is_square: bool = False) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5.0, height), layout="constrained")
    axes = figure.add_subplot(aspect="equal" if is_square else "auto")
    axes.grid(color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def finish(figure: Figure, axes: Axes, *, percent: str = "") -> None:
    """The legend goes above the axes, where it hides no point; axes named in `percent` are fractions."""
    num_entries = len(axes.get_legend_handles_labels()[1])
    num_columns = num_entries if num_entries <= 3 else 2
    figure.legend(loc="outside upper center", ncols=num_columns, frameon=False, fontsize="small", columnspacing=1.5)
    for name in percent:
        axis = axes.xaxis if name == "x" else axes.yaxis
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))


def zoom(axes: Axes, scores: Float[np.ndarray, " n"]) -> None:
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


def count_trials(axes: Axes) -> None:
    """Whole numbers on the horizontal axis, which has places in the search."""
    axes.set_xlabel("Search trial")
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, steps=[1, 2, 5, 10]))
