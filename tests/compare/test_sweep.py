"""Statistics of settings, against numbers worked out by hand and SciPy's other ways to the same."""

import copy
import csv
import json
import math
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from run_files import CONFIG, finished, write

from nas_jax.compare.__main__ import main
from nas_jax.compare.plot import best_so_far
from nas_jax.compare.sweep import Result, band, holm, mean_of, rank_test
from nas_jax.errors import UserError
from nas_jax.objectives import Objective, Objectives

METRIC = "val_accuracy"
OBJECTIVES = Objectives((Objective(),))


def result(seed, *curve, setting=("a",)):
    return Result("runs/x", setting, str(seed), True, {METRIC: np.array(curve)}, {}, 1.0)


def sweep(tmp_path, accuracies, num_trials=3):
    """A finished run for each strategy and seed; the last trial of its search has the accuracy given."""
    workdirs = []
    for strategy, by_seed in accuracies.items():
        for seed, accuracy in by_seed.items():
            config = copy.deepcopy(CONFIG) | {"seed": seed, "strategy": {"name": strategy}}
            config["search"]["num_trials"] = num_trials
            values = [accuracy / 2] * (num_trials - 1) + [accuracy]
            records = [finished(id, [id, 1, 1, 1], value) for id, value in enumerate(values)]
            best = {"trial": 0, "val_accuracy": accuracy + 0.01, "test_accuracy": accuracy - 0.01}
            workdirs.append(str(write(tmp_path / f"{strategy}-{seed}", records, config, best=best)))
    return workdirs


ACCURACIES = {"evolution": {0: 0.50, 1: 0.52, 2: 0.54}, "random_search": {0: 0.40, 1: 0.50, 2: 0.30}}


def test_mean_and_standard_error():
    mean = mean_of([1.0, 2.0, None, 6.0])
    assert (mean.num, mean.mean) == (3, 3.0)
    assert mean.error == pytest.approx(math.sqrt(((1 - 3) ** 2 + (2 - 3) ** 2 + (6 - 3) ** 2) / 2 / 3))
    assert math.isnan(mean_of([1.0]).error)
    assert mean_of([None]).num == 0


def test_pairs_of_seeds_take_the_signed_rank_test():
    """Against the exact distribution: the sums of signed ranks of all 2^n assignments of signs."""
    differences = [0.1, -0.2, 0.3, 0.4, 0.5, 0.6]
    first = [result(seed, difference) for seed, difference in enumerate(differences)]
    second = [result(seed, 0.0) for seed in reversed(range(6))]
    observed = abs(1 - 2 + 3 + 4 + 5 + 6)
    sums = [
        sum(sign * rank for sign, rank in zip(signs, range(1, 7), strict=True)) for signs in product((-1, 1), repeat=6)
    ]
    test = rank_test(first, second, METRIC)
    assert (test.name, test.num) == ("Wilcoxon", 6)
    assert test.p == pytest.approx(np.mean([abs(total) >= observed for total in sums]))


def test_other_seeds_take_the_test_of_two_samples():
    """Against the exact distribution: the rank sums of all ways to choose the first sample."""
    first, second = [0.9, 0.7, 0.8], [0.1, 0.2, 0.75, 0.4]
    test = rank_test(
        [result(i, v) for i, v in enumerate(first)], [result(i + 9, v) for i, v in enumerate(second)], METRIC
    )
    ranks = {value: rank for rank, value in enumerate(sorted(first + second), start=1)}
    expected, observed = 3 * 8 / 2, sum(ranks[value] for value in first)
    sums = [sum(chosen) for chosen in combinations(range(1, 8), 3)]
    extreme = [abs(total - expected) >= abs(observed - expected) for total in sums]
    assert (test.name, test.num) == ("Mann-Whitney", 3)
    assert test.p == pytest.approx(np.mean(extreme))


def test_equal_settings_do_not_differ_and_one_run_says_nothing():
    runs = [result(seed, 0.5) for seed in range(3)]
    assert rank_test(runs, runs, METRIC).p == 1.0
    assert rank_test(runs, runs[:1], METRIC) is None


def test_holms_correction():
    """The example of three tests: 3 x 0.01, 2 x 0.02, and never less than the one before."""
    assert holm([0.02, 0.01, 0.03]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_bands_go_as_far_as_all_runs():
    mean, error = band([np.array([1.0, 2.0, 5.0]), np.array([3.0, 6.0])])
    assert mean.tolist() == [2.0, 4.0]
    assert error.tolist() == [1.0, 2.0]


def test_settings_are_grouped_over_seeds(tmp_path, capsys):
    main(["compare", *sweep(tmp_path, ACCURACIES)])
    settings = capsys.readouterr().out.partition("rank test")[2]
    rows = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in settings.splitlines()[2:]]
    error = 100 * np.std([0.4, 0.5, 0.3], ddof=1) / math.sqrt(3)
    assert rows[0][:5] == ["evolution", "3", "52.00 % ± 1.15 %", "53.00 % ± 1.15 %", "51.00 % ± 1.15 %"]
    assert rows[0][-1] == "the best mean"
    assert rows[1][:3] == ["random_search", "3", f"40.00 % ± {error:.2f} %"]
    assert rows[1][-1] == "p = 0.25 (Wilcoxon, n = 3)"


