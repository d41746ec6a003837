"""Looking up: rows, seeds and units against the table itself, workers against a simulation second by second."""

import csv
import dataclasses
import hashlib
import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
from fakes import Numbers
from hypothesis import given
from hypothesis import strategies as st

from nas_jax.build import build
from nas_jax.errors import UserError
from nas_jax.evaluators.base import Evaluator, HasTestMetrics
from nas_jax.evaluators.tabular import Tabular
from nas_jax.notes import HasNotes, digests_of, notes_of
from nas_jax.spaces.categorical import Categorical
from nas_jax.spaces.macro import NasBenchMacro, digits, parse
from nas_jax.spaces.nb201 import NasBench201
from nas_jax.trial import Trial

SHARED = Path(__file__).parents[3] / "shared" / "benchmarks"
SPACE = Numbers()


@dataclasses.dataclass(frozen=True)
class Genes:
    """A space of which the evaluator needs no more than names."""

    gene_names: tuple[str, ...] = ("width", "operation")

    def __getattr__(self, name):
        raise AttributeError(name)

    num_genomes = 0
    genomes = sample = mutate = neighbors = crossover = encode = lambda self, *arguments: []

    def describe(self, genome):
        return "-".join(map(str, genome))


def write_csv(path, header, *rows):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return str(path)


def trial(genome, space=SPACE, id=0, seed=0):
    own_seed = int(np.random.SeedSequence((seed, id)).generate_state(1)[0])
    return Trial(id, genome, space.describe(genome), "search", own_seed)


def measure(tabular, *trials):
    return list(tabular.evaluate(iter(trials)))


@pytest.fixture
def numbers(tmp_path):
    """Numbers 0 to 4: accuracies in percent, losses, seconds."""
    rows = [(f"number {i}", 50 + i, 60 + i, 1 / (i + 1), 10 - i) for i in range(5)]
    return write_csv(tmp_path / "numbers.csv", ("name", "val", "test", "loss", "time"), *rows)


def test_rows_by_name_with_cost_and_seconds(numbers):
    metrics = {"val_accuracy": "val", "test_accuracy": "test", "val_loss": "loss"}
    tabular = Tabular(SPACE, numbers, metrics, key="name", seconds="time")
    assert isinstance(tabular, Evaluator)
    assert isinstance(tabular, HasTestMetrics)
    assert tabular.metric_names == ("val_accuracy", "val_loss")
    (ended,) = measure(tabular, trial((3,)))
    assert ended.status == "finished"
    assert ended.metrics == {"num_params": 3, "flops": 0, "val_accuracy": 0.53, "val_loss": 0.25}
    assert ended.seconds == {"train": 7.0}
    assert tabular.test_metrics(ended) == {"test_accuracy": 0.63}
    assert pickle.loads(pickle.dumps(tabular)) == tabular
    assert isinstance(hash(tabular), int)


@pytest.mark.parametrize("metrics", ["loss, time", ("loss", "time"), (("loss", "loss"), ("time", "time"))])
def test_names_alone_are_metrics_of_the_columns_names(numbers, metrics):
    (ended,) = measure(Tabular(SPACE, numbers, metrics, key="name"), trial((1,)))
    assert {name: ended.metrics[name] for name in ("loss", "time")} == {"loss": 0.5, "time": 9.0}
    assert ended.seconds == {"train": 0.0}


def test_accuracies_of_splits_become_fractions_only_if_the_column_is_in_percent(tmp_path):
    rows = [(f"number {i}", value, value * 100, value * 100) for i, value in enumerate((0.005, 0.5, 1))]
    path = write_csv(tmp_path / "units.csv", ("name", "fraction", "percent", "speed"), *rows)
    metrics = {"val_accuracy": "fraction", "val_top5_accuracy": "percent", "speed": "speed"}
    tabular = Tabular(SPACE, path, metrics, key="name")
    for genome, value in (((0,), 0.005), ((1,), 0.5)):
        (ended,) = measure(tabular, trial(genome))
        assert ended.metrics["val_accuracy"] == ended.metrics["val_top5_accuracy"] == pytest.approx(value)
        assert ended.metrics["speed"] == pytest.approx(100 * value)


