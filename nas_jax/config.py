"""A config becomes complete: every part has a section, and every section all its fields.

A config file names what differs from the parts' own defaults. `--config.surrogate=random_forest` takes another part in
place of the one that the config names; what the config had set for that one goes. Any other field is set by its own
flag, `--config.surrogate.num_trees=200`, whether the config names it or not.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from ml_collections import ConfigDict, FieldReference
from ml_collections.config_dict import placeholder

from nas_jax.build import build, find
from nas_jax.errors import UserError
from nas_jax.executors.devices import leave_devices_to
from nas_jax.hints import hints_of
from nas_jax.objectives import Objective
from nas_jax.settings import FinalistSettings, SearchSettings
from nas_jax.strategies.recommended import SURROGATE, TARGETS
from nas_jax.train.recipe import Recipe

# The sections that name a part: the package of such parts, and the fields that the program itself fills.
PARTS: dict[str, tuple[str, frozenset[str]]] = {
    "data": ("nas_jax.data", frozenset()),
    "task": ("nas_jax.tasks", frozenset()),
    "space": ("nas_jax.spaces", frozenset()),
    "strategy": ("nas_jax.strategies", frozenset({"space", "surrogate", "targets", "budgets", "objectives"})),
    "surrogate": ("nas_jax.surrogates", frozenset()),
    "features": ("nas_jax.features", frozenset({"space", "source", "task", "cache_dir"})),
    "evaluator": (
        "nas_jax.evaluators",
        frozenset({"space", "source", "task", "recipe", "checkpoint_dir", "state_dir", "objectives"}),
    ),
    "execution": ("nas_jax.executors", frozenset({"evaluator"})),
}
SETTINGS = {"objective": Objective, "search": SearchSettings, "recipe": Recipe, "finalists": FinalistSettings}
TRAINING = ("data", "task", "recipe", "execution")  # sections without which nothing is trained
OPTIONAL = ("features",)
STAGES = ("search", "finalists", "export", "card", "latency", "report")

# A config without such a section has this one.
RECOMMENDED: dict[str, dict[str, Any]] = {
    "task": {"name": "classification"},
    "strategy": {"name": "bayesopt"},
    "surrogate": SURROGATE,
    "evaluator": {"name": "training"},
    "execution": {"name": "in_process"},
}
# Fields that are no sections; those of any type take a literal as a flag.
_FIELDS = {"seed": 0, "targets": TARGETS, "stages": STAGES, "trackers": (), "objectives": (), "constraints": ()}
_OF_ANY_TYPE = ("trackers", "objectives", "constraints")


def complete(config: ConfigDict, named: Mapping[str, str] | None = None) -> ConfigDict:
    """Completes a config in place, and returns it, locked.

    The objective of a training is the first metric of its task, unless the config has another one. Where the trials run
    in other processes, this one keeps to its CPU from now on.

    Args:
        named: by section, the part to take in place of the config's.

    Raises:
        UserError: a part that there is not.
    """
    config.unlock()
    for name, value in _FIELDS.items():
        if name in ("objectives", "constraints") and name in config:
            config[name] = _retyped(config, name)
        elif name not in config:
            config[name] = FieldReference(value, field_type=object if name in _OF_ANY_TYPE else None)
    replaced = [section for section, part in (named or {}).items() if _replace(config, section, part)]
    if "evaluator" in replaced and not trains(config.evaluator.to_dict()):
        _leave_out(config, *TRAINING)
    is_training = bool(config.get("data"))
    for section in (*PARTS, *SETTINGS):
        is_wanted = section not in ("data", *OPTIONAL) and (is_training or section not in TRAINING)
        if not config.get(section) and is_wanted:
            config[section] = ConfigDict(RECOMMENDED.get(section, {}))

    if config.get("execution"):  # before the import of a surrogate's library, which may ask JAX for devices
        leave_devices_to(find(PARTS["execution"][0], config.execution.to_dict()))
    for section, (package, provided) in PARTS.items():
        if config.get(section):
            _fill(config[section], find(package, config[section].to_dict()), provided)
    if is_training and "metric" not in config.objective:
        task = build(PARTS["task"][0], config.task.to_dict())
        config.objective.update(metric=f"val_{task.metric_names[0]}", maximize=task.maximize)
    for section, make in SETTINGS.items():
        if section in config and config[section] is not None:
            _fill(config[section], make)
    _complete_finalists(config, replaced)
    return config.lock()


def with_defaults(recorded: Mapping[str, Any]) -> dict[str, Any]:
    """The config of a run that an earlier version began, with the fields that it did not have.

    One that names parts that there are no more stays as it is.
    """
    try:
        return complete(ConfigDict(recorded)).to_dict()
    except UserError:
        return dict(recorded)


def _complete_finalists(config: ConfigDict, replaced: Sequence[str]) -> None:
    """Adds what finalists may have of their own; None stands for what the search has."""
    finalists = config.finalists
    if "space" in replaced:
        _leave_out(finalists, "reference")  # it is a genome of the other space
        finalists.reference = placeholder(str)
    if "evaluator" in replaced:
        _leave_out(finalists, "evaluator")
    for section in ("recipe", "evaluator"):
        if not finalists.get(section):
            finalists[section] = ConfigDict()
    if config.get("data"):
        _fill(finalists.recipe, Recipe, is_change=True)
    package, provided = PARTS["evaluator"]
    own = "name" in finalists.evaluator
    named = finalists.evaluator if own else config.evaluator
    _fill(finalists.evaluator, find(package, named.to_dict()), provided, is_change=not own)


def _retyped(config: ConfigDict, name: str) -> FieldReference:
    """The field, so that a flag may set it to any literal or text."""
    value = config[name]
    del config[name]
    return FieldReference(value.to_dict() if isinstance(value, ConfigDict) else value, field_type=object)


def _leave_out(section: ConfigDict, *names: str) -> None:
    for name in names:
        if name in section:
            del section[name]


def listed(names: Any, title: str) -> list[str]:
    """The names of a field; a flag gives several of them as one, with commas between them.

    Raises:
        UserError: anything else than names; the message begins with `title`.
    """
    entries = [names] if isinstance(names, str) else names
    if not isinstance(entries, list | tuple) or not all(isinstance(entry, str) for entry in entries):
        raise UserError(f"{title}: names with commas between them are wanted, not {names!r}")
    return [name.strip() for entry in entries for name in entry.split(",")]


def _replace(config: ConfigDict, section: str, part: str) -> bool:
    """Takes the named part, unless the config has it already."""
    if config.get(section) and config[section].get("name") == part:
        return False
    recommended = RECOMMENDED.get(section, {})
    config[section] = ConfigDict(recommended if recommended.get("name") == part else {"name": part})
    return True


def trains(evaluator: Mapping[str, Any]) -> bool:
    """Whether an evaluator takes a data set."""
    return "source" in {field.name for field in dataclasses.fields(find("nas_jax.evaluators", evaluator))}


def _fill(section: ConfigDict, make: Any, provided: frozenset[str] = frozenset(), *, is_change: bool = False) -> None:
    """Adds the fields of `make` that the section lacks, for flags to set.

    One without a default is None, and so are all of a section that `is_change`, which says what differs from another.
    """
    for name, default, kind in _fields(make, provided):
        if name not in section:
            value = None if is_change else default
            section[name] = ConfigDict(value) if isinstance(value, Mapping) else FieldReference(value, kind)


def _fields(make: Any, provided: frozenset[str]) -> list[tuple[str, Any, type]]:
    """Name, default and type of each field of a part that a config can set."""
    hints = hints_of(make, f"{make.__module__}.{make.__qualname__}")
    fields = [field for field in dataclasses.fields(make) if field.init and field.name not in provided]
    return [(field.name, _default(field), _flag_type(hints[field.name])) for field in fields]


def _default(field: dataclasses.Field) -> Any:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return None if field.default is dataclasses.MISSING else field.default


def _flag_type(hint: Any) -> type:
    """The type by which a flag is read: that of the field, or `object` for any literal, and text beside."""
    if get_origin(hint) in (Union, UnionType):
        kinds = [kind for kind in get_args(hint) if kind is not NoneType]
        return _flag_type(kinds[0]) if len(kinds) == 1 else object
    kind = get_origin(hint) or hint
    return kind if kind in (bool, int, float, str, tuple) else object
