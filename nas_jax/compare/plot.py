"""The figure of a sweep: the best value by trial, one line a setting."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from nas_jax.compare.sweep import Result, band
from nas_jax.errors import UserError
from nas_jax.metrics import is_fraction
from nas_jax.objectives import Objective, Objectives

# Okabe & Ito's colours, and dashes for those who cannot tell them apart or have more than seven settings.
Groups: TypeAlias = Mapping[tuple[str, ...], Sequence[Result]]  # the runs of each setting

_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
_DASHES = ("-", "--", "-.", ":")


def save_best_so_far(path: Path, groups: Groups, fields: Sequence[str], objectives: Objectives) -> None:
    """Draws means over runs with bands of one standard error, as far as all runs of a setting go.

    Args:
        path: its ending says the format.
        fields: the names of a setting's values.

    Raises:
        UserError: the file cannot be written, or not in that format.
    """
    figure = best_so_far(groups, fields, objectives)
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise UserError(f"--plot={path}: {error}") from error


def best_so_far(groups: Groups, fields: Sequence[str], objectives: Objectives) -> Figure:
    """The figure that `save_best_so_far` writes: one picture an objective, side by side."""
    figure = Figure(figsize=(7.2 * len(objectives), 4.6), layout="constrained")
    for place, objective in enumerate(objectives, start=1):
        _draw(figure.add_subplot(1, len(objectives), place), groups, fields, objective)
    return figure


def _draw(axes: Axes, groups: Groups, fields: Sequence[str], objective: Objective) -> None:
    axes.grid(color="#E3E3E3", linewidth=0.8)
    axes.spines[["top", "right"]].set_visible(False)
    bands = [band([result.curves[objective.metric] for result in results]) for results in groups.values()]
    for place, ((setting, results), (mean, error)) in enumerate(zip(groups.items(), bands, strict=True)):
        trial = np.arange(1, len(mean) + 1)
        colour, dash = _COLOURS[place % len(_COLOURS)], _DASHES[place // len(_COLOURS) % len(_DASHES)]
        named = ", ".join(f"{name}={value}" for name, value in zip(fields, setting, strict=True))
        label = f"{named or 'all runs'} (n = {len(results)})"
        axes.plot(trial, mean, color=colour, linestyle=dash, drawstyle="steps-post", label=label)
        axes.fill_between(trial, mean - error, mean + error, step="post", color=colour, alpha=0.2, linewidth=0)
    _leave_out_the_start(axes, bands)
    axes.set(xlabel="Search trial", ylabel=f"Best {objective.metric} so far, mean ± standard error")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if is_fraction(objective.metric):
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.4g} %"))
    axes.legend(frameon=False, fontsize="small", loc="lower right" if objective.maximize else "upper right")


def _leave_out_the_start(axes: Axes, bands: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """Lets lines leave the picture in their first tenth, where nearly any trial is the best, or all else were flat."""
    reach = []
    for mean, error in bands:
        start = len(mean) // 10
        reach += [*(mean - error)[start:], *(mean + error)[start:]]
    known = [value for value in reach if np.isfinite(value)]
    if known:
        low, high = min(known), max(known)
        margin = 0.05 * (high - low) or 0.01
        axes.set_ylim(low - margin, high + margin)
