"""What a person sees: plain lines in a file, a live panel on a terminal."""

import io
import subprocess
import sys
from dataclasses import replace

import pytest
from rich.console import Console

from nas_jax.assessment import Assessment
from nas_jax.best_file import BASELINE_FIELDS, with_metrics
from nas_jax.display import Display
from nas_jax.evaluators.base import Progress
from nas_jax.listeners import Listener, Outcome, Round
from nas_jax.objectives import Objective, Objectives
from nas_jax.trial import Budget, Prediction, Trial

ACCURACY = Objectives((Objective(),))


def trial(id, accuracy, **others):
    metrics = None if accuracy is None else {"val_accuracy": accuracy, "num_params": 1234}
    status = "failed" if accuracy is None else "finished"
    seconds = {"compile": 1.0, "train": 2.0}
    return Trial(id, (id,), f"net [{id}]", "search", 0, status, metrics, seconds, **others)


def shown(is_terminal, use, objectives=ACCURACY):
    file = io.StringIO()
    console = Console(file=file, force_terminal=is_terminal, width=100)
    with Display(objectives, console) as display:
        assert isinstance(display, Listener)
        use(display)
    return file.getvalue()


def test_what_breaks_a_constraint_before_its_training_has_no_values_to_show():
    left_out = replace(trial(3, 0.5), metrics={"size_bytes": 9.0, "is_infeasible": True})

    def use(display):
        display.begin("search", 4, [])
        display.trial(left_out)
        display.end(Outcome([left_out], None, {}, {}))

    output = shown(False, use)
    assert "not trained, since it breaks a constraint  (net [3])" in output
    assert "breaks a" in output[output.index("Finalists") :]  # a narrow column


def test_it_goes_on_where_the_reader_of_a_pipe_has_gone():
    program = (
        "import sys\nfrom nas_jax.display import Display\nfrom nas_jax.objectives import Objective, Objectives\n"
        "sys.stdin.read()\nwith Display(Objectives((Objective(),))) as display:\n"
        "    for _ in range(3):\n        display.note('a line')\n        print('another')\n"
        "print('it went on', file=sys.stderr)\n"
    )
    pipes = {name: subprocess.PIPE for name in ("stdin", "stdout", "stderr")}
    process = subprocess.Popen([sys.executable, "-c", program], text=True, **pipes)
    process.stdout.close()
    process.stdin.close()
    assert (process.stderr.read(), process.wait()) == ("it went on\n", 0)
    process.stderr.close()


def test_each_trial_is_a_plain_line_when_nobody_watches():
    def use(display):
        display.begin("search", 3, [trial(0, 0.5)])
        display.trial(trial(1, 0.75))
        display.trial(trial(2, None, error="no luck"))

    output = shown(False, use)
    assert "search: resumes, 1 of 3 trials are done" in output
    assert "2/3  val_accuracy 0.7500    3.0 s  net [1]" in output
    assert "3/3  failed: no luck  (net [2])" in output
    assert "\x1b" not in output


def test_a_terminal_shows_the_last_trial_and_the_best_one():
    def use(display):
        display.begin("search", 3, [])
        for id, accuracy in enumerate((0.5, 0.75, 0.625)):
            display.trial(trial(id, accuracy))

    last_frame = shown(True, use).split("search")[-1]
    assert "3/3" in last_frame
    assert "val_accuracy 0.6250    3.0 s  net [2]" in last_frame
    assert "val_accuracy 0.7500    3.0 s  net [1]" in last_frame


@pytest.mark.parametrize("is_terminal", [False, True])
def test_the_summary_puts_the_winner_first(is_terminal):
    finals = [trial(0, 0.5, predictions=(Prediction(0.6, 0.1),)), trial(1, 0.75, predictions=(Prediction(0.5, 0.2),))]
    baselines = {"baseline": {"trial": 1, "test_accuracy": 0.7}, "reference": {"trial": 2, "test_accuracy": 0.6}}
    metrics = {"test_accuracy": 0.7, "val_accuracy": 0.75, "baselines": baselines}
    outcome = Outcome(finals, finals[1], metrics, {"report": "there.md"})
    output = shown(is_terminal, lambda display: display.end(outcome))
    assert output.index("net [1]") < output.index("net [0]")
    assert "0.5000 ± 0.2000" in output
    assert "1,234" in output
    assert "Test accuracy 0.7000" in output
    assert "Best of the search, trained as a finalist: the winner itself" in output
    assert "Reference network, trained as a finalist: test accuracy 0.6000" in output
    assert "there.md" in output


