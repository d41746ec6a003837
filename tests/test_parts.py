"""A whole config: which sections belong together, and how finalists can be evaluated in another way."""

from pathlib import Path

import pytest
from run_configs import load_config
from written_tables import table_of

from nas_jax.config import complete
from nas_jax.errors import UserError
from nas_jax.parts import build_parts

CONFIGS = Path(__file__).parents[1] / "configs"


@pytest.fixture
def on_table():
    sections = complete(load_config(CONFIGS / "benchmark_nb201.py", "smoke")).to_dict()
    sections["evaluator"]["path"] = table_of("benchmark_nb201")
    return sections


@pytest.fixture
def trained():
    return complete(load_config(CONFIGS / "quickstart.py", "smoke")).to_dict()


@pytest.mark.parametrize("nothing", [{}, {"data": None, "recipe": None}])
def test_a_run_on_a_table_has_no_data_set(on_table, tmp_path, nothing):
    parts = build_parts(on_table | nothing, tmp_path)
    assert parts.problem is None
    assert parts.finals.recipe is None
    assert parts.finals.evaluator == parts.search.evaluator


def test_finalists_can_be_looked_up_in_other_columns(on_table, tmp_path):
    on_table["finalists"]["evaluator"] = {"metrics": {"val_accuracy": "test_accuracy_200"}, "num_workers": 4}
    parts = build_parts(on_table, tmp_path)
    search, final = parts.search.evaluator, parts.finals.evaluator
    assert dict(search.metrics)["val_accuracy"] == "val_accuracy_200"
    assert final.metrics == (("val_accuracy", "test_accuracy_200"),)
    assert (search.num_workers, final.num_workers) == (1, 4)
    assert final.key == search.key == "architecture"


def test_a_search_on_a_table_can_have_finalists_that_are_trained(on_table, trained, tmp_path):
    on_table["space"] |= {"image_shape": None, "num_outputs": None}  # of the data set, then
    on_table |= {"data": trained["data"], "recipe": trained["recipe"], "task": trained["task"]}
    on_table["finalists"]["evaluator"] = {"name": "training"}
    parts = build_parts(on_table, tmp_path)
    assert parts.space.image_shape == parts.problem.dataset.spec.image_shape
    assert parts.finals.evaluator.recipe == parts.finals.recipe
    assert parts.finals.evaluator.checkpoint_dir == tmp_path


def test_finalists_have_the_recipe_of_the_search_but_for_what_is_theirs(trained, tmp_path):
    trained["recipe"]["weight_decay"] = 0.25
    parts = build_parts(trained, tmp_path)
    assert parts.finals.recipe.weight_decay == 0.25
    assert parts.finals.recipe.num_epochs == 3
    assert parts.search.evaluator.evaluator.recipe.num_epochs == 2


def test_finalists_that_are_trained_for_less_than_the_search_are_noted(on_table, trained, tmp_path):
    assert build_parts(trained, tmp_path).notes == build_parts(on_table, tmp_path).notes == ()
    num = trained["finalists"]["recipe"]["num_epochs"]
    trained["recipe"]["num_epochs"] = num
    assert build_parts(trained, tmp_path).notes == ()
    trained["recipe"]["num_epochs"] = num + 1
    (note,) = build_parts(trained, tmp_path).notes
    assert f"trained for {num} epochs and trials of the search for up to {num + 1};" in note


def test_both_evaluators_have_to_give_the_objective(on_table, tmp_path):
    on_table["finalists"]["evaluator"] = {"metrics": {"val_loss": "val_accuracy_200"}}
    with pytest.raises(UserError, match="no 'val_accuracy'; choose from val_loss"):
        build_parts(on_table, tmp_path)


def test_of_many_metrics_the_first_ones_are_offered(trained, tmp_path):
    trained["data"] = {"name": "synthetic", "num_classes": 40}
    trained["objective"] = {"metric": "val_accuracy_of_cat"}
    with pytest.raises(
        UserError, match=r"no 'val_accuracy_of_cat'; choose from val_accuracy, .*, num_params, flops and 17 more$"
    ):
        build_parts(trained, tmp_path)


