"""A complete config: every field of every part, other parts by name, and what goes with the part that was replaced."""

import dataclasses
import importlib
import pkgutil
from pathlib import Path

import pytest
from absl import flags
from ml_collections import ConfigDict
from run_configs import PATHS, load_config

from nas_jax.build import find
from nas_jax.config import PARTS, SETTINGS, STAGES, complete, listed
from nas_jax.config_flag import ConfigFlag
from nas_jax.errors import UserError

QUICKSTART = Path(__file__).parents[1] / "configs" / "quickstart.py"


def completed(variant="full", path=QUICKSTART, **named):
    return complete(load_config(path, variant), named)


def names_of(package):
    names = [module.name for module in pkgutil.iter_modules(importlib.import_module(package).__path__)]
    return [name for name in names if hasattr(importlib.import_module(f"{package}.{name}"), "make")]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_every_field_of_every_part_is_there_for_a_flag(path):
    config = completed(path=path)
    for section, (package, provided) in PARTS.items():
        if config.get(section):
            fields = {
                field.name for field in dataclasses.fields(find(package, config[section].to_dict())) if field.init
            }
            assert fields - provided <= set(config[section].keys()), section
    for section, make in SETTINGS.items():
        if section in config:
            assert {field.name for field in dataclasses.fields(make)} <= set(config[section].keys())
    assert config.stages == STAGES
    assert config.is_locked


@pytest.mark.parametrize("section", ["strategy", "surrogate", "execution"])
def test_any_part_takes_the_place_of_another_with_its_own_defaults(section):
    package, provided = PARTS[section]
    for name in names_of(package):
        config = completed(**{section: name})
        assert config[section].name == name
        own = {field.name for field in dataclasses.fields(find(package, {"name": name})) if field.init} - provided
        assert set(config[section].keys()) == {"name", *own}


def test_the_same_part_keeps_what_the_config_says_of_it():
    assert completed("smoke", strategy="bayesopt").strategy.num_initial == 3
    assert completed("smoke", strategy="evolution").strategy.population_size == 20
    assert completed(surrogate="gaussian_process").surrogate.hyperparameters == "drawn"
    assert "hyperparameters" not in completed(surrogate="svm").surrogate


def test_the_reference_goes_with_its_space():
    assert completed().finalists.reference
    assert completed(space="nb201").finalists.reference is None


def test_data_and_recipe_go_with_the_evaluator_that_needs_them():
    config = completed(evaluator="tabular")
    assert not {"data", "recipe", "task", "execution"} & set(config.keys())
    assert "num_seeds" not in config.finalists.evaluator
    assert set(config.finalists.evaluator.keys()) >= {"path", "metrics", "key"}


def test_the_objective_is_the_first_metric_of_the_task():
    assert (completed().objective.metric, completed().objective.maximize) == ("val_accuracy", True)
    config = completed(task="elsewhere.regression")
    assert (config.objective.metric, config.objective.maximize) == ("val_rmse", False)


def test_a_part_that_there_is_not_is_named_with_the_choices():
    with pytest.raises(UserError, match=r"no part 'nas_jax\.strategies\.luck'; there are asha, bayesopt, evolution"):
        completed(strategy="luck")


def test_a_config_that_is_none_is_refused_in_one_line(tmp_path):
    path = tmp_path / "plain.py"
    path.write_text("def get_config():\n    return {'seed': 0}\n")
    values = flags.FlagValues()
    flag = ConfigFlag(values)
    with pytest.raises(UserError, match="has to return a ConfigDict of ml_collections"):
        values(["command", *flag.take_parts([f"--config={path}"])])


def parse(*arguments, path=QUICKSTART):
    """What a command would have as its config."""
    values = flags.FlagValues()
    flag = ConfigFlag(values)
    values(["command", *flag.take_parts([f"--config={path}:smoke", *arguments])])
    return flag.value


@pytest.mark.parametrize(
    "arguments",
    [
        ["--config.surrogate=random_forest", "--config.surrogate.num_trees=7"],
        ["--config.surrogate.num_trees=7", "--config.surrogate=random_forest"],
        ["--config.surrogate.name=random_forest", "--config.surrogate.num_trees", "7"],
        ["--config.surrogate", "random_forest", "-config.surrogate.num_trees=7"],
    ],
)
def test_flags_name_a_part_and_set_its_fields_in_any_order(arguments):
    config = parse(*arguments)
    assert (config.surrogate.name, config.surrogate.num_trees) == ("random_forest", 7)