def test_metrics_that_are_named_like_the_fields_of_the_file_are_shown_as_metrics():
    """A trial of a metric "trial", a cost that is not that of the search, and seeds that are no list."""
    objectives = Objectives((Objective("cost", maximize=False), Objective("trial")))
    winner = replace(trial(5, 0.5), metrics={"cost": 0.25, "trial": 0.75, "seeds": 3.0})
    baseline = with_metrics({"trial": 5}, {"cost": 0.125, "trial": 0.375}, BASELINE_FIELDS)
    written = with_metrics({"trial": 5, "cost": 12.0, "baselines": {"random": baseline}}, winner.metrics)
    output = shown(False, lambda display: display.end(Outcome([], winner, written, {})), objectives)
    assert "Cost 0.2500, trial 0.7500" in output
    assert "trained as a finalist: the winner itself" in output
    other = written | {"baselines": {"random": baseline | {"trial": 4}}}
    output = shown(False, lambda display: display.end(Outcome([], winner, other, {})), objectives)
    assert "cost 0.1250, trial 0.3750" in output


@pytest.mark.parametrize("is_terminal", [True, False])
def test_the_assessment_of_predictions_is_shown(is_terminal):
    def use(display):
        display.begin("search", 60, [])
        for assessment in (
            {},
            {"val_accuracy": Assessment(24, 0.31, 0.42, -1.5, 0.875)},
            {"val_accuracy": Assessment(25, 0.41, 0.52, -1.25, 0.96)},
        ):
            display.round(Round(0, [], 0.1, assessment))

    output = shown(is_terminal, use)
    assert "tau 0.41" in output
    if not is_terminal:
        assert "tau 0.31" not in output
        assert "95 % intervals cover 96 % of 25 predicted trials" in output


def test_a_terminal_shows_how_far_trials_have_come():
    def use(display):
        display.begin("search", 3, [])
        display.progress(Progress(0, 1, {"val_accuracy": 0.25}))
        display.progress(Progress(1, 2, {"val_accuracy": 0.25}))
        display.trial(trial(0, 0.5))

    last_frame = shown(True, use).split("search")[-1]
    assert "1 (epoch 2, val_accuracy 0.2500)" in last_frame
    assert "0 (epoch 1" not in last_frame


@pytest.mark.parametrize("is_terminal", [True, False])
def test_what_a_trial_has_to_say_stays(is_terminal):
    def use(display):
        display.begin("search", 3, [])
        display.progress(Progress(0, 0, {}, "trial 0 found no state"))

    output = shown(is_terminal, use)
    assert output.count("trial 0 found no state\n") == 1
    assert "epoch 0" not in output


def test_of_two_objectives_each_is_shown_and_the_front_with_them():
    both = Objectives((Objective(), Objective("num_params", maximize=False)))
    small, large = trial(0, 0.5), trial(1, 0.75)
    small.metrics["num_params"] = 10

    def use(display):
        display.begin("search", 3, [])
        for each in (small, large, trial(2, 0.625)):
            display.trial(each)

    last_frame = shown(True, use, both).split("search")[-1]
    assert "val_accuracy 0.5000, num_params 10.0000" in last_frame
    assert "val_accuracy 0.7500, num_params 1234.0000" in last_frame


def test_what_failed_later_is_taken_back_and_what_it_had_beaten_is_the_best_again():
    def use(display):
        display.begin("search", 4, [trial(0, 0.5, budget=Budget(3))])
        beaten_by = trial(1, 0.75, budget=Budget(3))
        display.trial(beaten_by)
        display.trial(replace(trial(2, None, budget=Budget(9)), genome=beaten_by.genome))

    last_frame = shown(True, use).split("search")[-1]
    assert "val_accuracy 0.5000    3.0 s  net [0]" in last_frame
    assert "0.7500" not in last_frame


def test_a_run_without_an_export_says_where_things_lie():
    output = shown(False, lambda display: display.end(Outcome([], None, {}, {"trials": "trials.jsonl"})))
    assert output.strip() == "trials:   trials.jsonl"