BOTH = ({"metric": "val_accuracy"}, {"metric": "num_params", "maximize": False})


@pytest.mark.parametrize("metric", ["latency_ms", "peak_memory_bytes", "val_accuracy_of_3"])
def test_a_choice_by_what_nobody_asks_for_is_refused_before_the_search(trained, tmp_path, metric):
    trained |= {"objectives": BOTH, "finalists": trained["finalists"] | {"choice": f"at {metric} <= 2"}}
    with pytest.raises(UserError) as refused:
        build_parts(trained, tmp_path)
    assert str(refused.value) == (
        f"finalists.choice: {metric!r} is measured only where it is named: make it one of the objectives, or give the "
        "constraints a limit of it, wide as it may be; without that choose by val_accuracy, val_loss, "
        "num_params, flops"
    )
    asked = {"constraints": ({"metric": metric, "at_least": 0},)}
    assert build_parts(trained | asked, tmp_path).finals.settings.choice == f"at {metric} <= 2"


@pytest.mark.parametrize("section", ["data", "recipe"])
def test_training_needs_both_sections(trained, tmp_path, section):
    trained[section] = None
    with pytest.raises(UserError, match="'training' trains networks, which needs the sections data and recipe"):
        build_parts(trained, tmp_path)


def test_data_that_nothing_is_trained_on_is_refused(on_table, trained, tmp_path):
    with pytest.raises(UserError, match="'tabular' trains nothing: leave out the sections data,"):
        build_parts(on_table | {"data": trained["data"]}, tmp_path)


@pytest.mark.parametrize(("extra", "is_allowed"), [({"target": "x"}, True), ({"recipies": {"num_epochs": 1}}, False)])
def test_fields_beside_the_sections_are_the_configs_own_but_sections_are_not(on_table, tmp_path, extra, is_allowed):
    if is_allowed:
        assert build_parts(on_table | extra, tmp_path)
    else:
        with pytest.raises(UserError, match="see recipies"):
            build_parts(on_table | extra, tmp_path)


@pytest.mark.parametrize("name", ["objective", "search", "finalists.evaluator", "finalists.recipe"])
@pytest.mark.parametrize("value", [0.5, "text", [1]])
def test_what_is_no_section_is_named(on_table, tmp_path, name, value):
    section, _, within = name.partition(".")
    if within:
        on_table[section][within] = value
    else:
        on_table[section] = value
    with pytest.raises(UserError, match=rf"^{name}: has to be a section of the config, but is "):
        build_parts(on_table, tmp_path)


def test_a_missing_section_is_named(on_table, tmp_path):
    del on_table["objective"]
    with pytest.raises(UserError, match="see objective"):
        build_parts(on_table, tmp_path)


