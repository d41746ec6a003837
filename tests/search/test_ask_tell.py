"""Ask and tell: the program's own search turned inside out, its log, and what it says of wrong use."""

import gc
import json
import math
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

import jax.numpy as jnp
import numpy as np
import pytest
from fakes import Numbers
from made_runs import make_run
from strategies_of_all_kinds import NAMES, make
from written_tables import write_columns

from nas_jax.errors import UserError
from nas_jax.evaluators.tabular import Tabular
from nas_jax.objectives import Objective, Objectives
from nas_jax.parts import build_parts
from nas_jax.record import read_record
from nas_jax.report.write import write_report
from nas_jax.search.ask_tell import Search
from nas_jax.search.loop import search
from nas_jax.settings import SearchSettings
from nas_jax.spaces.categorical import Categorical
from nas_jax.strategies.base import Proposal
from nas_jax.strategies.bayesopt import Bayesopt
from nas_jax.strategies.local_search import LocalSearch
from nas_jax.strategies.random_search import RandomSearch
from nas_jax.trial import Budget

SPACE = Categorical(genes={"depth": [1, 2, 3, 4], "width": [16, 32, 64, 128], "op": ["conv", "pool", "skip", "dense"]})


def measure(genome):
    depth, width, op = genome
    return 0.9 - 0.05 * abs(depth - 3) - abs(width - 64) / 640 - 0.04 * ("conv", "pool", "skip", "dense").index(op)


def random_search(**more):
    return Search(SPACE, RandomSearch(SPACE), "val_accuracy", **more)


def run_all(asked, num, batch=1):
    while len(asked.trials) < num:
        for trial in asked.ask(min(batch, num - len(asked.trials))):
            asked.tell(trial, {"val_accuracy": measure(trial.genome)})


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("batch", [1, 4])
def test_it_proposes_what_the_programs_own_search_does(tmp_path, name, batch):
    """On a table; each side looks results up in its own way."""
    path = str(write_columns(tmp_path))
    space = Categorical(path=path, exclude=("accuracy", "params"))
    evaluator = Tabular(space, path, {"val_accuracy": "accuracy"})
    strategy = make(name, space)
    run = make_run(
        space=space, strategy=strategy, evaluator=evaluator, search=SearchSettings(18, batch_size=batch), seed=5
    )
    search(run)
    asked = Search(space, strategy, "val_accuracy", seed=5)
    run_all(asked, 18, batch)
    for ours, theirs in zip(asked.trials, run.store.trials("search"), strict=True):
        assert (ours.genome, ours.seed, ours.predictions) == (theirs.genome, theirs.seed, theirs.predictions)
        assert ours.metrics["val_accuracy"] == pytest.approx(theirs.metrics["val_accuracy"], abs=1e-12)


def test_bayesopt_of_a_space_alone_finds_the_best():
    asked = Search(SPACE, Bayesopt(SPACE), "val_accuracy")
    run_all(asked, 30, batch=10)
    assert asked.best.genome == (3, 64, "conv")
    assert asked.front == [asked.best]
    assert len({trial.genome for trial in asked.trials}) == 30


def test_a_used_up_space_gives_what_is_left_and_then_nothing():
    asked = random_search()
    assert len(asked.ask(100)) == 64
    assert asked.ask() == []


def test_several_objectives_have_a_front_and_no_best():
    both = ["val_accuracy", Objective("latency", maximize=False)]
    asked = Search(SPACE, RandomSearch(SPACE), both)
    for trial, pair in zip(asked.ask(4), [(0.5, 1.0), (0.6, 2.0), (0.4, 1.5), (0.6, 2.5)], strict=True):
        asked.tell(trial, dict(zip(("val_accuracy", "latency"), pair, strict=True)))
    assert [trial.id for trial in asked.front] == [0, 1]
    np.testing.assert_array_equal(asked.history.values, [[0.5, -1.0], [0.6, -2.0], [0.4, -1.5], [0.6, -2.5]])
    with pytest.raises(UserError, match="there are 2 objectives; see front"):
        asked.best  # noqa: B018, the property raises