@pytest.mark.parametrize("width", [16, 16.0, "16"])
def test_genes_are_equal_if_their_values_are(tmp_path, width):
    for name, cell in (("table.csv", "16"), ("table.csv2", "16.0")):
        path = write_csv(tmp_path / name, ("operation", "width", "loss"), ("conv", cell, 1), ("nan", cell, 2))
        for genome, loss in (((width, "conv"), 1.0), ((width, "nan"), 2.0)):
            (ended,) = measure(Tabular(Genes(), path, "loss"), trial(genome, Genes()))
            assert ended.metrics == {"loss": loss}
    path = tmp_path / "table.json"
    path.write_text(json.dumps([{"width": 16, "operation": "conv", "loss": 3}]))
    (ended,) = measure(Tabular(Genes(), str(path), "loss"), trial((width, "conv"), Genes()))
    assert ended.metrics == {"loss": 3.0}
    (ended,) = measure(
        Tabular(Genes(), str(path), "loss", genes=("operation", "width")), trial(("conv", width), Genes())
    )
    assert ended.metrics == {"loss": 3.0}


def test_names_are_compared_as_text(tmp_path):
    """Hashes such as 1e3 and 10e2 are one number and two names."""
    path = write_csv(tmp_path / "hashes.csv", ("name", "loss"), ("1e3", 1), ("10e2", 2))
    for name, loss in (("1e3", 1.0), ("10e2", 2.0)):
        (ended,) = measure(Tabular(Genes(), path, "loss", key="name"), trial((name,), Genes()))
        assert ended.metrics == {"loss": loss}


def test_rows_and_lists_of_one_genome_are_its_seeds(tmp_path):
    """Each of 2 x 3 measurements comes up equally often, the same for the same seed, in step for all columns."""
    path = tmp_path / "seeds.json"
    rows = [{"name": "number 1", "loss": [i, i + 1, i + 2], "time": [10 * i, 10 * i + 10, 10 * i + 20]} for i in (0, 3)]
    path.write_text(json.dumps(rows))
    tabular = Tabular(SPACE, str(path), "loss,time", key="name")
    trials = [trial((1,), id=id) for id in range(1200)]
    measured = measure(tabular, *trials)
    assert [ended.metrics for ended in measure(tabular, *trials)] == [ended.metrics for ended in measured]
    assert all(ended.metrics["time"] == 10 * ended.metrics["loss"] for ended in measured)
    counts = np.bincount([int(ended.metrics["loss"]) for ended in measured])
    assert len(counts) == 6
    assert np.abs(counts - 200).max() < 5 * np.sqrt(200)


def test_what_is_not_in_the_table_is_a_failed_trial_with_its_reason(tmp_path):
    path = write_csv(
        tmp_path / "gaps.csv",
        ("name", "loss", "test"),
        ("number 0", "", ""),
        ("number 1", "bad", ""),
        ("number 2", "nan", ""),
        ("number 3", 1, ""),
    )
    tabular = Tabular(SPACE, path, {"loss": "loss", "test_loss": "test"}, key="name")
    ended = measure(tabular, *(trial((i,), id=i) for i in range(5)))
    assert [each.status for each in ended] == ["failed", "failed", "failed", "finished", "failed"]
    for each, reason in zip(ended, ("no number in the column 'loss'", "'bad'", "'nan'", "", "has no row"), strict=True):
        assert reason in (each.error or "")
    assert tabular.test_metrics(ended[3]) == {}


def simulated(durations, num_workers):
    """The order in which trials end, second by second: whole seconds, at least one each."""
    waiting, running, order, clock = list(range(len(durations))), {}, [], 0
    while waiting or running:
        while waiting and len(running) < num_workers:
            id = waiting.pop(0)
            running[id] = clock + durations[id]
        while not (ended := [id for id in sorted(running) if running[id] == clock]):
            clock += 1
        order.append(ended[0])
        del running[ended[0]]
    return order


@given(st.lists(st.integers(1, 6), min_size=1, max_size=30), st.integers(1, 5))
def test_workers_end_in_the_order_of_the_simulated_clock(tmp_path_factory, durations, num_workers):
    path = tmp_path_factory.mktemp("durations") / "table.csv"
    rows = [(f"number {i}", i, duration) for i, duration in enumerate(durations)]
    tabular = Tabular(SPACE, write_csv(path, ("name", "loss", "time"), *rows), "loss", "name", (), "time", num_workers)
    ended = measure(tabular, *(trial((i,), id=i) for i in range(len(durations))))
    assert [each.id for each in ended] == simulated(durations, num_workers)
    assert all(each.seconds == {"train": durations[each.id]} for each in ended)


