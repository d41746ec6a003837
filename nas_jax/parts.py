"""A whole config becomes the parts of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nas_jax.build import build, construct
from nas_jax.data.arrays import Dataset, check_seed, load
from nas_jax.errors import UserError
from nas_jax.evaluators.base import Evaluator
from nas_jax.finalists import FinalistSettings
from nas_jax.objective import Objective
from nas_jax.search import SearchSettings
from nas_jax.spaces.base import Space
from nas_jax.strategies.base import Strategy
from nas_jax.surrogates.base import Surrogate
from nas_jax.train.recipe import Recipe

SECTIONS = ("data", "space", "objective", "strategy", "search", "evaluator", "recipe", "surrogate", "finalists")


class Parts(NamedTuple):
    """Everything that a run is made of."""

    dataset: Dataset
    space: Space
    strategy: Strategy
    surrogate: Surrogate
    objective: Objective
    search_settings: SearchSettings
    search_evaluator: Evaluator
    final_settings: FinalistSettings
    final_evaluator: Evaluator
    final_recipe: Recipe


def build_parts(config: Mapping[str, Any], checkpoint_dir: Path) -> Parts:
    """Builds every part, loading the data set, and checks that they fit together.

    Args:
        config: sections as in `configs/quickstart.py`, as plain dictionaries.
        checkpoint_dir: where the finalists' networks are left.

    Raises:
        UserError: a setting that is unknown, impossible, or at odds with another one.
    """
    if wrong := set(config) ^ {"seed", *SECTIONS}:
        raise UserError(
            f"the config has to have the fields seed, {', '.join(SECTIONS)}; see {', '.join(sorted(wrong))}"
        )
    try:
        check_seed(config["seed"])
    except ValueError as error:
        raise UserError(str(error)) from error
    # The cheap parts first: a wrong name should not have to wait for the data.
    objective = construct(Objective, "objective", config["objective"])
    search_settings = construct(SearchSettings, "search", config["search"])
    recipe = construct(Recipe, "recipe", config["recipe"])
    finalists = dict(config["finalists"])
    final_recipe = construct(Recipe, "finalists.recipe", finalists.pop("recipe", config["recipe"]))
    final_settings = construct(FinalistSettings, "finalists", finalists)
    surrogate = build("nas_jax.surrogates", config["surrogate"])

    source = build("nas_jax.data", config["data"])
    dataset = load(source)
    for section, part in (("recipe", recipe), ("finalists.recipe", final_recipe)):
        if part.batch_size > len(dataset.train.labels):
            raise UserError(
                f"{section}.batch_size={part.batch_size}: there are only {len(dataset.train.labels)} training "
                "images; lower it, or raise data.num_train"
            )
    space = build("nas_jax.spaces", config["space"], image_shape=dataset.image_shape, num_classes=dataset.num_classes)

    def build_evaluator(recipe: Recipe, checkpoint_dir: Path | None) -> Evaluator:
        provided = {"space": space, "source": source, "recipe": recipe, "checkpoint_dir": checkpoint_dir}
        return build("nas_jax.evaluators", config["evaluator"], **provided)

    search_evaluator = build_evaluator(recipe, None)
    if objective.metric not in search_evaluator.metric_names:
        raise UserError(
            f"objective.metric: no {objective.metric!r}; choose from {', '.join(search_evaluator.metric_names)}"
        )
    return Parts(
        dataset=dataset,
        space=space,
        strategy=build("nas_jax.strategies", config["strategy"], space=space),
        surrogate=surrogate,
        objective=objective,
        search_settings=search_settings,
        search_evaluator=search_evaluator,
        final_settings=final_settings,
        final_evaluator=build_evaluator(final_recipe, checkpoint_dir),
        final_recipe=final_recipe,
    )
