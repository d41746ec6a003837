"""The learning rate of each step, and how much of a training that stops early a longer one has in common with it.

By the schedule "cut" a training that stops has simply not come to the end of the cosine. By "constant" each has an end
of its own: a warm-up, a constant rate, and a fall to zero over its last steps (Zhai et al. 2022; Hägele et al. 2024).
What comes before the fall is the same for all lengths: the trunk, from which each end is a branch.
"""

import functools

import jax
import numpy as np
import optax
from jaxtyping import Float

from nas_jax.train.recipe import Recipe

_ROUNDING = 1e-9  # of an epoch


def make_schedule(recipe: Recipe, steps_per_epoch: int) -> optax.Schedule:
    """The learning rate of each step; the cosine is that of Loshchilov & Hutter 2017, without restarts."""
    return optax.warmup_cosine_decay_schedule(
        init_value=0.0 if recipe.warmup_epochs else recipe.learning_rate,
        peak_value=recipe.learning_rate,
        warmup_steps=int(recipe.warmup_epochs * steps_per_epoch),
        decay_steps=recipe.num_epochs * steps_per_epoch,
    )


def learning_rates(
    recipe: Recipe, steps_per_epoch: int, num_epochs: int | None = None
) -> Float[np.ndarray, "epochs steps"]:
    """The schedule as numbers, of a training that stops after `num_epochs`; None for the recipe's, which is in full."""
    stop = recipe.num_epochs if num_epochs is None else num_epochs
    if recipe.schedule == "constant":
        return _constant_rates(recipe, steps_per_epoch, stop)
    return _cosine_rates(recipe, steps_per_epoch)[:stop]


def num_trunk_epochs(recipe: Recipe, num_epochs: int) -> int:
    """How many epochs of a training that stops after `num_epochs` are those of every longer one, too.

    Those in which the rate falls are not. A state is kept between epochs, so one in whose midst the fall begins is
    left out as a whole.
    """
    if recipe.schedule != "constant":
        return num_epochs
    return int(num_epochs * (1 - recipe.cooldown) + _ROUNDING)


@functools.lru_cache(maxsize=8)
def _cosine_rates(recipe: Recipe, steps_per_epoch: int) -> Float[np.ndarray, "epochs steps"]:
    """In full, computed once for all trainings of a process."""
    schedule = make_schedule(recipe, steps_per_epoch)
    steps = np.arange(recipe.num_epochs * steps_per_epoch, dtype=np.int32)
    return np.asarray(jax.jit(jax.vmap(schedule))(steps), np.float32).reshape(recipe.num_epochs, steps_per_epoch)


def _constant_rates(recipe: Recipe, steps_per_epoch: int, num_epochs: int) -> Float[np.ndarray, "epochs steps"]:
    num_steps, num_warmup = num_epochs * steps_per_epoch, int(recipe.warmup_epochs * steps_per_epoch)
    steps = np.arange(num_steps)
    rises = np.minimum(1.0, steps / num_warmup) if num_warmup else np.ones(num_steps)
    falls = np.minimum(1.0, (num_steps - steps) / (recipe.cooldown * num_steps)) if recipe.cooldown else 1.0
    return np.asarray(recipe.learning_rate * rises * falls, np.float32).reshape(num_epochs, steps_per_epoch)