def test_the_reference_is_read_as_people_write_it(trained, tmp_path):
    trained["finalists"]["reference"] = "conv5x5-4, fc-16"
    settings = build_parts(trained, tmp_path).finals.settings
    assert settings.reference == ("conv5x5-4", "fc-16")
    trained["finalists"]["reference"] = "conv7x7-4, fc-16"
    with pytest.raises(UserError, match=r"finalists\.reference: 'conv7x7-4, fc-16' is no genome of this space"):
        build_parts(trained, tmp_path)
    del trained["finalists"]["reference"]
    assert build_parts(trained, tmp_path).finals.settings.reference is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"targets": "quantiles"},
            "targets: unknown targets 'quantiles'; choose from ranks, scores, log_errors",
        ),
        (
            {"targets": "log_errors", "objective": {"metric": "val_loss", "maximize": False}},
            "val_loss is no fraction to make large by its name, as val_accuracy is; set --config.targets=ranks",
        ),
        (
            {"surrogate": {"name": "svm", "warp": "log_distance", "upper_bound": 1.01}},
            "upper_bound=1.01 is for scores as they are, and targets=ranks: set --config.targets=scores",
        ),
        (
            {
                "surrogate": {
                    "name": "auto",
                    "choices": [
                        "random_forest",
                        {
                            "name": "calibrated",
                            "surrogate": {"name": "svm", "warp": "log_distance", "upper_bound": 1.01},
                        },
                    ],
                }
            },
            "upper_bound=1.01 is for scores as they are",
        ),
    ],
)
def test_targets_that_do_not_fit_are_refused_before_anything_is_trained(trained, tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        build_parts(trained | changes, tmp_path)


@pytest.mark.parametrize(
    ("config", "space", "message"),
    [
        (
            "text",
            "chain",
            "space 'chain': its networks are image -> vector, and the task TextClassification needs",
        ),
        ("quickstart", "recurrent", "space 'recurrent': its networks are tokens -> vector or tokens -> sequence, and"),
    ],
)
def test_a_space_for_another_kind_of_input_is_refused_in_one_line(config, space, message, tmp_path):
    sections = complete(load_config(CONFIGS / f"{config}.py", "smoke"), {"space": space}).to_dict()
    with pytest.raises(UserError, match=message) as caught:
        build_parts(sections, tmp_path)
    assert "\n" not in str(caught.value)


def test_a_training_of_one_epoch_has_no_budgets_for_a_strategy_that_stops_early(trained, tmp_path):
    trained["recipe"] |= {"num_epochs": 1, "warmup_epochs": 0.25}
    trained["strategy"] = {"name": "asha"}
    with pytest.raises(UserError, match=r"no epoch but the last one is out of the warm-up; raise recipe\.num_epochs"):
        build_parts(trained, tmp_path)


def parts_of_table(folder, columns, **changes):
    """The parts of a search of a table of 16 rows with these columns beside the genes depth and width."""
    rows = [(depth, width) for depth in range(1, 5) for width in (8, 16, 32, 64)]
    lines = [
        ",".join(map(str, (*row, *(value(place) for value in columns.values())))) for place, row in enumerate(rows)
    ]
    (folder / "table.csv").write_text("\n".join([",".join(("depth", "width", *columns)), *lines, ""]))
    config = load_config(CONFIGS / "benchmark_table.py", "smoke")
    config.evaluator.path = str(folder / "table.csv")
    return build_parts(complete(config).to_dict() | changes, folder)


TWO = ({"metric": "val_accuracy"}, {"metric": "latency", "maximize": False})
COLUMNS = {"val_accuracy": lambda row: 0.5 + row / 50, "latency": lambda row: 1 + row / 7}


def test_where_objectives_count_the_table_needs_no_column_of_the_default_target(tmp_path):
    parts = parts_of_table(tmp_path, COLUMNS, objectives=TWO)
    assert parts.space.gene_names == ("depth", "width")
    assert parts.search.evaluator.metric_names == ("val_accuracy", "latency")
    with pytest.raises(UserError, match="has no column 'accuracy'"):
        parts_of_table(tmp_path, COLUMNS | {"latency": lambda row: 1})


def test_the_default_target_is_no_gene_where_the_table_has_it_beside_the_objectives(tmp_path):
    parts = parts_of_table(tmp_path, COLUMNS | {"accuracy": lambda row: row % 2}, objectives=TWO)
    assert parts.space.gene_names == ("depth", "width")


@pytest.mark.parametrize(
    ("columns", "objectives", "refused"),
    [
        ("latency, val_accuracy", TWO[:1], "val_accuracy"),
        ("latency", TWO, "latency"),
        ("latency", TWO[:1], None),  # a constraint of what is known is no secret
    ],
)
def test_what_the_search_measures_is_no_feature(tmp_path, columns, objectives, refused):
    def parts(path):
        features = {"name": "table", "path": path, "columns": columns}
        limits = ({"metric": "latency", "at_most": 3},)
        return parts_of_table(tmp_path, COLUMNS, features=features, objectives=objectives, constraints=limits)

    if refused is None:
        assert parts(str(tmp_path / "table.csv")).learner.space.features.names == ("latency",)
        return
    with pytest.raises(UserError, match=rf"features\.columns: '{refused}' is what the search measures"):
        parts(str(tmp_path / "table.csv"))
    names = ",".join(COLUMNS)
    (tmp_path / "other.csv").write_text(f"depth,width,{names}\n1,8,0.5,2\n")  # of another data set, say
    assert parts(str(tmp_path / "other.csv"))


def test_no_point_of_the_curve_is_a_feature(tmp_path):
    columns = {f"loss_{epoch}": lambda row, epoch=epoch: row / epoch for epoch in (1, 3)} | {"loss_0": float}
    config = {
        "objective": {"metric": "loss", "maximize": False},
        "evaluator": {"name": "tabular", "path": str(tmp_path / "table.csv"), "curve": "loss_{}"},
        "space": {"name": "categorical", "path": str(tmp_path / "table.csv"), "exclude": "loss_{}"},
    }

    def parts(column):
        features = {"name": "table", "path": str(tmp_path / "table.csv"), "columns": column}
        return parts_of_table(tmp_path, columns, **config, features=features)

    with pytest.raises(UserError, match=r"features\.columns: 'loss_1' is what the search measures for 'loss'"):
        parts("loss_1")
    assert parts("loss_0").learner.space.features.names == ("loss_0",)  # before any training


PERCENT = {"val_accuracy": lambda row: 50 + row, "latency": lambda row: 1 + row / 7}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"objectives": TWO, "constraints": ({"metric": "val_accuracy", "at_least": 60},)},
            "constraints: val_accuracy is a fraction here, .* in percent; write 0.6 for 60$",
        ),
        (
            {"objectives": ({"metric": "val_accuracy", "reference": 55.5}, TWO[1])},
            "objectives: val_accuracy is a fraction here, .* in percent; write 0.555 for 55.5$",
        ),
    ],
)
def test_limits_and_references_in_percent_are_refused_where_the_metric_becomes_a_fraction(tmp_path, changes, message):
    with pytest.raises(UserError, match=message):
        parts_of_table(tmp_path, PERCENT, **changes)
    assert parts_of_table(tmp_path, COLUMNS, **changes).objectives.needed == ("val_accuracy", "latency")


