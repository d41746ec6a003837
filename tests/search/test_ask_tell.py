"""Ask and tell: the program's own search turned inside out, its log, and what it says of wrong use."""

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

import jax.numpy as jnp
import numpy as np
import pytest
from asked import SPACE, measure, random_search, run_all
from fakes import Numbers
from made_runs import make_run
from strategies_of_all_kinds import NAMES, WITH_RUNGS, make
from written_tables import write_columns

from nas_jax.errors import UserError
from nas_jax.evaluators.tabular import Tabular
from nas_jax.objectives import Objective, Objectives
from nas_jax.record import read_record
from nas_jax.search.ask_tell import Search
from nas_jax.search.loop import search
from nas_jax.settings import SearchSettings
from nas_jax.spaces.categorical import Categorical
from nas_jax.strategies.base import Proposal
from nas_jax.strategies.bayesopt import Bayesopt
from nas_jax.strategies.random_search import RandomSearch
from nas_jax.trial import Budget


@pytest.mark.parametrize("name", [name for name in NAMES if name not in WITH_RUNGS])  # the table has no budgets
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


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, np.float32("nan"), np.ma.masked])
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


def test_what_becomes_of_a_trial_outside_changes_nothing_here():
    asked = random_search()
    (trial,) = asked.ask()
    given = {"val_accuracy": 0.5, "curve": {"val_accuracy": [0.25, 0.5]}}
    told = asked.tell(trial, given, seconds={"train": 3.0})
    for each in (told, asked.best, asked.front[0], asked.trials[0]):
        each.metrics["val_accuracy"] = 0.9
        each.metrics["curve"]["val_accuracy"].append(0.9)
        each.seconds["train"] = 0.0
    given["curve"]["val_accuracy"].clear()
    for each in (asked.best, asked.front[0], asked.trials[0]):
        assert each.metrics == {"val_accuracy": 0.5, "curve": {"val_accuracy": [0.25, 0.5]}}
        assert each.seconds == {"train": 3.0}
    assert asked.history.values.tolist() == [[0.5]]


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
        ((SPACE, RandomSearch(SPACE), "curve"), "metric: 'curve' is where a trial has its learning curves"),
        ((SPACE, RandomSearch(SPACE), "val_accuracy", "zero"), "seed: a whole number is wanted, not 'zero'"),
        ((SPACE, RandomSearch(SPACE), "val_accuracy", -1), "has to be at least 0"),
        ((SPACE, RandomSearch(SPACE), "val_accuracy", 0, None, None), "constraints: a list of Constraints is wanted"),
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


@pytest.mark.usefixtures("as_users_call")  # with the checks of types it takes several times as long
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
