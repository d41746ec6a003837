"""Which point of a front is taken, by a rule that a config or a command names."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nas_jax.constraints import in_full
from nas_jax.errors import UserError
from nas_jax.objectives import Objectives
from nas_jax.trial import Trial

RULES = "'knee', 'max METRIC', 'min METRIC' or 'at METRIC <= NUMBER'"


class Rule(NamedTuple):
    """A parsed rule: its kind, and of what it speaks."""

    kind: str  # "knee", "max", "min" or "at"
    metric: str = ""
    is_at_most: bool = True
    limit: float = 0.0


def parse_rule(text: str) -> Rule:
    """A rule as a person writes it. A metric may have any name, with spaces in it as well.

    Raises:
        ValueError: it is none of RULES.
    """
    words = text.strip()
    if words == "knee":
        return Rule("knee")
    if match := re.fullmatch(r"(max|min)\s+(.+)", words):
        return Rule(match[1], match[2])
    if match := re.fullmatch(r"at\s+(.+?)\s*(<=|>=)\s*(\S+)", words):
        try:
            return Rule("at", match[1], match[2] == "<=", float(match[3]))
        except ValueError:
            pass
    raise ValueError(f"{text!r} is no rule to choose by: write {RULES}")


def choose(rule: Rule, objectives: Objectives, front: Sequence[Trial]) -> Trial:
    """The point of a front that the rule names.

    "max" and "min" take the largest or smallest metric. "at" takes, of the points within the limit, the best one by the
    first objective that is another metric. "knee" takes the point whose least share of the ranges of the front, over
    the objectives, is largest: no objective is given up for another.

    Raises:
        UserError: no point has the metric, or none is within the limit.
    """
    if not front:
        raise UserError("the front has no point to choose from")
    if rule.kind == "knee":
        values = np.array([objectives.values(trial) for trial in front])
        spans = np.ptp(values, axis=0)
        shares = (values - values.min(axis=0)) / np.where(spans > 0, spans, 1) + (spans <= 0)
        return front[int(np.argmax(shares.min(axis=1)))]
    known = [trial for trial in front if isinstance((trial.metrics or {}).get(rule.metric), int | float)]
    if not known:
        names = sorted({name for trial in front for name in trial.metrics or {}})
        raise UserError(f"choice: no metric {rule.metric!r} to choose by; there are {', '.join(names)}")
    values = np.array([_metric(rule, trial) for trial in known])
    if rule.kind != "at":
        return known[int(np.argmax(values if rule.kind == "max" else -values))]
    inside = [trial for trial in known if keeps(rule, trial)]
    if not inside:
        raise UserError(
            f"choice: no point of the front has {rule.metric} {'<=' if rule.is_at_most else '>='} "
            f"{in_full(rule.limit)}; it lies between {in_full(values.min())} and {in_full(values.max())} there"
        )
    objective = next((each for each in objectives if each.metric != rule.metric), objectives.each[0])
    return max(inside, key=lambda trial: objective.value(trial.metrics or {}))


def keeps(rule: Rule, trial: Trial) -> bool:
    """Whether a trial with the metric is within the limit of a rule of the kind "at"."""
    value = _metric(rule, trial)
    return value <= rule.limit if rule.is_at_most else value >= rule.limit


def _metric(rule: Rule, trial: Trial) -> float:
    return float((trial.metrics or {})[rule.metric])
