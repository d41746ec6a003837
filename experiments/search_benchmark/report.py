"""Tables and figures of the runs."""

from collections.abc import Sequence
from itertools import starmap
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from methods import DEFAULT, OURS
from peers import BATCH_SIZES, PEERS
from results import Label, Run
from scipy.stats import wilcoxon

STEPS = (25, 50, 100, 150)
TESTED = (50, 100)
STYLES = {  # of the methods in the figures: Okabe-Ito colours; other libraries are dashed
    "bayesopt": ("#0072B2", "-"),
    "local_search": ("#009E73", "-"),
    "evolution": ("#56B4E9", "-"),
    "one_shot": ("#CC79A7", "-"),
    "random_search": ("#8C8C8C", "-"),
    "optuna_gp": ("#D55E00", "--"),
    "optuna_tpe": ("#E69F00", "--"),
    "smac": ("#000000", "--"),
    "sklearn_gp_ei": ("#A0522D", "--"),
}


def tables(runs: Sequence[Run]) -> str:
    """A Markdown table for each searched table: means, standard errors, and tests against the default."""
    return "\n".join(starmap(_table, _grouped(runs).items()))


def _grouped(runs: Sequence[Run]) -> dict[tuple[str, int], dict[Label, dict[int, Run]]]:
    """By table and budget, then by setting (a label whose seed is -1), then by seed."""
    order = [*OURS, *PEERS]
    groups: dict[tuple[str, int], dict[Label, dict[int, Run]]] = {}
    for run in sorted(runs, key=lambda run: (run.label.table, order.index(run.label.method), run.label)):
        settings = groups.setdefault((run.label.table, run.label.budget), {})
        settings.setdefault(run.label._replace(seed=-1), {})[run.label.seed] = run
    return groups


def _table(group: tuple[str, int], settings: dict[Label, dict[int, Run]]) -> str:
    table, budget = group
    steps, tested = ([step for step in choices if step <= budget] for choices in (STEPS, TESTED))
    names = ("method", "seeds", *(f"best at {step}" for step in steps), "found", *(f"p at {step}" for step in tested))
    lines = [f"\n{table}, {budget} queries\n", _row((*names, "s a query")), "|---" * (len(names) + 1) + "|"]
    default = settings.get(Label(table, DEFAULT, 1, 1, -1, budget), {})
    for setting, by_seed in settings.items():
        best = np.array([run.best for run in by_seed.values()])  # [seeds, budget]
        lines.append(
            _row(
                (
                    title(setting),
                    len(by_seed),
                    *(_mean(best[:, step - 1]) for step in steps),
                    f"{sum(run.optimum_at is not None for run in by_seed.values())} of {len(by_seed)}",
                    *("" if by_seed is default else _test(default, by_seed, step) for step in tested),
                    f"{np.median([run.proposal_seconds for run in by_seed.values()]) / budget:.2g}",
                )
            )
        )
    return "\n".join(lines)


def title(setting: Label) -> str:
    """The method, and what is unusual of its batches and workers."""
    usual = BATCH_SIZES.get(setting.method, 1)
    batch = f", batches of {setting.batch_size}" if setting.batch_size > 1 else ""
    return (
        setting.method + (batch if usual == 1 else "") + f", {setting.num_workers} workers" * (setting.num_workers > 1)
    )


def _test(default: dict[int, Run], other: dict[int, Run], step: int) -> str:
    """The two-sided p of the default against `other` on the seeds of both; a sign says whether the default is ahead."""
    seeds = sorted(default.keys() & other.keys())
    differences = np.array([default[seed].best[step - 1] - other[seed].best[step - 1] for seed in seeds])
    if len(seeds) < 6:  # with five, p is 0.0625 at least
        return ""
    if not differences.any():
        return "1"
    sign = "+" if differences.mean() > 0 else "-"
    return f"{wilcoxon(differences).pvalue:.2g} ({sign})"


def _mean(values: np.ndarray) -> str:
    digits = 3 if abs(values.mean()) >= 10 else 4
    if len(values) < 2:
        return f"{values.mean():.{digits}f}"
    return f"{values.mean():.{digits}f} ± {values.std(ddof=1) / len(values) ** 0.5:.{digits}f}"


def plot(runs: Sequence[Run], folder: Path) -> None:
    """For each table, the mean regret of strategies and peers, and its standard error as a band."""
    largest = {table: (table, budget) for table, budget in sorted(_grouped(runs))}
    for table, group in largest.items():
        figure = Figure(figsize=(7.5, 5), layout="constrained")
        axes = figure.subplots()
        for setting, by_seed in _grouped(runs)[group].items():
            if setting.method in STYLES and title(setting) == setting.method:
                _plot_regret(axes, setting, np.array([run.optimum - run.best for run in by_seed.values()]))
        axes.set(yscale="log", xlabel="Queries", ylabel="Mean regret of the best score so far", title=table)
        axes.grid(color="#E3E3E3", linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.lines:
            axes.legend(frameon=False, fontsize="small")
        figure.savefig(folder / f"regret_{table}.png", dpi=150)


def _plot_regret(axes: Axes, setting: Label, regret: np.ndarray) -> None:
    """One line of regret [seeds, budget], which ends where all seeds have found the optimum."""
    colour, line = STYLES[setting.method]
    mean, num = regret.mean(axis=0), len(regret)
    error = regret.std(axis=0, ddof=1) / num**0.5 if num > 1 else np.zeros(len(mean))
    low = np.maximum(mean - error, mean / 10)  # a band down to zero has no end on a logarithmic axis
    shown = mean > 0
    queries = np.arange(1, len(mean) + 1)[shown]
    axes.plot(queries, mean[shown], line, color=colour, label=f"{setting.method} ({num} seed{'s' * (num > 1)})")
    axes.fill_between(queries, low[shown], (mean + error)[shown], color=colour, alpha=0.15, linewidth=0)


def _row(cells: Sequence) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"
