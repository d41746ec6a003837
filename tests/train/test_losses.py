"""Networks and tasks of one's own whose shapes are wrong are refused before they train."""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from nas_jax.data.synthetic import Synthetic
from nas_jax.errors import UserError
from nas_jax.tasks.base import load_problem
from nas_jax.tasks.classification import Classification
from nas_jax.train.fit import prepare
from nas_jax.train.losses import mean_loss
from nas_jax.train.recipe import Recipe

SOURCE = Synthetic(num_train=32, num_val=16, num_test=16)
PROBLEM = load_problem(Classification(), SOURCE)
NUM_CLASSES = PROBLEM.task.num_outputs(PROBLEM.dataset.spec)
BATCH = {name: jnp.asarray(values[:6]) for name, values in PROBLEM.dataset.train.items()}


@dataclass(frozen=True)
class MeanLoss(Classification):
    def loss(self, outputs, batch):
        return super().loss(outputs, batch).mean()


@dataclass(frozen=True)
class OneScore(Classification):
    def scores(self, outputs, batch):
        return jnp.zeros(())


@dataclass(frozen=True)
class NoArray(Classification):
    def loss(self, outputs, batch):
        return 0.0


class TooWide(nn.Module):
    @nn.compact
    def __call__(self, x, train=False):
        return nn.Dense(NUM_CLASSES + 1)(x.reshape(x.shape[0], -1))


def test_it_is_the_mean_of_the_task_s_losses():
    outputs = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    expected = np.log(np.exp(outputs).sum(axis=1)) - outputs[np.arange(6), BATCH["label"]]
    np.testing.assert_allclose(mean_loss(PROBLEM, jnp.asarray(outputs), BATCH), expected.mean(), rtol=1e-5)


@pytest.mark.parametrize(
    ("task", "num_outputs", "message"),
    [
        (
            Classification(),
            5,
            r"the network's outputs are \[6, 5\] for a batch of 6 examples, where \[6, 4\] is wanted",
        ),
        (MeanLoss(), 4, r"MeanLoss\.loss gives \[\] for a batch of 6 examples, where \[6\] is wanted"),
        (OneScore(), 4, r"OneScore\.scores gives \[\] for a batch of 6"),
        (NoArray(), 4, r"NoArray\.loss gives no array for a batch of 6"),
    ],
)
def test_wrong_shapes_are_said_with_whose_they_are(as_users_call, task, num_outputs, message):
    with pytest.raises(UserError, match=message):
        mean_loss(replace(PROBLEM, task=task), jnp.zeros((6, num_outputs)), BATCH)


@pytest.mark.parametrize("is_scanned", [True, False])
def test_a_network_with_too_many_outputs_is_not_trained(is_scanned):
    with pytest.raises(UserError, match=r"the network's outputs are \[8, 5\]"):
        prepare(TooWide(), PROBLEM, Recipe(num_epochs=2, batch_size=8), is_scanned=is_scanned)
