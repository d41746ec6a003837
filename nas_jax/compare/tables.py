"""Tables of runs: one row a run, or one row a setting, which is all runs that differ in their seeds alone.

Of the configs they show only the fields in which the runs differ, which after a sweep are the ones that were swept.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from nas_jax.compare.results import differing_fields, num_planned, results_of, settings_of
from nas_jax.compare.sweep import RankTest, Result, group, mean_of, tests_against_best
from nas_jax.objectives import Objectives
from nas_jax.record import Record
from nas_jax.units import UNKNOWN, in_units, number, units_of

# Fields in which runs of one setting differ.
NO_SETTINGS = ("seed", "trackers", "stages", "search.max_failures", "search.max_state_gb", "data.stream_dir")

NOTE = (
    "± is one standard error over runs. The rank test is two-sided, of the best in search against the setting with the "
    "best mean, corrected for the number of tests (Holm)."
)


def compare(records: Sequence[Record]) -> Table:
    """One row a run, in the order given: what sets its config apart, how far it came, what it found."""
    names = differing_fields(records)
    results = results_of(records, names)
    searched = _distinct(result.curves for result in results)
    final = _distinct([searched, *(result.winner for result in results)])
    table = Table("workdir", *names, "status", *_titles(searched, final), "seconds", box=SIMPLE_HEAD, pad_edge=False)
    for record, result in zip(records, results, strict=True):
        config = settings_of(record)
        cells = (
            *(result.workdir, *(config.get(name, UNKNOWN) for name in names), _status(record)),
            *(_best_cell(result, name) for name in searched),
            *(in_units(result.winner.get(name), name) for name in final),
            f"{result.seconds:.0f}",
        )
        table.add_row(*map(Text, cells))  # Text: brackets in the data are not markup
    return table


def compare_settings(results: Sequence[Result], names: Sequence[str], objectives: Objectives) -> Table:
    """One row a setting, which is all runs that differ in their seeds alone.

    Args:
        names: the fields of a setting.
        objectives: those of all runs.
    """
    final = _distinct([objectives.metrics, *(result.winner for result in results)])
    tests_of = [f"rank test{f', {metric}' if len(objectives) > 1 else ''}" for metric in objectives.metrics]
    columns = ("runs", *_titles(objectives.metrics, final), "seconds", *tests_of)
    table = Table(*names, *columns, box=SIMPLE_HEAD, pad_edge=False)
    groups = group(results)
    tests = [tests_against_best(groups, objective) for objective in objectives]
    for setting, members in groups.items():
        cells = (
            *(*setting, str(len(members))),
            *(_mean_cell([result.best(metric) for result in members], metric) for metric in objectives.metrics),
            *(_mean_cell([result.winner.get(metric) for result in members], metric) for metric in final),
            f"{mean_of([result.seconds for result in members]).mean:.0f}",
            *(_test_cell(setting, each) for each in tests),
        )
        table.add_row(*map(Text, cells))
    return table


def left_out(results: Sequence[Result]) -> list[str]:
    """A line on the runs that have no part in the means, and why; none where all have."""
    why = Counter(_why_left_out(result) for result in results if not result.is_counted)
    reasons = [f"{num} run{'s' * (num > 1)} {reason}" for reason, num in why.items()]
    return [f"Left out: {', '.join(reasons)}."] if reasons else []


def _why_left_out(result: Result) -> str:
    if not result.is_complete:
        return "whose search is not complete"
    if result.is_infeasible:
        return "without a feasible trial"
    return "with nothing measured in full" if result.is_partial else "without a value"


def _titles(searched: Iterable[str], final: Iterable[str]) -> list[str]:
    return [*(f"{metric}, best in search" for metric in searched), *(f"{metric}, winner" for metric in final)]


def _distinct(names: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(name for each in names for name in each))


def _status(record: Record) -> str:
    if record.best:
        return "finished"
    num_done = sum(trial.status != "pending" for trial in record.of("search"))
    planned = num_planned(record)
    of_planned = f" of {number(planned)}" if planned else ""
    is_over_before = record.is_search_over and num_done != planned
    return f"{num_done}{of_planned} trials{', search over' if is_over_before else ''}"


def _best_cell(result: Result, metric: str) -> str:
    if metric not in result.curves:
        return UNKNOWN
    if result.is_infeasible:
        return "none is feasible"
    return in_units(result.best(metric), metric) + (" (in part)" if result.is_partial else "")


def _mean_cell(values: Sequence[float | int | None], metric: str) -> str:
    mean = mean_of(values)
    return in_units(mean.mean, metric) + ("" if math.isnan(mean.error) else f" ± {units_of(metric)(mean.error)}")


def _test_cell(setting: tuple[str, ...], tests: Mapping[tuple[str, ...], RankTest | None]) -> str:
    if setting not in tests:
        return "the best mean" if tests else UNKNOWN
    test = tests[setting]
    return UNKNOWN if test is None else f"p = {test.p:.2g} ({test.name}, n = {test.num})"
