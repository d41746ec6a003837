import copy
import json
import subprocess
import sys

import pytest
from run_files import CONFIG, FORMAT, failed, search_records, write

from nas_jax.compare.__main__ import main
from nas_jax.errors import UserError


def changed(**fields):
    config = copy.deepcopy(CONFIG)
    for name, value in fields.items():
        section, _, field = name.partition("__")
        config.setdefault(section, {})[field] = value
    return config


def rows(text):
    """The lines of a table, split where there are two spaces or more."""
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines() if line.strip()]


def test_columns_are_the_fields_that_differ(tmp_path, complete, capsys):
    other = write(tmp_path / "other", search_records(7), changed(search__num_trials=60, space__width=2))
    main(["compare", str(complete), str(other)])
    header, _, first, second = rows(capsys.readouterr().out)
    assert header == [
        *("workdir", "search.num_trials", "space.width"),
        *("status", "val_accuracy, best in search", "val_accuracy, winner", "test_accuracy, winner", "seconds"),
    ]
    best = [max(record["metrics"]["val_accuracy"] for record in search_records(num)) for num in (40, 7)]
    assert first == [str(complete), "40", "-", "finished", f"{100 * best[0]:.2f} %", "70.00 %", "69.00 %", "540"]
    assert second == [str(other), "60", "2", "7 of 60 trials", f"{100 * best[1]:.2f} %", "-", "-", "84"]


def test_the_winners_cost_is_not_taken_for_that_of_the_search(tmp_path, capsys):
    """Where a metric has that name, also in files that have the cost of the search in its place."""
    config = CONFIG | {"objective": {"metric": "cost", "maximize": False}}
    trials = [record | {"metrics": {"cost": 2.5 + record["id"]}} for record in search_records(2)]
    for name, apart in (("new", {"metrics": {"cost": 2.5}}), ("old", {})):
        write(tmp_path / name, trials, config, best={"trial": 0, "cost": 40.0, "baselines": {}, **apart})
    main(["compare", str(tmp_path / "new"), str(tmp_path / "old")])
    assert [row[3] for row in rows(capsys.readouterr().out)[2:4]] == ["2.5", "2.5"]


def test_fields_of_different_parts_are_said_by_the_names_of_the_parts(tmp_path, capsys):
    """Unless runs with the same part differ in them."""
    process = changed(surrogate__name="gaussian_process", surrogate__kernel="rbf")
    forests = [changed(surrogate__name="random_forest", surrogate__num_trees=num) for num in (100, 200)]
    for name, config in zip("abc", (process, *forests), strict=True):
        write(tmp_path / name, [], config)
    main(["compare", *(str(tmp_path / name) for name in "ab")])
    assert rows(capsys.readouterr().out)[0][1:3] == ["surrogate.name", "status"]
    main(["compare", *(str(tmp_path / name) for name in "abc")])
    assert rows(capsys.readouterr().out)[0][1:4] == ["surrogate.name", "surrogate.num_trees", "status"]


def test_rows_keep_the_order_given(tmp_path, capsys):
    for name in "cab":
        write(tmp_path / name, [])
    main(["compare", *(str(tmp_path / name) for name in "cab")])
    *table, left_out = rows(capsys.readouterr().out)
    assert [row[0][-1] for row in table[2:]] == ["c", "a", "b"]
    assert " ".join(left_out) == "Left out: 3 runs whose search is not complete."


def test_one_run_has_no_differing_field(complete, capsys):
    main(["compare", str(complete)])
    assert "space.name" not in capsys.readouterr().out


def test_failed_trials_count_as_done_and_have_no_score(tmp_path, capsys):
    main(["compare", str(write(tmp_path / "run", [failed(0, "x"), failed(1, "x")]))])
    assert rows(capsys.readouterr().out)[2][1:] == ["2 of 40 trials", "-", "-", "0"]


def test_brackets_are_not_markup(tmp_path, capsys):
    first = write(tmp_path / "a", [], changed(space__name="[red]x[/red]"))
    main(["compare", str(first), str(write(tmp_path / "b", []))])
    assert "[red]x[/red]" in capsys.readouterr().out


def test_a_regression_is_compared_by_its_own_metrics(regression, capsys):
    main(["compare", str(regression)])
    header, _, row = rows(capsys.readouterr().out)
    assert header[2:] == ["val_rmse, best in search", "val_rmse, winner", "test_rmse, winner", "seconds"]
    assert row[3:5] == ["1.3", "1.31"]


@pytest.mark.parametrize("config", [None, "{"])
def test_a_directory_without_a_readable_config_is_refused(tmp_path, complete, config):
    bad = tmp_path / "bad"
    bad.mkdir()
    if config is not None:
        (bad / "config.json").write_text(config)
        (bad / "environment.json").write_text(json.dumps({"format": FORMAT}))
    with pytest.raises(UserError, match=str(bad)):
        main(["compare", str(complete), str(bad)])


def test_no_directory_at_all_is_refused():
    with pytest.raises(UserError, match="which runs"):
        main(["compare"])


def command(*arguments):
    """Runs the module as a command does, and fails if that imported JAX, which takes seconds."""
    code = (
        f"import runpy, sys\nsys.argv = {['compare', *map(str, arguments)]}\n"
        "try:\n    runpy.run_module('nas_jax.compare', run_name='__main__')\n"
        "finally:\n    assert 'jax' not in sys.modules\n"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_command_prints_plain_text_into_a_pipe(complete):
    result = command(complete)
    assert result.returncode == 0, result.stderr
    assert "finished" in result.stdout
    assert "\x1b" not in result.stdout


def test_command_reports_bad_input_in_one_line(complete, tmp_path):
    result = command(complete, tmp_path / "none")
    assert result.returncode == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert str(tmp_path / "none") in result.stderr
