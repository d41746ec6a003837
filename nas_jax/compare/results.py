"""Records of runs as settings and results: what the tables and the plot of a comparison read."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nas_jax.compare.sweep import Result
from nas_jax.metrics import curves_of
from nas_jax.record import Record, metrics_of_split, on_test_split, score, total_seconds
from nas_jax.trial import FULL
from nas_jax.units import UNKNOWN


def results_of(records: Sequence[Record], names: Sequence[str]) -> list[Result]:
    """Runs in numbers; `names` are the fields of their settings."""
    budgets = [_budget_of(record) for record in records]
    full: dict[str, int] = {}
    for record, budget in zip(records, budgets, strict=True):
        measured = _measured_by(record)
        full[measured] = max(_num_epochs(record) or budget, full.get(measured, 0))
    return [
        _result_of(record, names, is_partial=0 < budget < full[_measured_by(record)])
        for record, budget in zip(records, budgets, strict=True)
    ]


def _budget_of(record: Record) -> int:
    """The largest budget of a search, counted in values of a learning curve; 0 where nothing has a curve."""
    compared = [trial for trial, _ in record.objectives.comparable(record.of("search"))]
    return max((len(values) for trial in compared for values in curves_of(trial.metrics).values()), default=0)


def _measured_by(record: Record) -> str:
    """What says how many values a full curve has."""
    sections = (record.config.get(name) for name in ("recipe", "evaluator"))
    return json.dumps([section for section in sections if isinstance(section, Mapping)], sort_keys=True)


def _num_epochs(record: Record) -> int | None:
    """Of a training in full; None where nothing is trained: the longest curve of the same table says it."""
    recipe = record.config.get("recipe")
    return recipe.get("num_epochs") if isinstance(recipe, Mapping) and not record.is_table else None


def _result_of(record: Record, names: Sequence[str], *, is_partial: bool) -> Result:
    config = settings_of(record)
    done = [trial for trial in record.of("search") if trial.status != "pending"]
    num_trials = num_planned(record)
    compared = record.objectives.comparable(done)
    counting = {trial.id for trial, _ in compared if record.objectives.is_feasible(trial)}
    curves = {}
    for objective in record.objectives:
        values = np.array([score(trial, objective) if trial.id in counting else math.nan for trial in done])
        curves[objective.metric] = objective.sign * np.fmax.accumulate(values)
    winner = record.exported_metrics
    shown = [*record.objectives.metrics, *test_metrics_of(record)]
    return Result(
        workdir=str(record.workdir),
        setting=tuple(config.get(name, UNKNOWN) for name in names),
        seed=config.get("seed", UNKNOWN),
        is_complete=(
            bool(record.best)
            or bool(record.of(*FULL))
            or record.is_search_over
            or (num_trials is not None and len(done) >= num_trials)
        ),
        is_partial=is_partial,
        curves=curves,
        winner={metric: winner[metric] for metric in shown if winner.get(metric) is not None},
        seconds=total_seconds(record.trials),
        is_infeasible=bool(compared) and not counting,
    )


def test_metrics_of(record: Record) -> list[str]:
    """The winner's metrics of the test split that correspond to the objectives; without any, the first one."""
    known = metrics_of_split(record.exported_metrics, "test")
    own = [name for metric in record.objectives.metrics if (name := on_test_split(metric, known))]
    return own or known[:1]


def differing_fields(records: Sequence[Record]) -> list[str]:
    """The fields that set the configs of runs apart, by dotted names.

    Where runs have different parts, their names say it: a field of a part differs only if runs with the same part have
    different values of it.
    """
    configs = [settings_of(record) for record in records]
    names = dict.fromkeys(name for config in configs for name in config)
    return [name for name in names if _differs(name, configs)]


def _differs(name: str, configs: Sequence[Mapping[str, str]]) -> bool:
    values: dict[str | None, set[str | None]] = {}
    for config in configs:
        values.setdefault(config.get(_part_of(name)), set()).add(config.get(name))
    return any(len(alike) > 1 for alike in values.values())


def _part_of(name: str) -> str:
    """The field that names the part to which a field belongs; one of no part gives a name that no config has."""
    section, _, field = name.rpartition(".")
    if field == "name":
        return ""
    return {"finalists.evaluator": "evaluator.name", "objective": "task.name"}.get(
        section, "space.name" if name == "finalists.reference" else f"{section}.name"
    )


def num_planned(record: Record) -> int | None:
    """The trials that a search was to have; None where only its cost is limited, 0 where another program asks."""
    search = record.config.get("search")
    return search.get("num_trials", 0) if isinstance(search, Mapping) else 0


def settings_of(record: Record) -> dict[str, str]:
    """The config by dotted names, as the flags that set its fields are spelled; values as text."""
    return dict(_flatten(record.config))


def _flatten(section: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in section.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value if isinstance(value, str) else json.dumps(value)