@pytest.mark.parametrize(
    "metric",
    [np.float32(0.5), jnp.float32(0.5), np.array(0.5), np.float64(0.5), jnp.bfloat16(0.5), np.array([[1]])[0, 0] / 2],
)
def test_numbers_of_other_libraries_become_plain_ones(tmp_path, metric):
    with random_search(path=tmp_path) as asked:
        (trial,) = asked.ask()
        told = asked.tell(
            trial, {"val_accuracy": metric, "curve": np.array([0.25, 0.5])}, seconds={"train": np.int64(3)}
        )
    assert type(told.metrics["val_accuracy"]) is float
    assert (told.metrics, told.seconds) == ({"val_accuracy": 0.5, "curve": [0.25, 0.5]}, {"train": 3.0})
    assert random_search(path=tmp_path).trials == [told]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_one_bad_score_does_not_condemn_the_other_nine(bad):
    asked = Search(SPACE, Bayesopt(SPACE, num_initial=4), "val_accuracy")
    for place, trial in enumerate(asked.ask(10)):
        asked.tell(trial, {"val_accuracy": bad if place == 3 else measure(trial.genome), "num_params": 7})
    lost = asked.trials[3]
    assert (lost.status, lost.failure, lost.metrics) == ("failed", "non_finite", None)
    assert "num_params=7" in lost.error
    assert len(asked.history.genomes) == 9
    assert asked.history.failed == (lost.genome,)
    (trial,) = asked.ask()
    assert np.isfinite(trial.predictions).all()
    assert asked.best.metrics["val_accuracy"] == max(measure(t.genome) for t in asked.trials[:10] if t is not lost)


def test_failures_are_kept_by_their_kind():
    asked = random_search()
    first, second, third = asked.ask(3)
    assert asked.tell_failed(first, "the node\nwas lost").error == "the node was lost"
    assert asked.tell_failed(second.id, MemoryError("64 GB")).failure == "out_of_memory"
    assert asked.tell_failed(third, KeyError("layer")).error == "KeyError: 'layer'"
    assert [trial.failure for trial in asked.trials] == ["error", "out_of_memory", "error"]
    assert asked.best is None
    assert asked.front == []


def told_wrongly():
    """What may not be told of a pending trial, with the message."""
    return [
        ({}, "no metric 'val_accuracy'; there are none"),
        ({"accuracy": 0.5}, "no metric 'val_accuracy'; there are accuracy"),
        ({"val_accuracy": "high"}, "'val_accuracy' is no number but 'high'"),
        ({"val_accuracy": [0.5, 0.6]}, "'val_accuracy' is no number but"),
        ({"val_accuracy": None}, "trial 0: metric 'val_accuracy': None is no number"),
        ({"val_accuracy": 0.5, "net": object()}, "trial 0: metric 'net': an object is no number"),
        (0.5, "trial 0: metrics: a float is no mapping"),
    ]


@pytest.mark.parametrize(("metrics", "message"), told_wrongly())
def test_wrong_metrics_are_one_line_and_can_be_told_again(metrics, message):
    asked = random_search()
    (trial,) = asked.ask()
    with pytest.raises(UserError, match=message):
        asked.tell(trial, metrics)
    with pytest.raises(UserError, match="seconds"):
        asked.tell(trial, {"val_accuracy": 0.5}, seconds=3)
    assert asked.trials == [trial]
    assert asked.tell(trial, {"val_accuracy": 0.5}) == asked.best


