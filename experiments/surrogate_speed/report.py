"""Tables and figure of the measurements."""

import statistics
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from methods import METHODS
from results import Label, Results

_COLUMNS = (
    "method", "starts", "seeds", "fit (s)", "over ours", "predict 1,000 (ms)", "over ours", "log likelihood",
    "log posterior", "less ours",
)  # fmt: skip


def tables(results: Results) -> str:
    """All tables in Markdown. Medians over seeds; in brackets least and greatest."""
    return "\n\n".join([*(_fits(results, *setting) for setting in _settings(results)), _fresh(results)])


def _settings(results: Results) -> list[tuple[int, int, int]]:
    """Training rows, starts and threads of fits."""
    return sorted({(label.n, label.starts, label.threads) for label in results.values if label.quantity == "fit"})


def _fits(results: Results, num: int, starts: int, threads: int) -> str:
    lines = [f"n = {num}, {starts} starts, OMP_NUM_THREADS={threads}", "", _row(_COLUMNS), "|---" * len(_COLUMNS) + "|"]
    for method, (_, _, has_starts) in METHODS.items():

        def paired(quantity: str, combine: Callable[[float, float], float], method: str = method) -> list[float]:
            ours, theirs = (_by_seed(results, quantity, name, num, starts, threads) for name in ("ours", method))
            return [combine(theirs[seed], ours[seed]) for seed in ours if seed in theirs]

        def alone(quantity: str, method: str = method) -> list[float]:
            return list(_by_seed(results, quantity, method, num, starts, threads).values())

        if not alone("fit"):
            lines.append(_row((method, "", "", _why(results, method, num, starts, threads), *[""] * 6)))
            continue
        lines.append(
            _row(
                (
                    method,
                    starts if has_starts else 1,
                    len(alone("fit")),
                    f"{statistics.median(alone('fit')):.3g}",
                    _spread(paired("fit", _ratio), ".3g"),
                    f"{1e3 * statistics.median(alone('prediction of 1,000')):.3g}",
                    _spread(paired("prediction of 1,000", _ratio), ".2g"),
                    _spread(alone("log likelihood"), ".2f"),
                    _spread(alone("log posterior"), ".2f"),
                    _spread(paired("log posterior", _difference), ".4f"),
                )
            )
        )
    return "\n".join(lines)


def _fresh(results: Results) -> str:
    """What was measured in processes of their own."""
    names = ("measured in a fresh process", "method", "n", "starts", "threads", "processes", "median (min to max)")
    lines = [_row(names), "|---" * len(names) + "|"]
    groups: dict[tuple, list[float]] = {}
    for label, value in results.values.items():
        if label.quantity in _UNITS:
            starts = label.starts if METHODS[label.method].has_starts else 1
            key = (list(_UNITS).index(label.quantity), label.method, label.n, starts, label.threads)
            groups.setdefault(key, []).append(value)
    for (number, method, *setting), values in sorted(groups.items()):
        quantity, (unit, form) = list(_UNITS.items())[number]
        measured = _spread(values, form) if np.isfinite(values).all() else "not installed"
        lines.append(_row((f"{quantity} ({unit})", method, *setting, len(values), measured)))
    return "\n".join(lines)


_UNITS = {
    "cold process": ("s", ".2f"),
    "cold fit": ("s", ".2f"),
    "cold prediction": ("s", ".2f"),
    "million predictions": ("s", ".1f"),
    "memory of a million predictions": ("MB", ".0f"),
    "compilations of fits": ("20 to n rows", ".0f"),
    "compilations in all": ("20 to n rows", ".0f"),
}


def plot(results: Results, path: Path) -> None:
    """Warm fits against training rows; bars from the fastest to the slowest seed."""
    from matplotlib.figure import Figure

    settings = _settings(results)
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for number, (method, marker) in enumerate(zip(METHODS, "osD^v", strict=True)):
        times: dict[int, list[float]] = {}
        for num, starts, threads in settings:
            seconds = list(_by_seed(results, "fit", method, num, starts, threads).values())
            times[num] = max(times.get(num, []), seconds, key=len)  # of several settings, that with most seeds
        sizes = sorted(num for num, seconds in times.items() if seconds)
        if not sizes:
            continue
        middle, low, high = (np.array([f(times[num]) for num in sizes]) for f in (statistics.median, min, max))
        places = np.array(sizes) * 1.02 ** (number - 2)  # apart, so that bars do not cover each other
        axes.errorbar(places, middle, [middle - low, high - middle], marker=marker, capsize=3, label=method)
    axes.set(
        xscale="log", yscale="log", xlabel="training rows", ylabel="seconds for a fit", title="Fits, once compiled"
    )
    ticks = sorted({num for num, _, _ in settings})
    axes.set_xticks(ticks, map(str, ticks))
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=150)


def _by_seed(results: Results, quantity: str, method: str, num: int, starts: int, threads: int) -> dict[int, float]:
    return {
        label.seed: value
        for label, value in results.values.items()
        if label == Label(quantity, method, num, label.seed, starts, threads) and not results.notes[label]
    }


def _why(results: Results, method: str, num: int, starts: int, threads: int) -> str:
    labels = [label for label in results.notes if label == Label("fit", method, num, label.seed, starts, threads)]
    return results.notes[min(labels, key=lambda label: label.seed)] if labels else "not run"


def _ratio(theirs: float, ours: float) -> float:
    return theirs / ours


def _difference(theirs: float, ours: float) -> float:
    return theirs - ours


def _spread(values: list[float], form: str) -> str:
    """Median, least and greatest of numbers, of which some may be infinite, or NaN where a search has diverged."""
    known = [value for value in values if not np.isnan(value)]
    if not values:
        return ""
    if not known:
        return "diverged"
    text = f"{statistics.median(known):{form}} ({min(known):{form}} to {max(known):{form}})"
    return text + (f", {len(values) - len(known)} diverged" if len(known) < len(values) else "")


def _row(cells: Iterable) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"
