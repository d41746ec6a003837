"""Trainings that stop and go on: in the end what one without a break gives, bit for bit."""

import errno
import multiprocessing
import os
import pickle
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace

import jax
import numpy as np
import pytest
from made_runs import trial_of

from nas_jax.budgets import Budgets, budgets_of
from nas_jax.data.synthetic import Synthetic
from nas_jax.evaluators.base import attempt
from nas_jax.evaluators.training import Training
from nas_jax.executors.in_process import InProcess
from nas_jax.spaces.chain import Chain
from nas_jax.tasks.classification import Classification
from nas_jax.train.checkpoint import load_variables
from nas_jax.train.recipe import Recipe
from nas_jax.trial import Budget

pytestmark = pytest.mark.usefixtures("compiled_once")

SPACE = Chain((8, 8, 1), 4, conv_filters=(4,), fc_units=(8,), max_feature_layers=2)
GENOME = ("conv3x3-4", "max", "fc-8")
# 44 images are two batches of 16 and one of 12.
SOURCE = Synthetic(num_train=44, num_val=20, num_test=10, pad=1)
RECIPE = Recipe(num_epochs=4, batch_size=16, learning_rate=0.05, drop_last=False)
CONSTANT = replace(RECIPE, schedule="constant", cooldown=0.5)


@pytest.fixture
def states(tmp_path):
    (tmp_path / "states").mkdir()
    return tmp_path / "states"


def training(tmp_path, recipe=RECIPE, **settings):
    folders = {"checkpoint_dir": tmp_path / "finalists", "state_dir": tmp_path / "states"}
    return Training(SPACE, SOURCE, Classification(), recipe, **folders, **settings)


def trial(id, epochs=None, continues=None):
    """The trials of one training have one seed."""
    budget = None if epochs is None else Budget(epochs)
    return replace(trial_of(SPACE, id, GENOME), seed=7, budget=budget, continues=continues)


def chain(*stops):
    """The first trial of a training, and those that continue it one after the other."""
    return [trial(id, stop, id - 1 if id else None) for id, stop in enumerate(stops)]


def measured(evaluator, *trials):
    """What the last of the trials has come to, and all that was reported."""
    reports = []
    for each in trials:
        ended = attempt(evaluator.measure, each, reports.append)
        assert ended.status == "finished", ended.error
    return ended, reports


@dataclass(frozen=True)
class Numpys(Classification):
    """Its metrics are NumPy's numbers, as a quotient of sums is."""

    def metrics(self, sums, num):
        return {name: np.float32(value) for name, value in super().metrics(sums, num).items()}


def test_a_task_may_give_numbers_of_numpy_where_trainings_stop(tmp_path, states):
    evaluator = replace(training(tmp_path), task=Numpys())
    ended, _ = measured(evaluator, *chain(2, 4))
    assert {type(value) for values in ended.metrics["curve"].values() for value in values} == {float}


def assert_same(tmp_path, first, second):
    """The metrics of two trials and what they have learned."""
    assert first.metrics == second.metrics
    folders = [tmp_path / "finalists" / str(each.id) for each in (first, second)]
    names = [sorted(path.name for path in folder.iterdir()) for folder in folders]
    assert names[0] == names[1]
    seeds = [name for name in names[0] if name.isdecimal()]
    assert seeds
    for name in seeds:
        one, other = (load_variables(folder / name) for folder in folders)
        assert jax.tree.all(jax.tree.map(np.array_equal, one, other))


@pytest.mark.parametrize("recipe", [RECIPE, CONSTANT], ids=lambda recipe: recipe.schedule)
@pytest.mark.parametrize("compilation", ["network", "layers"])
def test_a_training_in_parts_is_that_without_a_break(tmp_path, states, compilation, recipe):
    evaluator = training(tmp_path, replace(recipe, compilation=compilation))
    unbroken, all_reports = measured(replace(evaluator, state_dir=None), trial(10))
    last, reports = measured(evaluator, *chain(1, 2, None))
    assert_same(tmp_path, last, unbroken)
    assert len(last.metrics["curve"]["val_accuracy"]) == 4
    # By the schedule "constant" half of each part is a branch, from which none goes on.
    own = [[1], [2], [3, 4]] if recipe is RECIPE else [[1], [1, 2], [2, 3, 4]]
    assert [each.num_epochs for each in reports] == [epoch for part in own for epoch in part]
    assert reports[-len(own[-1]) :] == [each._replace(trial=2) for each in all_reports[-len(own[-1]) :]]
    assert all(each.note is None for each in reports)