def test_limits_that_are_fractions_already_and_those_of_other_metrics_stay(tmp_path):
    limits = ({"metric": "val_accuracy", "at_least": 0.6}, {"metric": "latency", "at_most": 2})
    parts = parts_of_table(tmp_path, PERCENT, objectives=TWO, constraints=limits)
    assert [each.at_least for each in parts.objectives.constraints] == [0.6, None]


def test_a_choice_in_percent_is_refused_where_the_metric_becomes_a_fraction(tmp_path):
    finals = {"num_candidates": 50, "num_finalists": 1}
    fine = parts_of_table(tmp_path, PERCENT, objectives=TWO, finalists=finals | {"choice": "at val_accuracy >= 0.6"})
    assert fine.finals.settings.choice == "at val_accuracy >= 0.6"
    with pytest.raises(UserError, match=r"^finalists\.choice: val_accuracy is a fraction here, .* write 0.6 for 60$"):
        parts_of_table(tmp_path, PERCENT, objectives=TWO, finalists=finals | {"choice": "at val_accuracy >= 60"})


def test_an_objective_that_looks_like_a_gene_is_noted(tmp_path):
    objectives = ({"metric": "val_accuracy"}, {"metric": "width", "maximize": False})
    evaluator = parts_of_table(
        tmp_path, {"val_accuracy": COLUMNS["val_accuracy"]}, objectives=objectives
    ).search.evaluator
    assert evaluator.notes == (
        f"{tmp_path / 'table.csv'}: the metric 'width' is no gene, so rows that differ in it alone are seeds of one "
        "genome, in 4 genomes; if it is a choice, leave it out of objectives and constraints",
    )