def test_incomplete_searches_and_other_objectives_have_no_mean(tmp_path, capsys):
    workdirs = sweep(tmp_path, ACCURACIES)
    config = copy.deepcopy(CONFIG) | {"seed": 7, "strategy": {"name": "evolution"}}
    config["search"]["num_trials"] = 3
    half = str(write(tmp_path / "half", [finished(0, [1, 1, 1, 1], 0.99)], config))
    main(["compare", *workdirs, half])
    output = capsys.readouterr().out
    assert "52.00 % ± 1.15 %" in output
    assert "Left out: 1 run whose search is not complete." in output
    config["objective"] = {"metric": "val_loss", "maximize": False}
    main(["compare", *workdirs, str(write(tmp_path / "other", [], config))])
    output = capsys.readouterr().out
    assert "±" not in output
    assert "The runs have different objectives, so there are no means over them." in output
    assert "val_loss, winner" in output


def by_budgets(tmp_path, seed, epochs, *, is_over=True):
    """A run whose cost is limited, of a recipe of three epochs, and that came to so many of them."""
    config = copy.deepcopy(CONFIG) | {"seed": seed, "recipe": {"name": "recipe", "num_epochs": 3}}
    config["search"] = {"max_cost": 2.0, "num_trials": None}
    records = [finished(id, [id, 1, 1, 1], 0.5) | {"budget": {"epochs": 1}} for id in range(2)]
    records.append(finished(2, [0, 1, 1, 1], 0.6) | {"budget": {"epochs": epochs}, "continues": 0})
    for record in records:
        record["metrics"] = record["metrics"] | {"curve": {"val_accuracy": [0.5] * record["budget"]["epochs"]}}
    workdir = write(tmp_path / f"{seed}", records, config)
    rounds = [{"position": 0, "proposals": [{}] * 2}, {"position": 2, "proposals": [{}] * (1 + is_over)}]
    (workdir / "diagnostics.jsonl").write_text("".join(f"{json.dumps(each)}\n" for each in rounds) + '{"posit')
    return str(workdir)


def test_a_search_of_limited_cost_is_complete_once_it_can_afford_no_more(tmp_path, capsys):
    over = [by_budgets(tmp_path, seed, 3) for seed in (0, 1)]
    main(["compare", *over, by_budgets(tmp_path, 2, 3, is_over=False)])
    output = capsys.readouterr().out
    assert output.count("3 trials, search over") == 2
    assert "Left out: 1 run whose search is not complete." in output
    assert [line.split()[0] for line in output.partition("rank test")[2].splitlines()[2:3]] == ["2"]


def test_a_limit_of_the_cost_ends_a_search_before_one_of_trials(tmp_path, capsys):
    workdirs = [by_budgets(tmp_path, seed, 3) for seed in (0, 1)]
    for workdir in workdirs:
        path = Path(workdir) / "config.json"
        path.write_text(path.read_text().replace('"num_trials": null', '"num_trials": 150'))
    main(["compare", *workdirs])
    output = capsys.readouterr().out
    assert output.count("3 of 150 trials, search over") == 2
    assert "Left out" not in output


def test_what_was_measured_in_part_is_averaged_with_nothing(tmp_path, capsys):
    main(["compare", *(by_budgets(tmp_path, seed, epochs) for seed, epochs in enumerate((3, 2, 3)))])
    output = capsys.readouterr().out
    assert output.count("60.00 % (in part)") == 1
    assert "Left out: 1 run with nothing measured in full." in output
    assert [line.split()[0] for line in output.partition("rank test")[2].splitlines()[2:3]] == ["2"]


def test_runs_that_are_all_left_out_have_a_line_that_says_so(tmp_path, capsys):
    main(["compare", *(by_budgets(tmp_path, seed, 2) for seed in (0, 1))])
    output = capsys.readouterr().out
    assert "Left out: 2 runs with nothing measured in full." in output
    assert "rank test" not in output


def test_numbers_of_all_runs_as_csv(tmp_path):
    workdirs = sweep(tmp_path, ACCURACIES)
    main(["compare", *workdirs], csv=str(tmp_path / "runs.csv"))
    with open(tmp_path / "runs.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["workdir"] for row in rows] == workdirs
    assert [float(row["best_val_accuracy"]) for row in rows] == [
        v for by_seed in ACCURACIES.values() for v in by_seed.values()
    ]
    assert float(rows[0]["winner_test_accuracy"]) == ACCURACIES["evolution"][0] - 0.01
    assert rows[0]["strategy.name"] == "evolution"
    assert (rows[0]["seed"], rows[0]["is_complete"], rows[0]["num_trials"]) == ("0", "True", "3")


def test_the_figure_has_a_line_and_a_band_a_setting(tmp_path):
    groups = {("a",): [result(0, 1.0, 2.0), result(1, 3.0, 6.0)], ("b",): [result(0, 0.5, 0.5)]}
    (axes,) = best_so_far(groups, ["strategy.name"], OBJECTIVES).axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [[2.0, 4.0], [0.5, 0.5]]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "strategy.name=a (n = 2)",
        "strategy.name=b (n = 1)",
    ]
    heights = [path.vertices[:, 1] for path in (axes.collections[0].get_paths())]
    assert (heights[0].min(), heights[0].max()) == (1.0, 6.0)


