import csv
import json

import numpy as np
import programs
import pytest
from fakes import Numbers
from known_function import importance
from run_configs import PATHS, load_config
from run_files import finished, write
from written_tables import table_of

from nas_jax.config import complete
from nas_jax.errors import UserError
from nas_jax.importance.measures import measure_importance
from nas_jax.importance.of_run import gene_space, study_of
from nas_jax.importance.tables import COLUMNS, csv_rows
from nas_jax.parts import build_parts
from nas_jax.run import Run
from nas_jax.search.loop import search
from nas_jax.store import TrialStore


def test_rows_hold_every_estimate():
    found = importance(0)
    rows = list(csv_rows({"accuracy": found}))
    assert all(len(row) == len(COLUMNS) for row in rows)
    assert ("sobol first", "most", "", *found.measures["sobol first"]["most"], "accuracy") in rows
    assert len([row for row in rows if row[0] == "effect"]) == 16


def test_a_space_without_genes_says_what_it_lacks():
    with pytest.raises(UserError, match=r"Numbers does not name its genes.*docs/importance\.md"):
        gene_space(Numbers())


def command(workdir, *options):
    return programs.run("nas_jax.importance", f"--workdir={workdir}", *options)


def run_of_a_table(workdir, num):
    """A search of the table whose best row is depth 3, width 64, conv, its surrogate a forest."""
    config = load_config(next(path for path in PATHS if path.stem == "benchmark_table"), "smoke")
    config.evaluator.path = table_of("benchmark_table")
    config.exclude = "params"
    sections = complete(config, {"surrogate": "random_forest"}).to_dict()
    with open(sections["evaluator"]["path"], newline="") as file:
        rows = list(csv.DictReader(file))
    chosen = [rows[place] for place in np.random.default_rng(0).permutation(len(rows))[:num]]
    records = [
        finished(id, [], 0.0)
        | {"genome": [int(row["depth"]), int(row["width"]), row["operation"]]}
        | {"metrics": {"accuracy": float(row["accuracy"])}}
        for id, row in enumerate(chosen)
    ]
    return write(workdir, records, json.loads(json.dumps(sections)))


def test_where_no_trial_keeps_the_constraints_there_is_nothing_to_ablate(tmp_path):
    workdir = run_of_a_table(tmp_path / "run", 40)
    path = workdir / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config | {"constraints": [{"metric": "accuracy", "at_least": 2}]}))
    done = command(workdir, "--ablate=3")
    assert done.returncode == 2, done.stderr
    assert "error: --ablate: there is no winner whose layers to change: " in done.stderr


def test_command_prints_tables_and_leaves_them_in_the_workdir(tmp_path):
    workdir = run_of_a_table(tmp_path / "run", 40)
    done = command(workdir, "--ablate=3", "--targets=scores")
    assert done.returncode == 0, done.stderr
    assert "units of accuracy" in done.stdout
    with (workdir / "importance.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["measure"] for row in rows} == {"sobol first", "sobol total", "permutation", "effect", "ablation"}
    assert {row["gene"] for row in rows if row["measure"] == "sobol total"} == {"depth", "width", "operation"}
    effects = {
        row["choice"]: float(row["value"]) for row in rows if (row["measure"], row["gene"]) == ("effect", "width")
    }
    assert max(effects, key=effects.get) == "64"
    losses = [float(row["value"]) for row in rows if row["measure"] == "ablation"]
    assert len(losses) == 3
    log = (workdir / "ablation.jsonl").read_bytes()
    assert command(workdir, "--ablate=3", "--targets=scores").stdout == done.stdout
    assert (workdir / "ablation.jsonl").read_bytes() == log


def test_too_few_trials_are_one_line(tmp_path):
    done = command(run_of_a_table(tmp_path / "run", 9))
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["error: 9 trials have a score, and importance needs 10 of them"]


def test_features_beside_those_of_the_space_are_of_no_gene(tmp_path):
    config = load_config(next(path for path in PATHS if path.stem == "benchmark_table"), "smoke")
    config.evaluator.path = table_of("benchmark_table")
    config.exclude = "params"
    config.features = {"name": "table", "path": config.evaluator.path, "columns": "params"}
    config.search.num_trials = 12
    parts = build_parts(complete(config).to_dict(), tmp_path)
    store = TrialStore()
    search(Run(parts, store))
    (objective,) = parts.objectives
    found = study_of(parts, store.trials("search"), objective)
    assert found.x.shape[1] == len(found.space.feature_genes)
    assert np.isfinite(measure_importance(found).measures["permutation"]["depth"]).all()
