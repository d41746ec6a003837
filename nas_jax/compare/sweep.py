"""Runs that differ in their seeds alone are one setting: means, standard errors and rank tests of settings."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy import stats


class Result(NamedTuple):
    """What a run reached. Values are of the objective's metric."""

    workdir: str
    setting: tuple[str, ...]  # the fields in which the runs differ, but for the seed
    seed: str
    is_complete: bool  # whether the search has had all its trials
    curve: Float[np.ndarray, " n"]  # the best value until each trial of the search, NaN before the first
    winner: float | None  # the winner's, trained in full
    test_accuracy: float | None
    seconds: float

    @property
    def best(self) -> float:
        """The best value of the search, NaN where it has none."""
        return float(self.curve[-1]) if len(self.curve) else math.nan


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
    """The runs of each setting whose search is complete, in the order given. A setting without any is left out."""
    groups: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        if result.is_complete and not math.isnan(result.best):
            groups.setdefault(result.setting, []).append(result)
    return groups


def mean_of(values: Sequence[float | None]) -> Mean:
    """The mean of those values that are there; NaN if none is."""
    known = np.array([value for value in values if value is not None], np.float64)
    if not len(known):
        return Mean(0, math.nan, math.nan)
    error = known.std(ddof=1) / np.sqrt(len(known)) if len(known) > 1 else math.nan
    return Mean(len(known), float(known.mean()), float(error))


def rank_test(first: Sequence[Result], second: Sequence[Result]) -> RankTest | None:
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
    a, b = ({result.seed: result.best for result in results} for results in (first, second))
    differences = np.array([a[seed] - b[seed] for seed in a if seed in b])
    if len(differences) < num:
        test = stats.mannwhitneyu([result.best for result in first], [result.best for result in second])
        return RankTest("Mann-Whitney", num, float(test.pvalue))
    p = float(stats.wilcoxon(differences).pvalue) if differences.any() else 1.0
    return RankTest("Wilcoxon", num, p)


def tests_against_best(
    groups: Mapping[tuple[str, ...], Sequence[Result]], *, maximize: bool
) -> dict[tuple[str, ...], RankTest | None]:
    """Each setting against the one with the best mean, which is left out; p-values are corrected by Holm's method."""
    sign = 1 if maximize else -1
    best = max(groups, key=lambda setting: sign * mean_of([result.best for result in groups[setting]]).mean)
    tests = {setting: rank_test(groups[best], groups[setting]) for setting in groups if setting != best}
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


def band(results: Sequence[Result]) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Mean and standard error of the runs' curves, as far as all of them go. NaN where a run has no value yet."""
    num = min(len(result.curve) for result in results)
    curves = np.stack([result.curve[:num] for result in results])
    errors = curves.std(axis=0, ddof=1) / np.sqrt(len(curves)) if len(curves) > 1 else np.zeros(num)
    return curves.mean(axis=0), errors


def write_csv(path: Path, fields: Sequence[str], results: Sequence[Result]) -> None:
    """One row a run, numbers in full. The columns of `fields` have the setting."""
    columns = ("workdir", *fields, "seed", "is_complete", "num_trials", "best", "winner", "test_accuracy", "seconds")
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([columns, *(_csv_row(result) for result in results)])


def _csv_row(result: Result) -> tuple[object, ...]:
    measured = (
        len(result.curve),
        None if math.isnan(result.best) else result.best,
        result.winner,
        result.test_accuracy,
        result.seconds,
    )
    return (result.workdir, *result.setting, result.seed, result.is_complete, *measured)