@pytest.mark.parametrize("recipe", [RECIPE, CONSTANT], ids=lambda recipe: recipe.schedule)
def test_what_is_measured_at_a_stop(tmp_path, states, recipe):
    evaluator = training(tmp_path, recipe)
    whole, _ = measured(evaluator, trial(10))
    part, _ = measured(evaluator, trial(0, 2))
    curve, of_whole = part.metrics["curve"], whole.metrics["curve"]
    assert part.metrics["val_loss"] == curve["val_loss"][-1]
    assert {len(values) for values in curve.values()} == {2}
    assert curve["val_loss"][0] == of_whole["val_loss"][0]
    # The second epoch is that of the full training, unless the rate falls in it.
    assert (curve["val_loss"][1] == of_whole["val_loss"][1]) == (recipe is RECIPE)
    assert [path.name for path in (states / "7").iterdir()] == [f"7-{2 if recipe is RECIPE else 1}.state"]


def test_another_process_goes_on(tmp_path, states):
    evaluator = training(tmp_path)
    unbroken, _ = measured(evaluator, trial(10))
    first, second = chain(3, 4)
    measured(evaluator, first)
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        last, reports = pool.submit(measured, pickle.loads(pickle.dumps(evaluator)), second).result()
    assert_same(tmp_path, last, unbroken)
    assert [each.num_epochs for each in reports] == [4]


@pytest.mark.parametrize("compile_ahead", [0, 1])
def test_several_seeds_go_on_each_from_its_own_state(tmp_path, states, compile_ahead):
    evaluator = training(tmp_path, num_seeds=2)
    unbroken, _ = measured(evaluator, trial(10))
    for each in chain(2, 4):  # a trial is continued when it has ended
        (last,) = InProcess(evaluator, compile_ahead).evaluate(iter([each]))
    assert_same(tmp_path, last, unbroken)
    assert len(list((states / "7").iterdir())) == 2


@pytest.mark.parametrize("what", ["missing", "damaged", "of another network", "nowhere"])
def test_without_its_state_a_training_begins_again_and_says_so(tmp_path, states, what):
    evaluator = training(tmp_path)
    unbroken, all_reports = measured(evaluator, trial(10))
    first, second = chain(2, None)
    measured(evaluator, replace(first, genome=("fc-8",)) if what == "of another network" else first)
    path = states / "7" / "7-2.state"
    if what == "missing":
        path.unlink()
    if what == "damaged":
        path.write_bytes(path.read_bytes()[:-5])
    if what == "nowhere":
        evaluator = replace(evaluator, state_dir=tmp_path / "elsewhere")
    last, reports = measured(evaluator, second)
    assert_same(tmp_path, last, unbroken)
    *epochs, note = reports
    assert epochs == [each._replace(trial=1) for each in all_reports]
    assert note.note == "trial 1 found no state of trial 0, and was trained from the first epoch"
    assert not (tmp_path / "elsewhere").exists()


def test_a_full_disk_costs_the_rung_and_no_more(tmp_path, states, monkeypatch):
    def fsync(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    evaluator = training(tmp_path)
    unbroken, _ = measured(evaluator, trial(10))
    first, second, third = chain(1, 3, 4)
    measured(evaluator, first)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        ended, reports = measured(replace(evaluator, checkpoint_dir=None), second)
    assert ended.status == "finished"
    assert reports[-1].note == (
        "the state of trial 1 could not be kept (No space left on device): what continues it trains that part again"
    )
    last, reports = measured(evaluator, third)
    assert_same(tmp_path, last, unbroken)
    assert [each.num_epochs for each in reports] == [2, 3, 4]


@pytest.mark.parametrize(
    ("warmup_epochs", "budgets"), [(0.0, (1, 2, 3, 4)), (0.5, (1, 2, 3, 4)), (1.0, (2, 3, 4)), (3.5, (4,))]
)
def test_every_number_of_epochs_that_comes_out_of_the_warm_up_is_a_budget(tmp_path, warmup_epochs, budgets):
    recipe = replace(RECIPE, warmup_epochs=warmup_epochs)
    assert budgets_of(training(tmp_path, recipe)) == Budgets(budgets)
