"""What a config says that a search is for: its objectives and its constraints."""

import json
import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

from nas_jax.build import construct
from nas_jax.constraints import Constraint
from nas_jax.errors import UserError
from nas_jax.objectives import Objective, Objectives
from nas_jax.tables import name_of, read_table


def objectives_of(config: Mapping[str, Any]) -> Objectives:
    """Of `objectives`, a list of sections; without any of the one section `objective`, which may be a list as well.

    A flag gives a list as a literal of Python or as JSON, and a metric to make large may stand there by its name.

    Raises:
        UserError: a section that is none, has an unknown field, or a metric that is there twice.
    """
    sections = _sections(config, "objectives") or _sections(config, "objective") or [{}]
    return _joined(sections, _sections(config, "constraints"))


def with_known(objectives: Objectives, known: Sequence[str]) -> Objectives:
    """The same, of which these metrics are known before any measurement."""
    return Objectives(
        objectives.each, objectives.constraints, tuple(metric for metric in objectives.needed if metric in known)
    )


def with_columns(config: Mapping[str, Any], objectives: Objectives) -> dict[str, Any]:
    """The config of a search of a table, in which what objectives and constraints name is no gene but a metric.

    That is so where the evaluator lists its metrics by the names of columns, or has a curve, and the space takes the
    other columns of the same table as genes; any other config is returned as it is. A curve is no column. Where
    `objectives` count instead of the one section `objective`, the table need not have a column for that.

    Raises:
        UserError: the table cannot be read.
    """
    evaluator, space = dict(config["evaluator"]), dict(config["space"])
    curve = evaluator.get("curve") or ""
    listed, excluded = _names_in(evaluator.get("metrics")), _names_in(space.get("exclude"))
    is_table = evaluator.get("name") == "tabular" and space.get("name") == "categorical" and space.get("path")
    if not is_table or listed is None or excluded is None or not (listed or curve) or not isinstance(curve, str):
        return dict(config)
    columns = [metric for metric in objectives.needed if not curve or metric != name_of(curve)]
    replaced = _replaced(config, objectives)
    if replaced:
        replaced -= {*read_table(space["path"], is_all_needed=False).columns}
    metrics = [name for name in dict.fromkeys((*listed, *columns)) if name not in replaced]
    evaluator["metrics"] = tuple(metrics)
    space["exclude"] = tuple(name for name in dict.fromkeys((*excluded, *metrics)) if name not in replaced)
    return {**config, "evaluator": evaluator, "space": space}


def _replaced(config: Mapping[str, Any], objectives: Objectives) -> set[str]:
    """The metrics of the section `objective` that nothing needs, since `objectives` count instead."""
    if not _sections(config, "objectives"):
        return set()
    sections = (_section(each, "objectives") for each in _sections(config, "objective"))
    return {each["metric"] for each in sections if "metric" in each} - {*objectives.needed}


def _names_in(value: Any) -> list[str] | None:
    """The names of columns in one text with commas between them, or in a list; None of anything else."""
    if isinstance(value, str):
        return [name.strip() for name in value.split(",") if name.strip()]
    names = () if value is None else value
    is_list = isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)
    return list(names) if is_list else None


def _joined(sections: Sequence[Any], constraints: Sequence[Any]) -> Objectives:
    try:
        return Objectives(
            tuple(construct(Objective, "objectives", _section(each, "objectives")) for each in sections),
            tuple(construct(Constraint, "constraints", _section(each, "constraints")) for each in constraints),
        )
    except ValueError as error:
        raise UserError(f"objectives: {error}") from error


def _sections(config: Mapping[str, Any], name: str) -> list[Any]:
    given = config.get(name) or ()
    if isinstance(given, str):
        given = _parsed(given, name)
    if isinstance(given, Mapping | str):
        return [given]
    if not isinstance(given, Sequence):
        raise UserError(f"{name}: a list of sections is wanted, not {reprlib.repr(given)}")
    return list(given)


def _parsed(text: str, name: str) -> Any:
    """What a flag gave as JSON; other text is the name of a metric."""
    if not text.lstrip().startswith(("[", "{", "(")):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise UserError(
            f"""{name}: {reprlib.repr(text)} is no list; write it like '[{{"metric": "val_accuracy"}}]' ({error})"""
        ) from error


def _section(given: Any, name: str) -> Mapping[str, Any]:
    if isinstance(given, str) and name == "objectives":
        return {"metric": given}
    if isinstance(given, Mapping):
        if "metric" not in given and given:
            raise UserError(f"{name}: {reprlib.repr(dict(given))} names no metric; give it one, 'metric'")
        return given
    raise UserError(f"{name}: a section with a metric is wanted, not {reprlib.repr(given)}")
