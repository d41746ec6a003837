"""The winner's lead over another network in one metric, and whether it is more than noise."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from nas_jax.metrics import is_accuracy, is_fraction, is_of_test_split, metric_per_seed
from nas_jax.record import on_test_split
from nas_jax.report.difference import Difference, of_examples, of_proportions, of_seeds
from nas_jax.report.subject import Subject
from nas_jax.units import number


class Contest(NamedTuple):
    """A metric, and the sign with which higher is better."""

    metric: str
    sign: int


class Lead(NamedTuple):
    """By how much the winner is better, and a test of that, where there is one.

    `in_scores` says that the test's difference is one of the scores of examples, whose mean the metric is not.
    """

    value: float
    test: Difference | None = None
    in_scores: bool = False

    def verdict(self, other: str) -> str:
        """In words, against `other`; without a word on noise where it is not known."""
        if self.value == 0:
            return f"as good as {other}"
        verdict = f"{'better' if self.value > 0 else 'worse'} than {other}"
        if self.test is None:
            return verdict
        if self.test.is_real and (self.test.value > 0) != (self.value > 0):
            opposite = "worse" if self.value > 0 else "better"
            return f"{verdict}, but {opposite} by the scores of single examples ({_p_value(self.test.p)})"
        return f"{verdict}, {'beyond' if self.test.is_real else 'but within'} the noise ({_p_value(self.test.p)})"

    def cell(self, metric: str) -> str:
        """As a table has it: the difference, in percentage points of fractions, with its 95 % interval."""
        text = _signed(self.value, metric)
        if self.test is None:
            return text
        low, high = (_signed(value, "" if self.in_scores else metric) for value in (self.test.low, self.test.high))
        return f"{text} ({'scores ' if self.in_scores else ''}{low} to {high})"


def contests_of(subject: Subject, split: str) -> list[Contest]:
    """The objectives' metrics, on the split of the search ("val") or their matches on that for the end ("test")."""
    own = [Contest(objective.metric, objective.sign) for objective in subject.objectives]
    if split == "val":
        return own
    pairs = [(on_test_split(metric, subject.winner_metrics), sign) for metric, sign in own]
    return [Contest(metric, sign) for metric, sign in pairs if metric is not None]


def lead_of(subject: Subject, contest: Contest, trial: int, theirs: Mapping[str, Any]) -> Lead | None:
    """Of the winner over another network; None where one was not measured.

    Args:
        trial: the id of the other one.
        theirs: its metrics.
    """
    metric, sign = contest
    ours = subject.winner_metrics
    if ours.get(metric) is None or theirs.get(metric) is None:
        return None
    value = float(sign * (ours[metric] - theirs[metric]))
    ids = (subject.winner.id if subject.winner else None, trial)
    first, second = (subject.test_scores.get(id) if id is not None else None for id in ids)
    if is_of_test_split(metric) and first is not None and second is not None:
        test = of_examples(first, second)
        means = float(first.mean(dtype=np.float64)), float(second.mean(dtype=np.float64))
        is_mean = np.allclose(means, (sign * ours[metric], sign * theirs[metric]), rtol=0, atol=1e-5)
        return Lead(value, test, in_scores=not is_mean)
    test = _by_summaries(subject, metric, ours, theirs)
    return Lead(value, test and test.turned(sign))


def _by_summaries(
    subject: Subject, metric: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]
) -> Difference | None:
    """A test that needs no scores of examples: over seeds, else of two fractions, else none."""
    seeds = [metric_per_seed(metrics, metric) for metrics in (ours, theirs)]
    if min(map(len, seeds)) > 1:
        return of_seeds(*seeds)
    num = subject.record.num_examples(metric.partition("_")[0])
    return of_proportions(ours[metric], theirs[metric], num) if num is not None and is_accuracy(metric) else None


def _p_value(p: float) -> str:
    return f"p = {p:.2g}" if p >= 0.001 else "p < 0.001"


def _signed(value: float, metric: str) -> str:
    sign = "" if value == 0 else "+" if value > 0 else "\N{MINUS SIGN}"
    return sign + (f"{100 * abs(value):.2f}" if is_fraction(metric) else number(float(f"{abs(value):.4g}")))
