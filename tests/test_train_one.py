"""One given architecture: found by its name or its genome, and trained as in a search."""

import json
from pathlib import Path

import numpy as np
import programs
import pytest
from run_configs import PATHS, load_config, smoke_config

from nas_jax.config import complete
from nas_jax.data.arrays import load
from nas_jax.data.digits import Digits
from nas_jax.errors import UserError
from nas_jax.export import load_best
from nas_jax.spaces.chain import Chain
from nas_jax.spaces.macro import NasBenchMacro
from nas_jax.spaces.names import find_genome
from nas_jax.spaces.nb201 import NasBench201
from nas_jax.train_one import run
from nas_jax.trial import freeze

ROOT = Path(__file__).parents[1]
LINE = "conv5x5-4, max, fc-16"
GENOME = ("conv5x5-4", "max", "fc-16")
CHAIN = Chain((8, 8, 1), 10, conv_filters=(4, 8), fc_units=(16,), max_feature_layers=2)
CELL = ("nor_conv_3x3", "none", "none", "none", "skip_connect", "none")
CELL_NAME = "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|"


@pytest.fixture
def config():
    return complete(load_config(ROOT / "configs" / "quickstart.py", "smoke"))


@pytest.mark.parametrize("text", [LINE, " conv5x5-4,max,fc-16", json.dumps(GENOME), json.dumps({"genome": GENOME})])
def test_a_chain_by_its_line_and_by_json(text):
    assert find_genome(CHAIN, text, "--genome") == GENOME


def test_a_genome_in_a_file(tmp_path):
    path = tmp_path / "genome.json"
    for content in (list(GENOME), {"genome": list(GENOME), "description": LINE}):
        path.write_text(json.dumps(content))
        assert find_genome(CHAIN, str(path), "--genome") == GENOME


@pytest.mark.parametrize(
    ("space", "text", "genome"),
    [
        (NasBench201((8, 8, 3), 10), CELL_NAME, CELL),
        (NasBench201((8, 8, 3), 10), json.dumps(CELL), CELL),
        (NasBenchMacro((8, 8, 3), 10), "22222222", ("MB6_K5",) * 8),
        (
            NasBenchMacro((8, 8, 3), 10),
            "MB6_K5, MB6_K5 | MB6_K5, MB6_K5, MB6_K5 | MB6_K5, MB6_K5, MB6_K5",
            ("MB6_K5",) * 8,
        ),
    ],
)
def test_genomes_of_benchmarks_by_either_name(space, text, genome):
    assert find_genome(space, text, "--genome") == genome


@pytest.mark.parametrize(
    "text",
    ["conv7x7-4, fc-16", "", "[1, 2]", '{"space": {}}', '["conv5x5-4", ["max"]]', json.dumps(CELL), "nix.json"],
)
def test_what_is_no_genome_of_the_space_is_refused(text):
    with pytest.raises(UserError, match="no genome of this space"):
        find_genome(CHAIN, text, "--genome")


def test_broken_json_is_refused():
    with pytest.raises(UserError, match="not valid JSON"):
        find_genome(CHAIN, '["conv5x5-4",', "--genome")


@pytest.mark.parametrize(("is_final", "num_epochs"), [(False, 2), (True, 3)])
def test_training_by_the_recipe_of_the_search_or_of_finalists(config, tmp_path, is_final, num_epochs):
    """The exported network is the one whose metrics are told, and its settings lie beside it."""
    metrics = run(config, LINE, tmp_path / "one", is_final=is_final)
    assert len(metrics["curve"]["val_loss"]) == num_epochs
    best = tmp_path / "one" / "best"
    classifier, dataset = load_best(best), load(Digits(pad=1))
    for split in ("val", "test"):
        batch = getattr(dataset, split)
        accuracy = np.mean(classifier.predict(batch["image"]).argmax(axis=1) == batch["label"])
        assert metrics["exported"][f"{split}_accuracy"] == pytest.approx(accuracy)
    assert json.loads((best / "metrics.json").read_text())["test_accuracy"] == metrics["test_accuracy"]
    assert json.loads((best / "recipe.json").read_text())["num_epochs"] == num_epochs
    assert freeze(json.loads((tmp_path / "one" / "config.json").read_text())["genome"]) == GENOME
    assert "given, not searched for" in (best / "README.md").read_text()
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["best", "config.json", "environment.json"]
    with pytest.raises(UserError, match="holds a run already"):
        run(config, LINE, tmp_path / "one", is_final=is_final)


def test_without_a_workdir_the_test_split_is_not_touched(config):
    metrics = run(config, LINE, None, is_final=False)
    assert metrics["val_accuracy"] > 0
    assert not [name for name in metrics if name.startswith("test")]


def test_what_is_odd_about_the_data_is_said(config, capsys):
    with config.unlocked():
        config.data.num_train = 8
        config.recipe.batch_size = config.finalists.recipe.batch_size = 4
    run(config, LINE, None, is_final=False)
    assert "note: no training example has the class" in capsys.readouterr().err


def test_a_training_that_fails_says_why(config, tmp_path):
    with config.unlocked():
        config.recipe.learning_rate = 1e30
    with pytest.raises(UserError, match="the training has failed: NonFiniteLossError"):
        run(config, LINE, tmp_path, is_final=False)
    assert list(tmp_path.iterdir()) == []


def test_a_config_of_tables_trains_nothing():
    (path,) = (path for path in PATHS if path.stem == "benchmark_nb201")
    with pytest.raises(UserError, match="trains nothing"):
        run(complete(smoke_config(path)), CELL_NAME, None, is_final=True)


def command(*flags):
    return programs.run("nas_jax.train_one", "--config=configs/quickstart.py:smoke", *flags)


def test_the_command_prints_metrics():
    done = command(f"--genome={LINE}")
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert first == LINE
    told = dict(line.split() for line in rest)
    assert told["num_params"] == f"{CHAIN.cost(GENOME).num_params:,}"
    assert 0 < float(told["val_accuracy"]) <= 1
    assert "test_accuracy" not in told


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--genome"),
        (["--genome=fc-17"], "is no genome of this space"),
        ([f"--genome={LINE}", "--workdir=/dev/null/one"], "choose another --workdir"),
        ([f"--genome={LINE}", "seed=1"], "--config.seed=1"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(flags, message):
    done = command(*flags)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
