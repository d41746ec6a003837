"""Exported networks without their training, for tests of what can be done with them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from made_runs import trial_of

from nas_jax.build import build
from nas_jax.data.arrays import load
from nas_jax.data.digits import Digits
from nas_jax.report.card import write_card
from nas_jax.search.export import Trained, export_network
from nas_jax.tasks.base import Problem, space_fields
from nas_jax.tasks.classification import Classification
from nas_jax.train.checkpoint import save_dtype, save_variables
from nas_jax.train.recipe import Recipe
from nas_jax.train.variables import initialize
from nas_jax.workdir import claim_workdir

SECTION = {"name": "chain", "conv_filters": (4, 8), "fc_units": (16,), "max_feature_layers": 3}
TASK = {"name": "classification"}
GENOME = ("conv5x5-4", "max", "conv3x3-8", "fc-16")


def random_variables(network, image_shape, seed=0):
    """Variables of which none is still what it starts with, zero or one, as after a training."""
    rng = np.random.default_rng(seed)
    variables = initialize(network, image_shape, seed)
    return jax.tree.map(lambda leaf: jnp.asarray(leaf + rng.normal(0, 0.1, leaf.shape), jnp.float32), variables)


def export_untrained(workdir, class_names=None, description=None, name="digits", recipe=None, **metrics):
    """Leaves in `workdir` what a run leaves of its winner, with its card; returns the data set.

    `metrics` are further ones of the winner, such as the seeds that it was trained with.
    """
    dataset = load(Digits())
    dataset = dataclasses.replace(dataset, name=name, class_names=class_names or dataset.class_names)
    problem = Problem(Classification(), dataset)
    image_shape = dataset.spec.image_shape
    space = build("nas_jax.spaces", SECTION, **space_fields(problem.task, dataset.spec))
    recipe = recipe or Recipe(num_epochs=1, warmup_epochs=0.0)
    trial = trial_of(space, 3, GENOME, "final")
    trial = dataclasses.replace(trial, metrics={"val_accuracy": 0.5, **space.cost(GENOME)._asdict(), **metrics})
    trial = dataclasses.replace(trial, description=description or trial.description)
    network = space.network(GENOME, recipe.dtype)
    save_dtype(workdir / "finalists" / "3", np.dtype("bfloat16"))
    for seed in metrics.get("seeds", [trial.seed]):
        path = workdir / "finalists" / "3" / str(seed)
        save_variables(path, random_variables(network, image_shape, seed))
    config = {
        "seed": 0,
        "data": {"name": name},
        "space": SECTION,
        "task": TASK,
        "objective": {"metric": "val_accuracy"},
        "strategy": {"name": "random_search"},
        "surrogate": {"name": "gaussian_process"},
        "finalists": {"num_candidates": 1000},
    }
    claim_workdir(workdir, config)
    trained = Trained(space, problem, recipe, workdir / "finalists", SECTION, TASK)
    export_network(workdir / "best", trained, trial, {})
    write_card(workdir, problem.task)
    return dataset
