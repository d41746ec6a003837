"""Runs that differ in their seeds alone are one setting: means, standard errors and rank tests of settings."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats

from nas_jax.objectives import Objective


class Result(NamedTuple):
    """What a run reached, in metrics as they were measured."""

    workdir: str
    setting: tuple[str, ...]  # the fields in which the runs differ, but for the seed
    seed: str
    is_complete: bool  # whether the search has had all its trials
    # By objective: the best feasible value of the largest budget until each trial, NaN before the first.
    curves: Mapping[str, Float[np.ndarray, " n"]]
    winner: Mapping[
        str, float | int
    ]  # of the winner, trained in full: the objectives' metrics and those of the test split
    seconds: float
    is_infeasible: bool = False  # whether trials have values, and all of these break a constraint
    is_partial: bool = False  # whether nothing was measured with the full budget

    @property
    def is_counted(self) -> bool:
        """Whether it has its part in means and tests."""
        has_values = not any(math.isnan(self.best(metric)) for metric in self.curves)
        return self.is_complete and has_values and not self.is_partial

    def best(self, metric: str) -> float:
        """The best feasible value of the search, NaN where it has none."""
        curve = self.curves[metric]
        return float(curve[-1]) if len(curve) else math.nan


class Mean(NamedTuple):
    """A mean over `num` runs with its standard error, which one run alone does not have (NaN)."""

    num: int
    mean: float
    error: float


class RankTest(NamedTuple):
    """A two-sided test whether one of two settings tends to larger values than the other."""

    name: str
    num: int  # pairs, or values of the smaller setting
    p: float


def group(results: Sequence[Result]) -> dict[tuple[str, ...], list[Result]]:
    """The runs of each setting that count, in the order given. A setting without any is left out."""
    groups: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        if result.is_counted:
            groups.setdefault(result.setting, []).append(result)
    return groups


def mean_of(values: Sequence[float | int | None]) -> Mean:
    """The mean of those values that are there; NaN if none is."""
    known = np.array([value for value in values if value is not None], np.float64)
    if not len(known):
        return Mean(0, math.nan, math.nan)
    error = known.std(ddof=1) / np.sqrt(len(known)) if len(known) > 1 else math.nan
    return Mean(len(known), float(known.mean()), float(error))


def rank_test(first: Sequence[Result], second: Sequence[Result], metric: str) -> RankTest | None:
    """Compares the best values of two settings' searches; None with fewer than two runs each.

    Where each run of the smaller setting has a partner with the same seed, the test is Wilcoxon's of signed ranks
    (Wilcoxon, "Individual comparisons by ranking methods", 1945) over these pairs; else it is that of Mann & Whitney
    ("On a test of whether one of two random variables is stochastically larger than the other", 1947).

    Args:
        first, second: runs that have a best value.
    """
    num = min(len(first), len(second))
    if num < 2:
        return None
    a, b = ({result.seed: result.best(metric) for result in results} for results in (first, second))
    differences = np.array([a[seed] - b[seed] for seed in a if seed in b])
    if len(differences) < num:
        test = stats.mannwhitneyu(*([result.best(metric) for result in results] for results in (first, second)))
        return RankTest("Mann-Whitney", num, float(test.pvalue))
    p = float(stats.wilcoxon(differences).pvalue) if differences.any() else 1.0
    return RankTest("Wilcoxon", num, p)


def tests_against_best(
    groups: Mapping[tuple[str, ...], Sequence[Result]], objective: Objective
) -> dict[tuple[str, ...], RankTest | None]:
    """Each setting against the one with the best mean, which is left out; p-values are corrected by Holm's method."""
    metric = objective.metric
    means = {setting: mean_of([result.best(metric) for result in results]).mean for setting, results in groups.items()}
    best = max(groups, key=lambda setting: objective.sign * means[setting])
    tests = {setting: rank_test(groups[best], groups[setting], metric) for setting in groups if setting != best}
    made = {setting: test for setting, test in tests.items() if test is not None}
    corrected = zip(made.items(), holm([test.p for test in made.values()]), strict=True)
    return {**tests, **{setting: test._replace(p=p) for (setting, test), p in corrected}}


def holm(ps: Sequence[float]) -> list[float]:
    """p-values of several tests, so corrected that the smallest can be believed (Holm, "A simple sequentially
    rejective multiple test procedure", 1979)."""
    corrected = [1.0] * len(ps)
    largest = 0.0
    for rank, i in enumerate(np.argsort(ps, kind="stable")):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[i]))
        corrected[i] = largest
    return corrected


def band(curves: Sequence[Float[np.ndarray, " _"]]) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Mean and standard error of curves, as far as all of them go. NaN where one has no value yet."""
    num = min(map(len, curves))
    stacked = np.stack([curve[:num] for curve in curves])
    errors = stacked.std(axis=0, ddof=1) / np.sqrt(len(stacked)) if len(stacked) > 1 else np.zeros(num)
    return stacked.mean(axis=0), errors


def write_csv(path: Path, fields: Sequence[str], results: Sequence[Result]) -> None:
    """One row a run, numbers in full. The columns of `fields` have the setting, those of metrics what was reached."""
    searched = tuple(dict.fromkeys(metric for result in results for metric in result.curves))
    final = tuple(dict.fromkeys(metric for result in results for metric in result.winner))
    best = (f"best_{metric}" for metric in searched)
    winner = (f"winner_{metric}" for metric in final)
    columns = ("workdir", *fields, "seed", "is_complete", "is_partial", "num_trials", *best, *winner, "seconds")

    def row(result: Result) -> tuple[object, ...]:
        found = [result.best(metric) if metric in result.curves else math.nan for metric in searched]
        return (
            *(result.workdir, *result.setting, result.seed, result.is_complete, result.is_partial),
            max(map(len, result.curves.values()), default=0),
            *(None if math.isnan(value) else value for value in found),
            *(result.winner.get(metric) for metric in final),
            result.seconds,
        )

    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *map(row, results)])
