"""Real training through the evaluator's stream."""

import pickle
from dataclasses import dataclass, replace

import numpy as np
import pytest
from elsewhere.shades import Shades
from made_runs import trial_of

from nas_jax.constraints import Constraint
from nas_jax.data.arrays import Dataset
from nas_jax.data.synthetic import Synthetic
from nas_jax.errors import UserError
from nas_jax.evaluators.base import Evaluator, Progress
from nas_jax.evaluators.training import Training, seeds_of
from nas_jax.executors.in_process import InProcess
from nas_jax.objectives import Objectives
from nas_jax.spaces.chain import Chain
from nas_jax.tasks.base import load_problem
from nas_jax.tasks.classification import Classification
from nas_jax.train import fit
from nas_jax.train.checkpoint import load_variables, read_dtype
from nas_jax.train.evaluation import measure
from nas_jax.train.recipe import Recipe
from nas_jax.train.step import make_forward
from nas_jax.trial import Budget

TASK = Classification()
SPACE = Chain((8, 8, 1), 4, conv_filters=(4,), fc_units=(8,), max_feature_layers=2)
RECIPE = Recipe(num_epochs=2, batch_size=32, learning_rate=0.05)


def trials(num):
    genomes = SPACE.sample(np.random.default_rng(0), num)
    return [trial_of(SPACE, id, genome) for id, genome in enumerate(genomes)]


def test_requests_are_pulled_one_at_a_time_and_come_back_measured(tmp_path):
    training = Training(SPACE, Synthetic(), TASK, RECIPE, checkpoint_dir=tmp_path)
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
        assert "params" in load_variables(tmp_path / str(trial.id) / str(trial.seed))
        assert read_dtype(tmp_path / str(trial.id)) == "float32"


def test_a_diverging_network_is_a_failed_trial_with_its_reason():
    training = Training(SPACE, Synthetic(), TASK, Recipe(num_epochs=2, batch_size=32, learning_rate=1e30))
    (failed,) = training.evaluate(iter(trials(1)))
    assert failed.status == "failed"
    assert failed.metrics is None
    assert "NonFiniteLossError: train_loss is" in failed.error


def test_the_measure_travels_to_other_processes():
    training = Training(SPACE, Synthetic(), TASK, RECIPE)
    assert pickle.loads(pickle.dumps(training)) == training


def test_test_metrics_are_not_measured():
    (trial,) = Training(SPACE, Synthetic(), TASK, RECIPE).evaluate(iter(trials(1)))
    assert not [name for name in trial.metrics if name.startswith("test")]


@pytest.mark.parametrize("names", [["val_accuracy"], ["throughput"], ["size_bytes"], ["peak_memory_bytes", "flops"]])
def test_a_trial_has_the_metrics_that_it_is_said_to_have(names):
    training = Training(SPACE, Synthetic(), TASK, RECIPE, objectives=Objectives.of(names))
    (trial,) = training.evaluate(iter(trials(1)))
    assert set(training.measured_names) == set(training.metric_names) & set(trial.metrics)


def test_a_network_that_is_too_large_is_compiled_as_it_will_run_and_not_for_a_training(monkeypatch):
    objectives = Objectives.of(
        "val_accuracy", [Constraint("size_bytes", at_most=1), Constraint("latency_ms", at_most=1)]
    )

    def refuse(*arguments):
        raise AssertionError("nothing has to be compiled for a training")

    monkeypatch.setattr(fit, "prepare", refuse)
    (trial,) = Training(SPACE, Synthetic(), TASK, RECIPE, objectives=objectives).evaluate(iter(trials(1)))
    assert trial.metrics["is_infeasible"] is True
    assert "val_accuracy" not in trial.metrics
    assert trial.seconds["compile"] > trial.seconds["train"] == 0


def test_a_network_that_is_too_slow_is_not_trained():
    objectives = Objectives.of("val_accuracy", [Constraint("latency_ms", at_most=1e-6)])
    (trial,) = Training(SPACE, Synthetic(), TASK, RECIPE, objectives=objectives).evaluate(iter(trials(1)))
    assert trial.metrics["is_infeasible"] is True
    assert trial.metrics["latency_ms"] > 0
    assert "val_accuracy" not in trial.metrics
    assert trial.seconds["compile"] > trial.seconds["train"] == 0


def test_several_seeds_give_the_mean_its_error_and_all_checkpoints(tmp_path):
    (trial,) = trials(1)
    several = Training(SPACE, Synthetic(), TASK, RECIPE, checkpoint_dir=tmp_path, num_seeds=3).measure(trial)
    seeds = several.metrics["seeds"]
    assert seeds[0] == trial.seed
    assert len(set(seeds)) == 3
    single = [Training(SPACE, Synthetic(), TASK, RECIPE).measure(replace(trial, seed=seed)) for seed in seeds]
    for name in ("val_accuracy", "val_loss", "train_loss"):
        values = [measurement.metrics[name] for measurement in single]
        assert several.metrics[f"{name}_per_seed"] == values
        assert several.metrics[name] == pytest.approx(sum(values) / 3)
        error = (sum((value - sum(values) / 3) ** 2 for value in values) / 2 / 3) ** 0.5
        assert several.metrics[f"{name}_std_error"] == pytest.approx(error)
        assert several.metrics["curve"][name][-1] == pytest.approx(several.metrics[name])
    assert several.metrics["val_accuracy_std_error"] > 0
    assert several.metrics["num_params"] == single[0].metrics["num_params"]
    network = SPACE.network(trial.genome, RECIPE.dtype)
    kept = [load_variables(tmp_path / str(trial.id) / str(seed)) for seed in seeds]
    problem = load_problem(TASK, Synthetic())
    again = measure(make_forward(network, problem, RECIPE), kept, problem, "val")
    assert [each.metrics["val_accuracy"] for each in again] == several.metrics["val_accuracy_per_seed"]