@pytest.mark.parametrize("seconds", ["", 0.0, 3.5])
def test_a_worker_pulls_only_when_it_is_free(numbers, seconds):
    tabular = Tabular(SPACE, numbers, "loss", key="name", seconds=seconds, num_workers=2)
    pulled, num_ended = [], 0

    def requests():
        for i in range(5):
            pulled.append(i)
            yield trial((i,), id=i)

    for ended in tabular.evaluate(requests()):
        assert ended.id == num_ended  # all take the same time, so they end as they began
        num_ended += 1
        assert len(pulled) == min(5, num_ended + 1)
        assert ended.seconds == {"train": float(seconds or 0)}
    assert num_ended == 5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"path": ""}, "a table is needed"),
        ({"path": "/nowhere/table.csv"}, "cannot be read"),
        ({"metrics": {"val_loss": "losss"}}, "evaluator: .* has no column 'losss'; it has name, val"),
        ({"seconds": "hours"}, "has no column 'hours'"),
        ({"seconds": -5.0}, "seconds: has to be finite and not negative, or name a column, but is -5.0"),
        ({"seconds": math.inf}, "seconds: has to be finite and not negative"),
        ({"key": "id"}, "has no column 'id'"),
        ({"genes": ("x",)}, "give one of key .* and genes"),
        ({"key": ""}, "give one of key .* and genes"),
        ({"metrics": {"test_loss": "loss"}}, "at least one metric that is not of the test split"),
        ({"metrics": ""}, "at least one metric"),
        ({"metrics": 5}, r"metrics: names of columns are wanted, or pairs \(name, column\), not 5"),
        ({"metrics": ["loss", 1]}, "metrics: names of columns are wanted, .* not 1"),
        ({"metrics": {"loss": 1}}, r"metrics: .* not \('loss', 1\)"),
        ({"num_workers": 0}, "num_workers has to be at least 1"),
    ],
)
def test_bad_settings_are_one_clear_line(numbers, changes, message):
    section = {"name": "tabular", "path": numbers, "metrics": {"val_loss": "loss"}, "key": "name", **changes}
    with pytest.raises(UserError, match=message) as error:
        build("nas_jax.evaluators", section, space=SPACE)
    assert "\n" not in str(error.value)


def test_negative_seconds_are_said_with_their_line(tmp_path):
    path = write_csv(tmp_path / "numbers.csv", ("name", "loss", "time"), ("number 0", 1.0, 2), ("number 1", 0.5, -1))
    with pytest.raises(UserError, match=r"the column 'time' of .*numbers.csv has -1.0 seconds in line 3; correct it"):
        Tabular(SPACE, path, "loss", key="name", seconds="time")


def test_chains_are_found_by_the_benchmarks_digits(tmp_path):
    path = tmp_path / "macro.json"
    path.write_text(json.dumps({"02012100": {"test_acc": [89.5, 90.5]}, "22222222": {"test_acc": [93.0, 93.5]}}))
    space = NasBenchMacro((32, 32, 3), 10)
    tabular = Tabular(space, str(path), {"val_accuracy": "test_acc"}, key="key")
    (ended,) = measure(tabular, trial(parse("22222222"), space))
    assert ended.metrics["val_accuracy"] in (0.93, 0.935)
    assert ended.metrics["num_params"] == space.cost(parse("22222222")).num_params


@pytest.mark.skipif(not SHARED.exists(), reason="needs the benchmark's table")
def test_every_genome_of_nas_bench_201_has_its_row():
    path = str(SHARED / "nas_bench_201_cifar10.csv")
    space = NasBench201((32, 32, 3), 10)
    with open(path) as file:
        expected = {row["architecture"]: float(row["val_accuracy_200"]) / 100 for row in csv.DictReader(file)}
    tabular = Tabular(space, path, {"val_accuracy": "val_accuracy_200"}, key="architecture")
    genomes = space.sample(np.random.default_rng(0), 300)
    for ended in measure(tabular, *(trial(genome, space, id) for id, genome in enumerate(genomes))):
        assert ended.metrics["val_accuracy"] == pytest.approx(expected[ended.description])


