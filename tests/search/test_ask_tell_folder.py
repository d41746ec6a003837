"""A search that is asked and told, in a folder: going on, other processes, reports."""

import gc
import json
import math
import os
import re
import signal
import subprocess
import sys

import numpy as np
import programs
import pytest
from asked import SPACE, measure, random_search, run_all
from fakes import Numbers
from waiting import is_running

from nas_jax.budgets import Budgets
from nas_jax.constraints import Constraint
from nas_jax.errors import UserError
from nas_jax.objectives import Objective, Objectives
from nas_jax.parts import build_parts
from nas_jax.record import read_record
from nas_jax.report.write import write_report
from nas_jax.search.ask_tell import Search
from nas_jax.spaces.categorical import Categorical
from nas_jax.strategies.bayesopt import Bayesopt
from nas_jax.strategies.local_search import LocalSearch
from nas_jax.strategies.random_search import RandomSearch
from nas_jax.strategies.successive_halving import SuccessiveHalving


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


ODD = [
    {"curve": [0.1, 0.3, 0.5]},
    {"curve": "up"},
    {"curve": {"val_accuracy": {"epochs": [1, 2]}}},
    {"curve": {"val_accuracy": [0.1, 0.5], "val_loss": [0.5]}},
    {"is_infeasible": True},
    {"num_params": "12k", "flops": [1, 2], "val_accuracy_std_error": "small", "val_accuracy_per_seed": 0.5},
    {"num_params": math.inf, "seeds": 3},
]


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_whatever_else_was_told_stays_and_does_no_harm(tmp_path, odd):
    """Under names that the program's own trials have for something else."""
    with random_search(path=tmp_path) as asked:
        first, second = asked.ask(2)
        asked.tell(first, {"val_accuracy": 0.5, **odd})
        asked.tell(second, {"val_accuracy": 0.4})
    with random_search(path=tmp_path) as asked:
        assert asked.trials[0].metrics == {"val_accuracy": 0.5, **odd}
        assert asked.history.values.tolist() == [[0.5], [0.4]]
        assert asked.best.id == 0
        asked.ask()
    assert write_report(tmp_path, build_parts(read_record(tmp_path).config, tmp_path)).exists()


@pytest.mark.parametrize("seconds", [math.inf, math.nan, -1.0])
def test_seconds_that_cannot_be_are_refused(seconds):
    asked = random_search()
    (trial,) = asked.ask()
    with pytest.raises(UserError, match="trial 0: seconds, 'train': has to be finite and not negative"):
        asked.tell(trial, {"val_accuracy": 0.5}, seconds={"train": seconds})
    assert asked.trials == [trial]


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


def test_true_is_not_one_when_a_folder_is_opened_again(tmp_path):
    numbers, bools = (Categorical(genes={"r": choices}) for choices in ([0, 1], [False, True]))
    with Search(numbers, RandomSearch(numbers), "val_accuracy", path=tmp_path) as asked:
        asked.ask()
    with pytest.raises(UserError, match=r"space\.genes"):
        Search(bools, RandomSearch(bools), "val_accuracy", path=tmp_path)


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


def test_opening_a_folder_again_leaves_nothing_for_the_end_of_the_process(tmp_path):
    program = (
        "import sys\nfrom nas_jax.search.ask_tell import Search\nfrom nas_jax.spaces.categorical import Categorical\n"
        "from nas_jax.strategies.random_search import RandomSearch\n"
        "space = Categorical(genes={'op': ['conv', 'pool']})\n"
        "s = Search(space, RandomSearch(space), 'acc', path=sys.argv[1])\n"
        "s = Search(space, RandomSearch(space), 'acc', path=sys.argv[1])\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (5, "path: a folder is wanted, not 5"),
        ("", "path: a folder is wanted, not '', as of a variable that is not set"),
        (" ", "path: a folder is wanted, not ' '"),
        (b"runs", "path: a folder is wanted, not b'runs'"),
        ("a\0b", r"path: 'a\\x00b' is no folder: .*null"),
        ("x" * 300, "path: .*File name too long"),
        ("file/runs", "cannot write to .*file/runs: Not a directory"),
    ],
)
def test_what_can_be_no_folder_is_one_line(tmp_path, monkeypatch, path, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=message):
        random_search(path=path)


def test_a_folder_that_goes_away_is_said_before_anything_is_lost(tmp_path):
    folder, kept = tmp_path / "mine", tmp_path / "kept"
    with random_search(path=folder) as asked:
        waiting = asked.ask(2)
    asked = random_search(path=folder)
    folder.rename(kept)
    for use in (
        lambda: asked.ask(3),
        lambda: asked.tell(0, {"val_accuracy": 0.5}),
        lambda: asked.tell_failed(1, "why"),
    ):
        with pytest.raises(UserError, match=f"{folder}/trials.jsonl was removed, moved or replaced"):
            use()
    assert asked.trials == waiting
    kept.rename(folder)
    assert asked.ask(3)[:2] == waiting
    told = asked.tell(0, {"val_accuracy": 0.5})
    assert read_record(folder).of("search") == asked.trials
    assert asked.best == told


