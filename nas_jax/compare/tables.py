"""Tables of runs: one row a run, or one row a setting, which is all runs that differ in their seeds alone.

Of the configs they show only the fields in which the runs differ, which after a sweep are the ones that were swept.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from nas_jax.compare.sweep import RankTest, Result, group, mean_of, tests_against_best
from nas_jax.objectives import Objective
from nas_jax.record import Record, find_best, score, total_seconds
from nas_jax.units import UNKNOWN, describe_score, in_units, number, percent

NO_SETTINGS = ("seed", "trackers")  # fields in which runs of one setting differ


def compare(runs: Sequence[Record]) -> Table:
    """One row a run, in the order given: what sets its config apart, how far it came, what it found."""
    names = differing_fields(runs)
    results = ("status", "best in search", "winner, validation", "winner, test", "seconds")
    table = Table(*("workdir", *names, *results), box=SIMPLE_HEAD, pad_edge=False)
    for run in runs:
        config = dict(_flatten(run.config))
        cells = (str(run.workdir), *(config.get(name, UNKNOWN) for name in names), *_results(run))
        table.add_row(*map(Text, cells))  # Text: brackets in the data are not markup
    return table


def compare_settings(results: Sequence[Result], names: Sequence[str], objective: Objective) -> Table:
    """One row a setting, which is all runs that differ in their seeds alone.

    Args:
        names: the fields of a setting.
        objective: that of all runs.
    """
    columns = ("runs", "best in search", "winner, validation", "winner, test", "seconds", "rank test")
    table = Table(*names, *columns, box=SIMPLE_HEAD, pad_edge=False)
    groups = group(results)
    tests = tests_against_best(groups, maximize=objective.maximize)
    for setting, members in groups.items():
        means = (
            _mean_cell([result.best for result in members], objective),
            _mean_cell([result.winner for result in members], objective),
            _mean_cell([result.test_accuracy for result in members], Objective()),
            f"{mean_of([result.seconds for result in members]).mean:.0f}",
        )
        table.add_row(*map(Text, (*setting, str(len(members)), *means, _test_cell(setting, tests))))
    return table


NOTE = (
    "± is one standard error over runs. The rank test is two-sided, of the best in search against the setting with the "
    "best mean, corrected for the number of tests (Holm)."
)


def _mean_cell(values: Sequence[float | None], objective: Objective) -> str:
    mean = mean_of(values)
    error = "" if math.isnan(mean.error) else f" ± {in_units(mean.error, objective)}"
    return in_units(mean.mean, objective) + error


def _test_cell(setting: tuple[str, ...], tests: Mapping[tuple[str, ...], RankTest | None]) -> str:
    if setting not in tests:
        return "the best mean" if tests else UNKNOWN
    test = tests[setting]
    return UNKNOWN if test is None else f"p = {test.p:.2g} ({test.name}, n = {test.num})"


def result_of(run: Record, names: Sequence[str]) -> Result:
    """A run in numbers; `names` are the fields of its setting."""
    config, objective = dict(_flatten(run.config)), objective_of(run)
    done = [trial for trial in run.of("search") if trial.status != "pending"]
    scores = np.array([score(trial, objective) for trial in done])
    name = _final_metric(run, objective)
    return Result(
        workdir=str(run.workdir),
        setting=tuple(config.get(name, UNKNOWN) for name in names),
        seed=config.get("seed", UNKNOWN),
        is_complete=bool(run.best) or len(done) >= run.config.get("search", {}).get("num_trials", 0),
        curve=np.fmax.accumulate(scores) * (1 if objective.maximize else -1),
        winner=run.best.get(name),
        test_accuracy=run.best.get("test_accuracy"),
        seconds=total_seconds(run.trials),
    )


def differing_fields(runs: Sequence[Record]) -> list[str]:
    """The fields in which the configs of runs differ, by dotted names."""
    configs = [dict(_flatten(run.config)) for run in runs]
    names = dict.fromkeys(name for config in configs for name in config)
    return [name for name in names if len({config.get(name) for config in configs}) > 1]


def objective_of(run: Record) -> Objective:
    return Objective(**run.config.get("objective", {}))


def _results(run: Record) -> Iterator[str]:
    objective = objective_of(run)
    best = find_best(run.of("search"), objective)
    num_done = sum(trial.status != "pending" for trial in run.of("search"))
    num_planned = number(run.config.get("search", {}).get("num_trials"))
    yield "finished" if run.best else f"{num_done} of {num_planned} trials"
    yield UNKNOWN if best is None else describe_score(score(best, objective), objective)
    yield _final(run, objective)
    yield percent(run.best.get("test_accuracy"))
    yield f"{total_seconds(run.trials):.0f}"


def _final_metric(run: Record, objective: Objective) -> str:
    """What of the winner is compared: validation accuracy or, where it has none, as in most tables, the objective."""
    return "val_accuracy" if "val_accuracy" in run.best or objective.metric not in run.best else objective.metric


def _final(run: Record, objective: Objective) -> str:
    name = _final_metric(run, objective)
    return percent(run.best.get(name)) if name == "val_accuracy" else in_units(run.best[name], objective)


def _flatten(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Fields by dotted names, as the flags that set them are spelled; values as text."""
    for name, value in section.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value)
