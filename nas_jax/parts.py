"""A whole config becomes the parts of a run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from nas_jax.build import build, construct
from nas_jax.data.arrays import Dataset, load
from nas_jax.errors import UserError
from nas_jax.evaluators.base import Evaluator
from nas_jax.objective import Objective
from nas_jax.spaces.base import Space
from nas_jax.strategies.base import Strategy
from nas_jax.surrogates.base import Surrogate
from nas_jax.train.recipe import Recipe


class Parts(NamedTuple):
    """Everything that a run is made of."""

    dataset: Dataset
    space: Space
    strategy: Strategy
    surrogate: Surrogate
    objective: Objective
    search_evaluator: Evaluator
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
    # The cheap parts first: a wrong name should not have to wait for the data.
    objective = construct(Objective, "objective", config["objective"])
    recipe = construct(Recipe, "recipe", config["recipe"])
    final_recipe = construct(Recipe, "finalists.recipe", config["finalists"]["recipe"])
    surrogate = build("nas_jax.surrogates", config["surrogate"])
    for section, minimum in (("search.num_trials", 2), ("finalists.num_candidates", 0), ("finalists.num_finalists", 1)):
        part, _, field = section.partition(".")
        if config[part][field] < minimum:
            raise UserError(f"{section}={config[part][field]}: has to be at least {minimum}")

    source = build("nas_jax.data", config["data"])
    dataset = load(source)
    for section, part in (("recipe", recipe), ("finalists.recipe", final_recipe)):
        if part.batch_size > len(dataset.train.labels):
            raise UserError(
                f"{section}.batch_size={part.batch_size}: there are only {len(dataset.train.labels)} training "
                "images; lower it, or raise data.num_train"
            )
    space = build("nas_jax.spaces", config["space"], image_shape=dataset.image_shape, num_classes=dataset.num_classes)
    return Parts(
        dataset=dataset,
        space=space,
        strategy=build("nas_jax.strategies", config["strategy"], space=space),
        surrogate=surrogate,
        objective=objective,
        search_evaluator=build("nas_jax.evaluators", config["evaluator"], space=space, source=source, recipe=recipe),
        final_evaluator=build(
            "nas_jax.evaluators",
            config["evaluator"],
            space=space,
            source=source,
            recipe=final_recipe,
            checkpoint_dir=checkpoint_dir,
        ),
        final_recipe=final_recipe,
    )
