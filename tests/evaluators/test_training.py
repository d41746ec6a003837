"""Real training through the evaluator's stream."""

import pickle

import numpy as np

from nas_jax.data.synthetic import Synthetic
from nas_jax.evaluators.base import Evaluator
from nas_jax.evaluators.training import Training
from nas_jax.search import new_trial
from nas_jax.spaces.chain import Chain
from nas_jax.train.checkpoint import load_variables
from nas_jax.train.recipe import Recipe

SPACE = Chain((8, 8, 1), 4, conv_filters=(4,), fc_units=(8,), max_feature_layers=2)
RECIPE = Recipe(num_epochs=2, batch_size=32, learning_rate=0.05)


def trials(num):
    genomes = SPACE.sample(np.random.default_rng(0), num)
    return [new_trial(SPACE, id, genome, "search", 0) for id, genome in enumerate(genomes)]


def test_requests_are_pulled_one_at_a_time_and_come_back_measured(tmp_path):
    training = Training(SPACE, Synthetic(), RECIPE, checkpoint_dir=tmp_path)
    assert isinstance(training, Evaluator)
    pulled, done = [], []

    def requests():
        for trial in trials(2):
            pulled.append(trial.id)
            yield trial

    for trial in training.evaluate(requests()):
        done.append(trial)
        assert pulled == [trial.id for trial in done]
    for trial in done:
        assert trial.status == "finished"
        assert trial.metrics["num_params"] == SPACE.cost(trial.genome).num_params
        assert 0 <= trial.metrics["val_accuracy"] <= 1
        assert "params" in load_variables(tmp_path / str(trial.id))


def test_a_diverging_network_is_a_failed_trial_with_its_reason():
    training = Training(SPACE, Synthetic(), Recipe(num_epochs=2, batch_size=32, learning_rate=1e30))
    (failed,) = training.evaluate(iter(trials(1)))
    assert failed.status == "failed"
    assert failed.metrics is None
    assert "NonFiniteLossError: train_loss is" in failed.error


def test_the_measure_travels_to_other_processes():
    training = Training(SPACE, Synthetic(), RECIPE)
    assert pickle.loads(pickle.dumps(training)) == training


def test_test_metrics_are_not_measured():
    (trial,) = Training(SPACE, Synthetic(), RECIPE).evaluate(iter(trials(1)))
    assert not [name for name in trial.metrics if name.startswith("test")]