@pytest.mark.usefixtures("as_users_call")
def test_numbers_of_numpy_in_objectives_and_constraints_are_stored(tmp_path):
    """float32 has the nearest number to 0.1 that it can."""
    objectives = [Objective("loss", maximize=np.bool_(False), reference=np.float32(0.1)), "val_accuracy"]
    limits = [Constraint("size", at_most=np.float32(0.5))]
    Search(SPACE, RandomSearch(SPACE), objectives, path=tmp_path, constraints=limits).close()
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["objective"][0] == {"metric": "loss", "maximize": False, "reference": pytest.approx(0.1, rel=1e-7)}
    assert config["constraints"] == [{"metric": "size", "at_most": 0.5, "at_least": None}]


def test_a_search_that_is_refused_leaves_the_one_before_open(tmp_path):
    asked = random_search(path=tmp_path)
    trial = asked.ask()[0]
    space = Categorical(genes=SPACE.genes)
    with pytest.raises(UserError, match="other settings"):
        Search(space, RandomSearch(space), "val_loss", path=tmp_path)
    assert asked.tell(trial, {"val_accuracy": 0.5}).status == "finished"


def test_forked_processes_do_not_keep_the_folder_of_one_that_was_killed(tmp_path):
    """As those of a pool, which wait for work that nobody sends any more."""
    pids, program = (
        tmp_path / "pids",
        (
            "import multiprocessing, os, sys, time\nfrom pathlib import Path\nfrom nas_jax.store import TrialStore\n"
            "store = TrialStore(Path(sys.argv[1]) / 'trials.jsonl')\n"
            "child = multiprocessing.get_context('fork').Process(target=time.sleep, args=(60,))\nchild.start()\n"
            "Path(sys.argv[2]).write_text(str(child.pid))\nos.kill(os.getpid(), 9)\n"
        ),
    )
    command = [sys.executable, "-c", program, str(tmp_path / "run"), str(pids)]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    child = int(pids.read_text())
    assert is_running(child)
    try:
        with random_search(path=tmp_path / "run") as asked:
            assert len(asked.ask(2)) == 2
    finally:
        os.kill(child, signal.SIGKILL)


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
        done = programs.run(f"nas_jax.{command}", f"--workdir={tmp_path}")
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


def halving(folder, each=(1, 3, 9)):
    return Search(SPACE, SuccessiveHalving(SPACE, Budgets(each)), "val_accuracy", path=folder)


def tell_all(asked, trials):
    for trial in trials:
        asked.tell(trial, {"val_accuracy": measure(trial.genome) * trial.budget.epochs})


def test_reports_know_the_budgets_of_a_folder(tmp_path):
    with halving(tmp_path, (1, 3)) as asked:
        for _ in range(22):
            tell_all(asked, asked.ask(3))
    for command in ("report", "importance"):
        done = programs.run(f"nas_jax.{command}", f"--workdir={tmp_path}")
        assert done.returncode == 0, done.stderr
    assert build_parts(read_record(tmp_path).config, tmp_path).search.budgets == Budgets((1, 3))
    assert "33 architectures were begun and 11 measured in full" in (tmp_path / "report.html").read_text()


def test_other_budgets_for_a_folder_are_refused_and_those_of_one_that_has_none_are_taken(tmp_path):
    with halving(tmp_path) as asked:
        tell_all(asked, asked.ask(2))
    with pytest.raises(UserError, match=re.escape("evaluator.epochs: [1, 3, 9] there, [1, 2, 4] here")):
        halving(tmp_path, (1, 2, 4))
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    del config["evaluator"]["epochs"]  # as earlier versions wrote it
    path.write_text(json.dumps(config))
    with halving(tmp_path) as asked:
        assert len(asked.trials) == 2
    assert json.loads(path.read_text())["evaluator"]["epochs"] == [1, 3, 9]


def test_a_strategy_that_waits_hands_out_nothing_until_a_rung_is_complete(tmp_path):
    asked = halving(tmp_path)
    first = asked.ask(20)
    assert [trial.budget.epochs for trial in first] == [1] * 9
    assert asked.ask() == []
    tell_all(asked, first)
    assert [trial.budget.epochs for trial in asked.ask(20)] == [3] * 3


def test_nothing_can_be_measured_for_another_program(tmp_path):
    with random_search(path=tmp_path) as asked:
        asked.ask()
    record = read_record(tmp_path)
    evaluator = build_parts(record.config, tmp_path).search.evaluator
    assert evaluator.metric_names == ("val_accuracy",)
    with pytest.raises(UserError, match="told its metrics by another program"):
        next(evaluator.evaluate(iter(record.trials)))