def test_telling_twice_or_of_what_is_unknown_is_one_line():
    asked, other = random_search(), random_search(seed=1)
    trial, later = asked.ask(2)
    asked.tell(trial, {"val_accuracy": 0.5})
    (stranger, _) = other.ask(2)
    for told, message in [
        (trial, "trial 0 was told before: it has finished"),
        (0, "trial 0 was told before"),
        (7, "trial 7 is unknown: this search has never handed it out"),
        (stranger, f"trial 0, {stranger.description}, is of another search; here it is {trial.description}"),
        (later.genome, "a trial that ask returned is wanted, or its id"),
        ("1", "or its id, not '1'"),
        (True, "or its id, not True"),
        (None, "or its id, not None"),
    ]:
        for tell in (lambda t: asked.tell(t, {"val_accuracy": 0.9}), lambda t: asked.tell_failed(t, "why")):
            with pytest.raises(UserError, match=message):
                tell(told)
    assert asked.best.metrics == {"val_accuracy": 0.5}
    asked.tell_failed(later, "why")
    with pytest.raises(UserError, match="trial 1 was told before: it has failed"):
        asked.tell(later, {"val_accuracy": 1.0})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("space", RandomSearch(SPACE), "val_accuracy"), "space: 'space' is no space"),
        ((Categorical, RandomSearch(SPACE), "val_accuracy"), "space: .*Categorical.* is no space"),
        ((SPACE, RandomSearch, "val_accuracy"), r"strategy: .*RandomSearch.* is no strategy; Bayesopt\(space\) is one"),
        ((SPACE, "bayesopt", "val_accuracy"), "strategy: 'bayesopt' is no strategy"),
        ((SPACE, RandomSearch(Numbers()), "val_accuracy"), "strategy: it searches another space"),
        ((SPACE, RandomSearch(SPACE), 3), "objectives: 3 is neither the name of a metric nor an Objective"),
        ((SPACE, RandomSearch(SPACE), [None]), "objectives: None is neither"),
        ((SPACE, RandomSearch(SPACE), []), "at least one metric"),
        ((SPACE, RandomSearch(SPACE), ["a", "a"]), "none twice"),
        ((SPACE, RandomSearch(SPACE), "test_accuracy"), "no search may see"),
        ((SPACE, RandomSearch(SPACE), "val_accuracy", "zero"), "seed: a whole number is wanted, not 'zero'"),
        ((SPACE, RandomSearch(SPACE), "val_accuracy", -1), "has to be at least 0"),
    ],
)
def test_a_search_checks_what_it_is_made_of(arguments, message):
    with pytest.raises(UserError, match=message):
        Search(*arguments)


@pytest.mark.parametrize("num", [0, -1, 1.5, "3", None, True])
def test_a_number_of_trials_is_at_least_one(num):
    with pytest.raises(UserError, match="ask: a number of trials is wanted"):
        random_search().ask(num)


@pytest.mark.parametrize(
    "objectives",
    ["val_accuracy", Objective(), ["val_accuracy"], (Objective(),), Objectives((Objective(),))],
)
def test_objectives_have_short_forms(objectives):
    assert Objectives.of(objectives) == Objectives((Objective(),))


# A folder


def test_a_search_goes_on_where_it_was_left(tmp_path):
    """Anywhere: with trials that were handed out and not told, which come first."""
    undisturbed = Search(SPACE, LocalSearch(SPACE), "val_accuracy", seed=3)
    run_all(undisturbed, 24)
    for num_told in (0, 3, 11, 20):
        folder = tmp_path / str(num_told)
        with Search(SPACE, LocalSearch(SPACE), "val_accuracy", seed=3, path=folder) as asked:
            run_all(asked, num_told)
            (lost,) = asked.ask()
        with Search(SPACE, LocalSearch(SPACE), "val_accuracy", seed=3, path=folder) as asked:
            assert asked.trials[-1] == lost
            run_rest(asked, 24)
            assert asked.trials == undisturbed.trials


def run_rest(asked, num):
    while any(trial.status == "pending" for trial in asked.trials) or len(asked.trials) < num:
        (trial,) = asked.ask()
        asked.tell(trial, {"val_accuracy": measure(trial.genome)})


def test_after_a_restart_pending_trials_come_first_once_and_new_ones_fill_up(tmp_path):
    with random_search(path=tmp_path) as asked:
        before = asked.ask(4)
        asked.tell(before[1], {"val_accuracy": 0.5})
    asked = random_search(path=tmp_path)
    asked.tell(before[3].id, {"val_accuracy": 0.6})  # its job had gone on, and was not lost
    first = asked.ask(1)
    more = asked.ask(3)
    assert [first[0].id, more[0].id] == [0, 2]
    assert [trial.id for trial in more[1:]] == [4, 5]
    assert asked.ask()[0].id == 6


def test_a_cell_of_a_notebook_can_run_again(tmp_path):
    """The name still holds the first search while the second one is made; a path may be spelled in two ways."""
    asked = random_search(path=tmp_path)
    earlier = asked
    asked.tell(asked.ask()[0], {"val_accuracy": 0.5})
    asked = random_search(path=f"{tmp_path}/../{tmp_path.name}")
    assert len(asked.trials) == len(earlier.trials) == 1
    for use in (earlier.ask, lambda: earlier.tell(0, {"val_accuracy": 0.5}), lambda: earlier.tell_failed(0, "why")):
        with pytest.raises(UserError, match="opened again in this process; go on with that one"):
            use()
    asked.tell(asked.ask()[0], {"val_accuracy": 0.6})
    asked = earlier = None
    gc.collect()
    assert len(random_search(path=tmp_path).trials) == 2


