"""A whole config becomes the parts of a run."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nas_jax.build import build, construct, find
from nas_jax.data.arrays import Dataset, check_seed, load
from nas_jax.errors import UserError
from nas_jax.evaluators.base import Evaluator, HasTestMetrics, Measuring
from nas_jax.objectives import Objective
from nas_jax.settings import FinalistSettings, SearchSettings
from nas_jax.spaces.base import Space
from nas_jax.spaces.names import find_genome
from nas_jax.strategies.base import Strategy
from nas_jax.surrogates.base import Surrogate
from nas_jax.trackers.base import Tracker
from nas_jax.train.recipe import Recipe

SECTIONS = ("data", "space", "objective", "strategy", "search", "evaluator", "recipe", "surrogate", "finalists")
OPTIONAL_SECTIONS = ("execution",)  # without it the evaluator runs in this process
TRAINING_SECTIONS = ("data", "recipe")  # missing, or None, where the evaluator trains nothing


class Parts(NamedTuple):
    """Everything that a run is made of. Without training there is no data set and no recipe."""

    dataset: Dataset | None
    space: Space
    strategy: Strategy
    surrogate: Surrogate
    objective: Objective
    search_settings: SearchSettings
    search_evaluator: Evaluator
    final_settings: FinalistSettings
    final_evaluator: Evaluator
    final_recipe: Recipe | None


def build_parts(config: Mapping[str, Any], checkpoint_dir: Path) -> Parts:
    """Builds every part, loading the data set if there is one, and checks that they fit together.

    Args:
        config: sections as in `configs/quickstart.py`, as plain dictionaries. Fields beside them that are no sections
            belong to the config itself, which sets several others by one.
        checkpoint_dir: where the finalists' networks are left.

    Raises:
        UserError: a setting that is unknown, impossible, or at odds with another one.
    """
    _check_sections(config)
    # The cheap parts first: a wrong name should not have to wait for the data.
    objective = construct(Objective, "objective", config["objective"])
    search_settings = construct(SearchSettings, "search", config["search"])
    finalists = dict(config["finalists"])
    final_recipe_section = finalists.pop("recipe", None)
    final_section = _final_evaluator_section(config)
    finalists.pop("evaluator", None)
    reference = finalists.pop("reference", None)
    final_settings = construct(FinalistSettings, "finalists", finalists)
    surrogate = build("nas_jax.surrogates", config["surrogate"])

    recipe = final_recipe = source = dataset = None
    shapes: dict[str, Any] = {}
    if config.get("data"):
        recipe = construct(Recipe, "recipe", config["recipe"])
        final_recipe = construct(Recipe, "finalists.recipe", final_recipe_section or config["recipe"])
        source = build("nas_jax.data", config["data"])
        dataset = load(source)
        for section, part in (("recipe", recipe), ("finalists.recipe", final_recipe)):
            if part.batch_size > len(dataset.train.labels):
                raise UserError(
                    f"{section}.batch_size={part.batch_size}: there are only {len(dataset.train.labels)} training "
                    "images; lower it, or raise data.num_train"
                )
        shapes = {"image_shape": dataset.image_shape, "num_classes": dataset.num_classes}
    space = build("nas_jax.spaces", config["space"], **shapes)
    if reference is not None:
        genome = find_genome(space, reference, "finalists.reference")
        final_settings = dataclasses.replace(final_settings, reference=genome)

    def build_evaluator(section: Mapping[str, Any], recipe: Recipe | None, checkpoint_dir: Path | None) -> Evaluator:
        provided = {"space": space, "source": source, "recipe": recipe, "checkpoint_dir": checkpoint_dir}
        evaluator = build("nas_jax.evaluators", section, **provided)
        if config.get("execution"):
            if isinstance(evaluator, HasTestMetrics):
                raise UserError(
                    f"execution: the evaluator {section['name']!r} looks results up, which needs no other processes; "
                    "leave the section out (tabular has a num_workers of its own)"
                )
            if not isinstance(evaluator, Measuring):
                raise UserError(
                    f"execution: the evaluator {section['name']!r} has no method measure, so its trials cannot be run "
                    "elsewhere; leave the section out"
                )
            evaluator = build("nas_jax.executors", config["execution"], evaluator=evaluator)
        if objective.metric not in evaluator.metric_names:
            raise UserError(
                f"objective.metric: no {objective.metric!r}; choose from {', '.join(evaluator.metric_names)}"
            )
        return evaluator

    return Parts(
        dataset=dataset,
        space=space,
        strategy=build("nas_jax.strategies", config["strategy"], space=space, surrogate=surrogate),
        surrogate=surrogate,
        objective=objective,
        search_settings=search_settings,
        search_evaluator=build_evaluator(config["evaluator"], recipe, None),
        final_settings=final_settings,
        final_evaluator=build_evaluator(final_section, final_recipe, checkpoint_dir),
        final_recipe=final_recipe if _trains(final_section) else None,
    )


def build_trackers(config: Mapping[str, Any]) -> dict[str, Tracker]:
    """The trackers of the field `trackers`, by name: names, or sections where one has settings.

    They are no parts of the run: a report of it is written where their packages are not installed, too.

    Raises:
        UserError: a setting that is unknown or impossible, a package that is not installed, or a name that is there
            twice.
    """
    trackers: dict[str, Tracker] = {}
    given = config.get("trackers") or ()
    for entry in [given] if isinstance(given, str) else given:
        # A flag may give several names with commas between them.
        sections = [entry] if isinstance(entry, Mapping) else [{"name": name.strip()} for name in str(entry).split(",")]
        for section in sections:
            name = str(section.get("name"))
            if name in trackers:
                raise UserError(f"trackers: {name!r} is named twice")
            trackers[name] = build("nas_jax.trackers", section)
    return trackers


def _final_evaluator_section(config: Mapping[str, Any]) -> dict[str, Any]:
    """How finalists are evaluated: as in the search, but for the fields of `finalists.evaluator`, if there is one.

    One with a name stands alone.
    """
    changes = config["finalists"].get("evaluator") or {}
    return dict(changes) if "name" in changes else {**config["evaluator"], **changes}


def _trains(evaluator_section: Mapping[str, Any]) -> bool:
    """Whether an evaluator takes a data set."""
    make = find("nas_jax.evaluators", evaluator_section)
    return "source" in {field.name for field in dataclasses.fields(make)}


def _check_sections(config: Mapping[str, Any]) -> None:
    """Refuses a seed that is none, sections that are unknown or missing, and data without a use or the reverse."""
    sections = {name for name, value in config.items() if isinstance(value, Mapping)}
    unknown = sections - {*SECTIONS, *OPTIONAL_SECTIONS}
    missing = {"seed", *SECTIONS} - {*TRAINING_SECTIONS, *config}
    if wrong := unknown | missing:
        raise UserError(
            f"the config has to have the fields seed, {', '.join(SECTIONS)}; see {', '.join(sorted(wrong))}"
        )
    try:
        check_seed(config["seed"])
    except ValueError as error:
        raise UserError(str(error)) from error
    evaluators = (config["evaluator"], _final_evaluator_section(config))
    training = [section["name"] for section in evaluators if _trains(section)]
    given = [name for name in TRAINING_SECTIONS if config.get(name)]
    if training and len(given) < len(TRAINING_SECTIONS):
        raise UserError(
            f"the evaluator {training[0]!r} trains networks, which needs the sections data and recipe; "
            "configs/quickstart.py has both"
        )
    if given and not training:
        raise UserError(
            f"the evaluator {config['evaluator']['name']!r} trains nothing: leave out the sections "
            f"{' and '.join(given)}, and give image_shape and num_classes to a space that needs them"
        )