@pytest.mark.parametrize(
    ("flag", "section", "field", "value"),
    [
        ("--config.strategy.beta=9", "strategy", "beta", 9.0),
        ("--config.search.batch_size=3", "search", "batch_size", 3),
        ("--config.surrogate.kernel=rbf", "surrogate", "kernel", "rbf"),
        ("--config.space.conv_sizes=(3,)", "space", "conv_sizes", (3,)),
        ("--config.data.num_train=500", "data", "num_train", 500),
        ("--config.recipe.num_devices=2", "recipe", "num_devices", 2),
        ("--config.task.label_smoothing=0.1", "task", "label_smoothing", 0.1),
        ("--config.data.flip=true", "data", "flip", True),
        ("--config.targets=scores", None, "targets", "scores"),
    ],
)
def test_a_flag_sets_a_field_that_the_config_does_not_name(flag, section, field, value):
    config = parse(flag)
    assert (config[section] if section else config)[field] == value


def test_a_flag_may_leave_a_field_empty():
    config = parse("--config.search.num_trials=None", "--config.search.max_cost=3", "--config.data.num_train=None")
    assert config.data.num_train is None
    assert config.search.num_trials is None
    assert config.search.max_cost == 3.0
    assert parse("--config.targets=None").targets == "None"
    assert parse("--config.search.max_cost=None", "--config.search.max_cost=2").search.max_cost == 2.0
    with pytest.raises(UserError, match="no such field: 'num_trails'"):
        parse("--config.search.num_trails=None")


@pytest.mark.parametrize("stages", [5, (5,), None])
def test_what_are_no_names_is_refused_in_one_line(stages):
    with pytest.raises(UserError, match="stages: names with commas between them are wanted, not"):
        listed(stages, "stages")


def test_finalists_have_what_differs_from_the_search():
    config = parse("--config.finalists.recipe.weight_decay=0.1", "--config.finalists.evaluator.num_seeds=4")
    assert config.finalists.recipe.weight_decay == 0.1
    assert config.finalists.recipe.batch_size is None
    assert config.finalists.evaluator.num_seeds == 4


def test_a_config_of_ones_own_needs_no_more_than_what_differs():
    config = complete(ConfigDict({"data": {"name": "digits"}, "space": {"name": "chain"}, "recipe": {"num_epochs": 1}}))
    assert (config.strategy.name, config.evaluator.name, config.execution.name) == (
        "bayesopt",
        "training",
        "in_process",
    )
    assert config.seed == 0


BENCHMARKS = {"benchmark_table": "accuracy", "benchmark_curves": "val_loss"}


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_flag_may_give_the_metrics_of_a_table_as_a_mapping(name):
    config = parse('--config.evaluator.metrics={"test_loss": "test_loss_8"}', path=QUICKSTART.parent / f"{name}.py")
    assert config.evaluator.metrics == {"test_loss": "test_loss_8"}
    assert config.objective.metric == BENCHMARKS[name]


def test_the_target_of_a_flag_is_the_metric_of_all_sections():
    config = parse("--config.target=loss", "--config.exclude=time", path=QUICKSTART.parent / "benchmark_table.py")
    assert (config.evaluator.metrics, config.objective.metric, config.space.exclude) == ("loss", "loss", "loss,time")


TWO = """--config.objectives=[{"metric": "accuracy"}, {"metric": "latency", "maximize": False}]"""


@pytest.mark.parametrize(
    ("flags", "error"),
    [
        (["--config.target=acuracy"], "--config.target: 'acuracy' is neither in objectives nor in constraints"),
        (["--config.objective.metric=loss"], r"\(accuracy, latency\); leave the flag out, or name it there"),
        (["--config.objective.maximize=False"], "--config.objective.maximize: objectives count here; leave the flag"),
        (["--noconfig.objective.maximize"], "--config.objective.maximize: objectives count here; leave the flag"),
    ],
)
def test_no_flag_is_for_one_objective_where_others_count(flags, error):
    path = QUICKSTART.parent / "benchmark_table.py"
    with pytest.raises(UserError, match=error):
        parse(TWO, *flags, path=path)
    parse(*flags, path=path)  # alone it counts


def test_objectives_may_stand_beside_a_section_that_is_none(tmp_path):
    path = tmp_path / "own.py"
    sections = {"data": {"name": "digits"}, "space": {"name": "chain"}, "recipe": {"num_epochs": 1}, "features": None}
    path.write_text(
        f"import ml_collections\n\n\ndef get_config(_):\n    return ml_collections.ConfigDict({sections!r})\n"
    )
    config = parse(TWO, path=path)
    assert config.features is None
    assert isinstance(dict(config.items(preserve_field_references=True))["space"], ConfigDict)  # as it was


def test_a_flag_may_name_one_of_the_objectives_or_constraints_once_more():
    path = QUICKSTART.parent / "benchmark_table.py"
    assert parse(TWO, "--config.target=latency", path=path).objective.metric == "latency"
    limit = """--config.constraints=[{"metric": "params", "at_most": 9}]"""
    assert parse(TWO, limit, "--config.target=params", path=path).objective.metric == "params"