def test_another_process_may_not_have_the_folder_at_the_same_time(tmp_path):
    program = (
        "import sys\nfrom nas_jax.errors import UserError\nfrom nas_jax.search.ask_tell import Search\n"
        "from nas_jax.spaces.categorical import Categorical\n"
        "from nas_jax.strategies.random_search import RandomSearch\n"
        f"space = Categorical(genes={SPACE.genes!r})\n"
        "try:\n    print(len(Search(space, RandomSearch(space), 'val_accuracy', path=sys.argv[1]).trials))\n"
        "except UserError as error:\n    print(error)\n"
    )

    def second():
        command = [sys.executable, "-c", program, str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    with random_search(path=tmp_path) as asked:
        asked.ask(3)
        assert "another process is working in" in second()
    assert second() == "3\n"


@pytest.mark.parametrize(
    ("space", "strategy", "objectives", "seed", "difference"),
    [
        (SPACE, RandomSearch, "val_accuracy", 1, "seed: 0 there, 1 here"),
        (SPACE, RandomSearch, "val_loss", 0, "objective.metric: val_accuracy there, val_loss here"),
        (SPACE, RandomSearch, Objective(maximize=False), 0, "objective.maximize"),
        (SPACE, LocalSearch, "val_accuracy", 0, "strategy.name: random_search there, local_search here"),
        (Categorical(genes={"op": ["conv", "pool"]}), RandomSearch, "val_accuracy", 0, "space.genes"),
    ],
)
def test_a_folder_of_another_search_is_refused(tmp_path, space, strategy, objectives, seed, difference):
    with random_search(path=tmp_path) as asked:
        asked.ask()
    for _ in range(2):  # what was refused leaves the folder free
        with pytest.raises(UserError, match=f"holds a run with other settings \\(.*{difference}"):
            Search(space, strategy(space), objectives, seed, path=tmp_path)
    assert len(random_search(path=tmp_path).trials) == 1


def test_before_the_first_trial_anything_may_change(tmp_path):
    random_search(path=tmp_path).close()
    asked = Search(SPACE, Bayesopt(SPACE), "val_loss", 1, path=tmp_path)
    asked.close()
    assert json.loads((tmp_path / "config.json").read_text())["surrogate"]["name"] == "gaussian_process"


def test_reports_can_read_the_folder(tmp_path):
    allowed = list(SPACE.genomes())[::2]
    space = Categorical(genes=dict(SPACE.gene_choices), allowed=allowed)
    with Search(space, Bayesopt(space), "val_accuracy", seed=2, path=tmp_path) as asked:
        run_all(asked, 14)
        best = asked.best
    record = read_record(tmp_path)
    assert record.of("search") == asked.trials
    assert record.objectives == Objectives((Objective(),))
    for command in ("report", "importance"):
        words = [sys.executable, "-m", f"nas_jax.{command}", f"--workdir={tmp_path}"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    page = (tmp_path / "report.html").read_text()
    assert best.description in page
    assert "14 search trials finished, 0 failed" in page


def test_a_part_of_ones_own_that_no_file_makes_is_searched_all_the_same(tmp_path):
    space = Numbers()
    with Search(space, RandomSearch(space), "val_accuracy", path=tmp_path) as asked:
        for trial in asked.ask(5):
            asked.tell(trial, {"val_accuracy": float(trial.genome[0])})
    with Search(space, RandomSearch(space), "val_accuracy", path=tmp_path) as asked:
        assert len(asked.history.genomes) == 5
    assert read_record(tmp_path).config["space"]["name"] == "fakes.Numbers"


def test_a_torn_last_line_is_said_and_cut_off(tmp_path):
    with random_search(path=tmp_path) as asked:
        asked.ask(2)
    path = tmp_path / "trials.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.warns(UserWarning, match="incomplete last line"):
        assert len(random_search(path=tmp_path).trials) == 1


def test_reports_can_read_a_folder_of_two_objectives(tmp_path):
    both = ["val_accuracy", Objective("latency", maximize=False)]
    with Search(SPACE, RandomSearch(SPACE), both, path=tmp_path) as asked:
        for trial in asked.ask(12):
            asked.tell(trial, {"val_accuracy": measure(trial.genome), "latency": trial.genome[0] * trial.genome[1]})
    record = read_record(tmp_path)
    assert record.objectives == Objectives.of(both)
    page = write_report(tmp_path, build_parts(record.config, tmp_path)).read_text()
    assert "val_accuracy" in page
    assert "latency" in page


def test_nothing_can_be_measured_for_another_program(tmp_path):
    with random_search(path=tmp_path) as asked:
        asked.ask()
    record = read_record(tmp_path)
    evaluator = build_parts(record.config, tmp_path).search.evaluator
    assert evaluator.metric_names == ("val_accuracy",)
    with pytest.raises(UserError, match="told its metrics by another program"):
        next(evaluator.evaluate(iter(record.trials)))


def test_asking_takes_time_in_proportion_to_the_trials():
    """Ten times as many: ten times as long at most, and not a hundred times; CPU time, best of five."""
    asked, seconds = random_search_of_many(), {}
    for num in (100, 1000):
        for trial in asked.ask(num - len(asked.trials)):
            asked.tell(trial, {"val_accuracy": trial.id / 1000})
        times = []
        for _ in range(5):
            start = time.thread_time()
            (trial,) = asked.ask()
            times.append(time.thread_time() - start)
            asked.tell(trial, {"val_accuracy": 0.0})
        seconds[num] = min(times)
    assert seconds[1000] < 30 * seconds[100]
    assert seconds[1000] < 0.1


def random_search_of_many():
    space = Categorical(genes={f"gene {i}": range(4) for i in range(6)})
    return Search(space, RandomSearch(space), "val_accuracy")


# Threads, and strategies that continue


def test_threads_share_a_search(tmp_path):
    """Each asks and tells on its own: no trial twice, none lost, and the log has them all."""
    asked = Search(SPACE, Bayesopt(SPACE, num_initial=6), "val_accuracy", path=tmp_path)
    seen, lock = [], threading.Lock()

    def work(number):
        for _ in range(5):
            for trial in asked.ask(1 + number % 2):
                with lock:
                    seen.append(trial.id)
                if trial.genome[2] == "skip":
                    asked.tell_failed(trial, "skipped")
                else:
                    asked.tell(trial, {"val_accuracy": measure(trial.genome)})
                assert asked.best is None or asked.best.status == "finished"

    with ThreadPoolExecutor(4) as pool:
        for future in as_completed([pool.submit(work, number) for number in range(4)]):
            future.result()
    assert sorted(seen) == list(range(30))
    assert len({trial.genome for trial in asked.trials}) == 30
    assert all(trial.status != "pending" for trial in asked.trials)
    assert read_record(tmp_path).of("search") == asked.trials


def test_only_one_of_many_threads_can_tell_a_trial():
    asked = random_search()
    (trial,) = asked.ask()
    outcomes = []

    def tell(score):
        try:
            outcomes.append(asked.tell(trial, {"val_accuracy": score}))
        except UserError as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=tell, args=(score / 10,)) for score in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = [outcome for outcome in outcomes if not isinstance(outcome, str)]
    assert told == [asked.best]
    assert [text for text in outcomes if isinstance(text, str)] == ["trial 0 was told before: it has finished"] * 7


class Doubling:
    """Measures a genome for one epoch, then the same for two."""

    space = SPACE

    def propose(self, rng, history, num):
        if history.genomes and history.budgets[-1] == Budget(1):
            return [Proposal(history.genomes[-1], Budget(2), continues=history.ids[-1])]
        return [Proposal(SPACE.sample(rng, 1, exclude=history.known)[0], Budget(1))]


def test_budgets_and_what_is_continued_come_with_a_trial():
    asked = Search(SPACE, Doubling(), "val_accuracy")
    run_all(asked, 4)
    assert [(trial.budget, trial.continues) for trial in asked.trials] == [
        (Budget(1), None),
        (Budget(2), 0),
        (Budget(1), None),
        (Budget(2), 2),
    ]