@pytest.mark.skipif(not SHARED.exists(), reason="needs the benchmark's table")
def test_every_genome_of_nas_bench_macro_has_its_row():
    path = SHARED / "nas-bench-macro_cifar10.json"
    space = NasBenchMacro((32, 32, 3), 10)
    expected = json.loads(path.read_text())
    tabular = Tabular(space, str(path), {"val_accuracy": "mean_acc"}, key="key")
    for id, genome in enumerate(space.sample(np.random.default_rng(0), 300)):
        (ended,) = measure(tabular, trial(genome, space, id))
        assert ended.metrics["val_accuracy"] == pytest.approx(expected[digits(genome)]["mean_acc"] / 100)


def test_a_metric_is_no_gene(tmp_path):
    """Else the surrogate would be told the answer."""
    (tmp_path / "leak.csv").write_text("depth,accuracy\n1,0.5\n2,0.6\n")
    space = Categorical(path=str(tmp_path / "leak.csv"))
    with pytest.raises(ValueError, match="'accuracy' is a metric and a gene: exclude it"):
        Tabular(space, str(tmp_path / "leak.csv"), metrics="accuracy")


def test_the_look_up_of_a_genome_is_exact(tmp_path):
    """Names that floating point, or a reading as numbers, would take for one."""
    codes = (
        ["9007199254740993", "9007199254740992"],
        ["0012", "012", "12"],
        ["01210120121012012100", "01210120121012012101"],
    )
    for place, cells in enumerate(codes):
        path = write_csv(tmp_path / f"{place}.csv", ("code", "score"), *((cell, i) for i, cell in enumerate(cells)))
        space = Categorical(path=path, genes="code")
        ended = measure(Tabular(space, path, "score"), *(trial(genome, space) for genome in space.genomes()))
        assert {str(each.genome[0]): each.metrics["score"] for each in ended} == {c: i for i, c in enumerate(cells)}


def test_cells_keep_their_line_breaks(tmp_path):
    cells = ["a\nb", "a\r\nb", "a\u0085b", "a\u2028b", "a\vb", "a b"]
    path = write_csv(tmp_path / "breaks.csv", ("op", "score"), *((cell, i) for i, cell in enumerate(cells)))
    space = Categorical(path=path, genes="op")
    ended = measure(Tabular(space, path, "score"), *(trial(genome, space) for genome in space.genomes()))
    assert {each.genome[0]: each.metrics["score"] for each in ended} == {cell: i for i, cell in enumerate(cells)}


@pytest.mark.parametrize("cells", [("0,81", "0,9"), ("81 %", "90 %"), ("", "")])
def test_a_metric_without_any_number_is_refused(tmp_path, cells):
    path = write_csv(
        tmp_path / "text.csv", ("name", "score", "loss"), *((f"number {i}", c, 1) for i, c in enumerate(cells))
    )
    for settings in ({"metrics": "score"}, {"metrics": "loss", "seconds": "score"}):
        with pytest.raises(UserError, match=f"the column 'score' of .* has no number; its first cell is {cells[0]!r}"):
            Tabular(SPACE, path, key="name", **settings)


def test_rows_without_a_number_are_noted(tmp_path):
    path = write_csv(tmp_path / "gaps.csv", ("name", "score", ""), ("a", 1, ""), ("b", "n/a", ""), ("c", "", ""))
    tabular = Tabular(SPACE, path, "score", key="name")
    assert isinstance(tabular, HasNotes)
    nameless, gaps = tabular.notes
    assert "column 3 of 3 has no name" in nameless
    assert "the column 'score' has no number in 2 of 3 rows, first 'n/a' in line 3" in gaps
    assert notes_of(tabular, SPACE, tabular) == tabular.notes


def test_the_digests_of_a_runs_files(numbers):
    tabular = Tabular(SPACE, numbers, "loss", key="name")
    digest = hashlib.sha256(Path(numbers).read_bytes()).hexdigest()
    assert digests_of({"space": SPACE, "evaluator": tabular}) == {"evaluator.path": digest}
    assert digests_of({"space": Categorical(path=numbers, genes="loss")}) == {"space.path": digest}
