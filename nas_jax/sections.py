"""The sections of a whole config, before anything is built of them: all are there, and none is there for nothing."""

import reprlib
from collections.abc import Mapping
from typing import Any

from nas_jax.config import OPTIONAL, PARTS, SETTINGS, TRAINING, trains
from nas_jax.data.settings import check_seed
from nas_jax.errors import UserError
from nas_jax.hints import check_type


def check_sections(config: Mapping[str, Any]) -> None:
    """Refuses a seed that is none, sections that are unknown or missing, and data without a use or the reverse."""
    for name in (name for name in (*PARTS, *SETTINGS) if name in config):
        values = config[name] if name == "objective" and isinstance(config[name], list | tuple) else [config[name]]
        for value in values:
            if not isinstance(value, Mapping) and (value or name not in TRAINING):
                raise UserError(f"{name}: has to be a section of the config, but is {reprlib.repr(value)}")
    for name in ("recipe", "evaluator"):
        value = config["finalists"].get(name) or {} if "finalists" in config else {}
        if not isinstance(value, Mapping):
            raise UserError(f"finalists.{name}: has to be a section of the config, but is {reprlib.repr(value)}")
    sections = {name for name, value in config.items() if isinstance(value, Mapping)}
    lists = {"objectives", "constraints", "trackers"}  # of which a single section needs none
    unknown = sections - {*PARTS, *SETTINGS} - lists
    missing = {"seed", "targets", *PARTS, *SETTINGS} - {*TRAINING, *OPTIONAL, *config}
    if wrong := unknown | missing:
        raise UserError(
            f"the config has to have the fields seed, targets, {', '.join([*PARTS, *SETTINGS])}; see "
            f"{', '.join(sorted(wrong))}"
        )
    try:
        check_type(config["seed"], int, "seed")
        check_type(config["targets"], str, "targets")
        check_seed(config["seed"])
    except ValueError as error:
        raise UserError(str(error)) from error
    evaluators = (config["evaluator"], final_evaluator(config))
    training = [section["name"] for section in evaluators if trains(section)]
    present = [name for name in ("data", "recipe") if config.get(name)]
    if training and len(present) < 2:
        raise UserError(
            f"the evaluator {training[0]!r} trains networks, which needs the sections data and recipe; "
            "configs/quickstart.py has both"
        )
    if present and not training:
        raise UserError(
            f"the evaluator {config['evaluator']['name']!r} trains nothing: leave out the sections "
            f"{' and '.join(present)}, and give image_shape and num_outputs to a space that needs them"
        )


def final_evaluator(config: Mapping[str, Any]) -> dict[str, Any]:
    """How finalists are evaluated: as in the search, but for the fields of `finalists.evaluator`, if there is one.

    One with a name stands alone.
    """
    changes = given(config["finalists"].get("evaluator") or {})
    return changes if "name" in changes else {**config["evaluator"], **changes}


def given(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that a section of changes does not leave to another section."""
    return {name: value for name, value in changes.items() if value is not None}
