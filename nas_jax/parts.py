"""A whole config becomes the parts of a run."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nas_jax.agreement import (
    check_choice,
    check_features,
    check_metrics,
    check_percents,
    check_signatures,
    check_targets,
    known_costs,
)
from nas_jax.budgets import Budgets, budgets_of
from nas_jax.build import build, construct, find
from nas_jax.config import PARTS, trains
from nas_jax.data.arrays import DataSource, num_examples
from nas_jax.errors import UserError
from nas_jax.evaluators.base import Evaluator, HasTestMetrics, Measuring
from nas_jax.executors.devices import leave_devices_to
from nas_jax.features.base import Features
from nas_jax.features.space import with_features
from nas_jax.objectives import Objectives
from nas_jax.sections import check_sections, final_evaluator, given
from nas_jax.settings import FinalistSettings, SearchSettings
from nas_jax.spaces.base import Space
from nas_jax.spaces.checked import check_space
from nas_jax.spaces.names import find_genome
from nas_jax.stated import objectives_of, with_columns, with_known
from nas_jax.strategies.base import Strategy
from nas_jax.strategies.learner import Learner
from nas_jax.surrogates.base import Surrogate
from nas_jax.tasks.base import Problem, Task, load_problem, space_fields
from nas_jax.train.recipe import Recipe

# What a part of each section has to be.
PROTOCOLS: dict[str, type] = {
    "data": DataSource,
    "task": Task,
    "space": Space,
    "strategy": Strategy,
    "surrogate": Surrogate,
    "features": Features,
    "evaluator": Evaluator,
    "execution": Evaluator,
}


class Searching(NamedTuple):
    """The search's settings, what measures its trials, and the budgets that it can measure with."""

    settings: SearchSettings
    evaluator: Evaluator
    budgets: Budgets


class Finals(NamedTuple):
    """The finalists' settings, what measures them, and the recipe by which they are trained, if they are."""

    settings: FinalistSettings
    evaluator: Evaluator
    recipe: Recipe | None = None