def test_the_figure_is_written_or_refused_in_one_line(tmp_path):
    workdirs = sweep(tmp_path, ACCURACIES)
    main(["compare", *workdirs], plot=str(tmp_path / "best.png"))
    assert (tmp_path / "best.png").read_bytes().startswith(b"\x89PNG")
    for bad in ("best.nix", "nowhere/best.png"):
        with pytest.raises(UserError, match="--plot"):
            main(["compare", *workdirs], plot=str(tmp_path / bad))


def test_every_objective_has_columns_and_a_picture(tmp_path, capsys):
    """Two objectives of which less is better in one; the test split has one metric that is neither's."""
    sections = [{"metric": "val_accuracy"}, {"metric": "num_params", "maximize": False}]
    workdirs = []
    for seed in range(2):
        config = copy.deepcopy(CONFIG) | {"seed": seed, "objective": sections}
        config["search"]["num_trials"] = 2
        records = [finished(0, [1, 1, 1, 1], 0.5), finished(1, [2, 2, 2, 2], 0.6)]
        best = {"trial": 1, "val_accuracy": 0.6, "num_params": 8000, "test_f1": 0.5}
        workdirs.append(str(write(tmp_path / str(seed), records, config, best=best)))
    main(["compare", *workdirs], plot=str(tmp_path / "best.png"))
    first, settings, fronts = capsys.readouterr().out.split("runs  ")
    header = [cell.strip() for cell in first.splitlines()[1].split("  ") if cell.strip()]
    assert header[3:-1] == [
        *("val_accuracy, best in search", "num_params, best in search"),
        *("val_accuracy, winner", "num_params, winner", "test_f1, winner"),
    ]
    assert "4,000" in first
    assert "rank test, num_params" in settings
    assert "hypervolume" in settings + fronts
    results = [result(0, 0.5), result(1, 0.6)]
    results = [each._replace(curves={**each.curves, "num_params": np.array([4.0])}) for each in results]
    both = Objectives((Objective(), Objective("num_params", maximize=False)))
    assert len(best_so_far({(): results}, [], both).axes) == 2


def constrained(tmp_path, seed, smallest=1):
    """A run with three trials of 4,000, 8,000 and 12,000 parameters or more, of which it may have 9,000."""
    config = copy.deepcopy(CONFIG) | {"constraints": [{"metric": "num_params", "at_most": 9000}], "seed": seed}
    config["search"]["num_trials"] = 3
    records = [finished(id, [id + smallest] * 4, 0.5 + id / 10) for id in range(3)]
    return str(write(tmp_path / str(seed), records, config))


def test_the_best_of_a_search_is_feasible(tmp_path, capsys):
    runs = [constrained(tmp_path, seed) for seed in range(2)]
    main(["compare", *runs])
    output = capsys.readouterr().out
    assert output.count("60.00 %") == 3
    assert "70.00 %" not in output
    main(["compare", *runs, constrained(tmp_path, 2, smallest=5)])
    output = capsys.readouterr().out
    assert output.count("none is feasible") == 1
    assert "Left out: 1 run without a feasible trial." in output


def test_of_runs_with_other_objectives_those_with_one_are_drawn(tmp_path):
    both = {"objectives": [{"metric": "val_accuracy"}, {"metric": "num_params", "maximize": False}]}
    other = str(write(tmp_path / "both", [finished(0, [1, 1, 1, 1], 0.5)], copy.deepcopy(CONFIG) | both))
    workdirs = sweep(tmp_path, {"evolution": {0: 0.50, 1: 0.52}})
    main(["compare", other, *workdirs], plot=str(tmp_path / "two.png"))
    assert (tmp_path / "two.png").exists()
    loss = copy.deepcopy(CONFIG) | {"objective": {"metric": "val_loss", "maximize": False}}
    third = str(write(tmp_path / "loss", [finished(0, [1, 1, 1, 1], 0.5)], loss))
    with pytest.raises(UserError, match="--plot: the runs have different objectives; name runs with the same ones"):
        main(["compare", other, third, *workdirs], plot=str(tmp_path / "none.png"))


def test_runs_of_one_setting_may_be_done_in_several_commands_and_one_named_twice_is_one(tmp_path, capsys):
    workdirs = sweep(tmp_path, ACCURACIES)
    for workdir in workdirs[::2]:
        path = Path(workdir) / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"stages": ["report"]}))
    main(["compare", *workdirs, workdirs[0], f"{workdirs[1]}/."])
    settings = capsys.readouterr().out.partition("rank test")[2]
    assert [line.split()[:2] for line in settings.splitlines()[2:4]] == [["evolution", "3"], ["random_search", "3"]]