@pytest.mark.parametrize("settings", [{}, {"num_seeds": 2}])
def test_each_epoch_is_reported_with_the_means_over_the_seeds(settings):
    reports = []
    (trial,) = Training(SPACE, Synthetic(), TASK, RECIPE, **settings).evaluate(iter(trials(1)), reports.append)
    curve = trial.metrics["curve"]
    assert set(curve) == {"train_loss", "val_loss", "val_accuracy"}
    assert reports == [Progress(0, i + 1, {name: curve[name][i] for name in curve}) for i in range(2)]


@pytest.mark.parametrize("compile_ahead", [0, 1])
@pytest.mark.parametrize("epochs", [0, 3])
def test_a_budget_that_the_recipe_does_not_have_is_refused(epochs, compile_ahead):
    training = InProcess(Training(SPACE, Synthetic(), TASK, RECIPE), compile_ahead)
    with pytest.raises(UserError, match=f"trial 0 asks for a budget of {epochs} epochs, and the recipe has 1 to 2"):
        list(training.evaluate(iter([replace(trials(1)[0], budget=Budget(epochs))])))


@pytest.mark.parametrize("compilation", ["layers", "network"])
def test_what_is_asked_of_a_class_is_measured_beside(compilation, tmp_path):
    problem = load_problem(TASK, Synthetic())
    name = problem.dataset.class_names[1]
    objectives = Objectives.of((f"val_accuracy_of_{name}", "val_accuracy"))
    recipe = replace(RECIPE, compilation=compilation)
    training = Training(SPACE, Synthetic(), TASK, recipe, checkpoint_dir=tmp_path, objectives=objectives)
    assert set(objectives.metrics) <= set(training.metric_names)
    (trial,) = training.evaluate(iter(trials(1)))
    of_classes = [name for name in trial.metrics if "_of_" in name]
    assert of_classes == [f"val_accuracy_of_{name}"]
    assert len(trial.metrics["curve"][f"val_accuracy_of_{name}"]) == 2
    network = SPACE.network(trial.genome, RECIPE.dtype)
    variables = load_variables(tmp_path / str(trial.id) / str(trial.seed))
    (measured,) = measure(make_forward(network, problem, recipe), [variables], problem, "val")
    is_of_class = problem.dataset.val["label"] == 1
    assert trial.metrics[f"val_accuracy_of_{name}"] == pytest.approx(measured.scores[is_of_class].mean())


def test_a_class_without_validation_examples_has_no_metric():
    objectives = Objectives.of("val_accuracy_of_d")
    training = Training(SPACE, FewClasses(), TASK, RECIPE, objectives=objectives)
    with pytest.raises(UserError, match="val_accuracy_of_d: the class does not occur among the 40 validation examples"):
        list(training.evaluate(iter(trials(1))))


@dataclass(frozen=True)
class FewClasses:
    """Four classes, of which validation has three."""

    def load(self):
        rng = np.random.default_rng(0)
        labels = np.arange(80, dtype=np.int32) % 4
        images = rng.integers(0, 255, (80, 8, 8, 1), np.uint8)
        kept = np.flatnonzero(labels < 3)[:40]
        part = {"image": images, "label": labels}
        val = {"image": images[kept], "label": labels[kept]}
        return Dataset("few", part, val, part, class_names=("a", "b", "c", "d"))


def test_data_of_another_task_ends_the_search():
    """One network would fail as the other."""
    training = Training(SPACE, Shades(), TASK, RECIPE)
    with pytest.raises(
        UserError, match="the task Classification and the data set 'shades': there must be an array 'label'"
    ):
        list(training.evaluate(iter(trials(2))))


def test_seeds_follow_from_that_of_the_trial():
    first, second = trials(2)
    assert seeds_of(first, 1) == [first.seed]
    assert seeds_of(first, 4)[:3] == seeds_of(first, 3)
    assert not {*seeds_of(first, 4)} & {*seeds_of(second, 4)}


def test_devices_that_are_not_there_end_the_search():
    recipe = replace(RECIPE, parallel="jit", num_devices=1000)
    for compile_ahead in (0, 1):
        with pytest.raises(UserError, match="num_devices=1000 of the recipe"):
            list(InProcess(Training(SPACE, Synthetic(), TASK, recipe), compile_ahead).evaluate(iter(trials(1))))


def test_no_seeds_are_refused():
    with pytest.raises(ValueError, match="num_seeds=0: has to be at least 1"):
        Training(SPACE, Synthetic(), TASK, RECIPE, num_seeds=0)