class Parts(NamedTuple):
    """Everything that a run is made of. Without training there is no problem to learn.

    The space of the strategy and of the learner is the run's, with features beside where a section asks for them.
    """

    seed: int
    objectives: Objectives
    space: Space
    strategy: Strategy
    learner: Learner
    search: Searching
    finals: Finals
    problem: Problem | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Whether finalists are trained for less than the trials of the search."""
        recipe, full = self.finals.recipe, self.search.budgets.full.epochs
        if recipe is None or recipe.num_epochs >= full:
            return ()
        return (
            f"finalists are trained for {recipe.num_epochs} epochs and trials of the search for up to {full}; "
            "--config.finalists.recipe.num_epochs=N gives them more",
        )


def build_parts(config: Mapping[str, Any], checkpoint_dir: Path, state_dir: Path | None = None) -> Parts:
    """Builds every part, loading the data set if there is one, and checks that they fit together.

    Where the trials run in other processes, this one keeps to its CPU from now on.

    Args:
        config: a complete one (`nas_jax.config`), as plain dictionaries. Fields beside its sections belong to the
            config itself, which sets several others by one.
        checkpoint_dir: where the finalists' networks are left; the scores of zero-cost features are kept beside it.
        state_dir: where the search's trainings that stop leave what they need to go on; None for nowhere.

    Raises:
        UserError: a setting that is unknown, impossible, or at odds with another one.
    """
    check_sections(config)
    if config.get("execution"):  # nothing has asked JAX for devices yet; a surrogate would
        leave_devices_to(find(PARTS["execution"][0], config["execution"]))
    # The cheap parts first: a wrong name should not have to wait for the data.
    objectives = objectives_of(config)
    config = with_columns(config, objectives)
    search_settings = construct(SearchSettings, "search", config["search"])
    surrogate = _build(config, "surrogate")
    training = _build_training(config, objectives)
    provided = training.provided if training else {}
    if training:
        check_signatures(config["space"], training.problem.task)
    space = _build(config, "space", **(training.space_fields if training else {}))
    check_space(space)
    check_targets(config["targets"], objectives, surrogate)
    features = _build_features(config, space, provided, checkpoint_dir.with_name("features"))
    seen = with_features(space, features)
    learner = construct(Learner, "targets", {"targets": config["targets"]}, space=seen, surrogate=surrogate)

    def build_evaluator(section: Mapping[str, Any], **more: Any) -> Evaluator:
        provided_here = {**provided, "objectives": objectives, **more}
        evaluator = _build({"evaluator": section}, "evaluator", space=space, **provided_here)
        check_metrics(config, objectives, evaluator.metric_names, space)
        check_percents(objectives, evaluator)
        return evaluator

    def executed(evaluator: Evaluator) -> Evaluator:
        return _executed(config, evaluator) if config.get("execution") else evaluator

    searching = build_evaluator(config["evaluator"], checkpoint_dir=None, state_dir=state_dir)
    check_features(features, searching, objectives)
    budgets = budgets_of(searching)
    objectives = with_known(objectives, [name for name in known_costs(space) if name not in searching.metric_names])
    strategy = _build(
        config,
        "strategy",
        space=seen,
        surrogate=surrogate,
        targets=config["targets"],
        budgets=budgets,
        objectives=objectives,
    )
    final_recipe = training and training.final_recipe
    final_folders = {"checkpoint_dir": checkpoint_dir, "state_dir": None}
    finals = build_evaluator(final_evaluator(config), recipe=final_recipe, **final_folders)
    final_settings = _finalist_settings(config, space)
    check_choice(final_settings.choice, objectives, finals, space)
    return Parts(
        seed=config["seed"],
        objectives=objectives,
        space=space,
        strategy=strategy,
        learner=learner,
        search=Searching(search_settings, executed(searching), budgets),
        finals=Finals(
            final_settings,
            executed(finals),
            final_recipe if final_recipe is not None and trains(final_evaluator(config)) else None,
        ),
        problem=training and training.problem,
    )


class _Training(NamedTuple):
    """What a network is trained on, and how."""

    source: DataSource
    problem: Problem
    recipe: Recipe
    final_recipe: Recipe

    @property
    def space_fields(self) -> dict[str, Any]:
        """What a space asks for."""
        return space_fields(self.problem.task, self.problem.dataset.spec)

    @property
    def provided(self) -> dict[str, Any]:
        """What an evaluator asks for."""
        return {"source": self.source, "task": self.problem.task, "recipe": self.recipe}


def _build_training(config: Mapping[str, Any], objectives: Objectives) -> _Training | None:
    if not config.get("data"):
        return None
    recipe = construct(Recipe, "recipe", config["recipe"])
    changes = given(config["finalists"].get("recipe") or {})
    final_recipe = construct(Recipe, "finalists.recipe", {**config["recipe"], **changes})
    task: Task = _build(config, "task")
    source: DataSource = _build(config, "data")
    problem = load_problem(task, source, objectives.needed)
    num = num_examples(problem.dataset.train)
    for section, part in (("recipe", recipe), ("finalists.recipe", final_recipe)):
        if part.batch_size > num:
            raise UserError(
                f"{section}.batch_size={part.batch_size}: there are only {num} training examples; lower it, or give "
                "more of them"
            )
    return _Training(source, problem, recipe, final_recipe)


def _build_features(
    config: Mapping[str, Any], space: Space, provided: Mapping[str, Any], cache_dir: Path
) -> Features | None:
    if not config.get("features"):
        return None
    needed = {field.name for field in dataclasses.fields(find(PARTS["features"][0], config["features"]))}
    if "source" in needed and not provided:
        raise UserError(
            f"features: {config['features']['name']!r} scores networks on data, and this config trains none; columns "
            "of a table are --config.features=table"
        )
    return _build(config, "features", space=space, cache_dir=cache_dir, **provided)


def _build(config: Mapping[str, Any], section: str, **provided: Any) -> Any:
    """A part that can do what every part of its kind does, and that hashes where parts are remembered by it.

    Raises:
        UserError: as `build`, or the part lacks something.
    """
    part = build(PARTS[section][0], config[section], **provided)
    title, protocol = f"{section} {config[section]['name']!r}", PROTOCOLS[section]
    if not isinstance(part, protocol):
        names = {name for each in protocol.__mro__ for name in vars(each) if not name.startswith("_")}
        missing = [name for name in sorted(names) if not hasattr(part, name)]
        if not missing:
            raise UserError(f"{title}: {type(part).__name__} does not hash; it has to be a frozen dataclass")
        raise UserError(f"{title}: {type(part).__name__} lacks {', '.join(missing)}, see {protocol.__module__}")
    if section in ("data", "task"):
        try:
            hash(part)
        except TypeError as error:
            raise UserError(f"{title}: has to be a frozen dataclass whose fields hash ({error})") from error
    return part


def _executed(config: Mapping[str, Any], evaluator: Evaluator) -> Evaluator:
    """The evaluator, run where the section `execution` says."""
    name = config["evaluator"]["name"]
    if isinstance(evaluator, HasTestMetrics):
        raise UserError(
            f"execution: the evaluator {name!r} looks results up, which needs no other processes; leave the section "
            "out (tabular has a num_workers of its own)"
        )
    if not isinstance(evaluator, Measuring):
        raise UserError(
            f"execution: the evaluator {name!r} has no method measure, so its trials cannot be run elsewhere; "
            "leave the section out"
        )
    return _build(config, "execution", evaluator=evaluator)


def _finalist_settings(config: Mapping[str, Any], space: Space) -> FinalistSettings:
    fields = {name: value for name, value in config["finalists"].items() if name not in ("recipe", "evaluator")}
    settings = construct(FinalistSettings, "finalists", fields)
    if settings.reference is None:
        return settings
    genome = find_genome(space, settings.reference, "finalists.reference")
    return dataclasses.replace(settings, reference=genome)
