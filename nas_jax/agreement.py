"""Whether the parts of a run fit together: what is wrong is said before any training."""

from collections.abc import Mapping, Sequence
from typing import Any

from nas_jax.build import find
from nas_jax.choice import parse_rule
from nas_jax.config import PARTS
from nas_jax.constraints import in_full
from nas_jax.errors import UserError
from nas_jax.evaluators.base import Converting, Evaluator, LooksUp, OnDemand
from nas_jax.features.base import Features
from nas_jax.metrics import DEPLOYED, is_fraction
from nas_jax.notes import ReadsFiles
from nas_jax.objectives import Objectives
from nas_jax.spaces.base import Cost, NetworkSpace, Offering, Space
from nas_jax.surrogates.base import Bounded, Surrogate
from nas_jax.tasks.base import Signed, Task

_MOST_SHOWN = 30  # metrics to choose from


def check_signatures(section: Mapping[str, Any], task: Task) -> None:
    """Refuses a space whose networks take or give something else than the task needs."""
    make = find(PARTS["space"][0], section)
    if isinstance(make, Offering) and isinstance(task, Signed) and task.signature not in make.signatures:
        raise UserError(
            f"space {section['name']!r}: its networks are {' or '.join(make.signatures)}, and the task "
            f"{type(task).__name__} needs {task.signature}; choose another space, or another task"
        )


def check_targets(targets: str, objectives: Objectives, surrogate: Surrogate) -> None:
    """Refuses targets that do not fit the metric, or that the surrogate's warp does not fit."""
    if targets == "log_errors":
        for objective in objectives:
            if objective.metric not in DEPLOYED and not (objective.maximize and is_fraction(objective.metric)):
                raise UserError(
                    f"targets=log_errors: {objective.metric} is no fraction to make large by its name, as val_accuracy "
                    "is; set --config.targets=ranks"
                )
    if isinstance(surrogate, Bounded) and surrogate.upper_bound is not None and targets != "scores":
        raise UserError(
            f"surrogate.warp=log_distance with upper_bound={surrogate.upper_bound:g} is for scores as they are, and "
            f"targets={targets}: set --config.targets=scores, or --config.surrogate.warp=identity without a bound"
        )


def check_features(features: Features | None, evaluator: Evaluator, objectives: Objectives) -> None:
    """Refuses features that are the columns in which the evaluator looks an objective up: the search would see it."""
    if features is None or not isinstance(evaluator, LooksUp) or not isinstance(features, ReadsFiles):
        return
    if evaluator.digests["path"] not in features.digests.values():
        return
    for metric in objectives.metrics:
        if known := [column for column in evaluator.columns_of(metric) if column in features.names]:
            raise UserError(
                f"features.columns: {known[0]!r} is what the search measures for {metric!r}, which it would know "
                "before any trial; name columns that cost nothing"
            )


def check_metrics(config: Mapping[str, Any], objectives: Objectives, metric_names: Sequence[str], space: Space) -> None:
    """Refuses objectives and constraints that neither the evaluator's metrics nor what the space tells has."""
    for metric in objectives.needed:
        _check_metric(metric, _title_of(config, objectives, metric), metric_names, space)


def check_percents(objectives: Objectives, evaluator: Evaluator) -> None:
    """Refuses references and limits in percent of metrics that the evaluator makes fractions."""
    for objective in objectives:
        _check_fraction(objective.metric, objective.reference, "objectives", evaluator)
    for constraint in objectives.constraints:
        for limit in (constraint.at_least, constraint.at_most):
            _check_fraction(constraint.metric, limit, "constraints", evaluator)


def _check_fraction(metric: str, number: float | int | None, title: str, evaluator: Evaluator) -> None:
    converted = evaluator.from_percent if isinstance(evaluator, Converting) else {}
    if metric in converted and number is not None and number > 1:
        raise UserError(
            f"{title}: {metric} is a fraction here, though {converted[metric]!r} of the table is in percent; write "
            f"{in_full(round(number / 100, 12))} for {in_full(number)}"
        )


def check_choice(choice: str, objectives: Objectives, evaluator: Evaluator, space: Space) -> None:
    """Refuses a rule to choose by, of several objectives, with a metric that no finalist will have, or in percent."""
    rule = parse_rule(choice)
    metric = rule.metric
    if len(objectives) == 1 or not metric:
        return
    measured = evaluator.measured_names if isinstance(evaluator, OnDemand) else evaluator.metric_names
    if metric in evaluator.metric_names and metric not in measured:
        raise UserError(
            f"finalists.choice: {metric!r} is measured only where it is named: make it one of the objectives, or give "
            f"the constraints a limit of it, wide as it may be; without that choose by {_listed(measured, space)}"
        )
    _check_metric(metric, "finalists.choice", measured, space)
    _check_fraction(metric, rule.limit, "finalists.choice", evaluator)


def _check_metric(metric: str, title: str, metric_names: Sequence[str], space: Space) -> None:
    if metric not in (*metric_names, *known_costs(space)):
        raise UserError(f"{title}: no {metric!r}; choose from {_listed(metric_names, space)}")


def _listed(metric_names: Sequence[str], space: Space) -> str:
    """The metrics, and what the space tells."""
    shown = dict.fromkeys((*metric_names[:_MOST_SHOWN], *known_costs(space)))
    more = f" and {len(metric_names) - _MOST_SHOWN} more" if len(metric_names) > _MOST_SHOWN else ""
    return f"{', '.join(shown)}{more}"


def known_costs(space: Space) -> tuple[str, ...]:
    """The metrics that a space tells before any measurement."""
    return Cost._fields if isinstance(space, NetworkSpace) else ()


def _title_of(config: Mapping[str, Any], objectives: Objectives, metric: str) -> str:
    """The field of the config that names a metric."""
    if metric not in objectives.metrics:
        return "constraints"
    return "objectives" if config.get("objectives") else "objective.metric"
