"""What a report reads of a run and its parts."""

import math

import numpy as np
from made_runs import make_parts
from run_files import failed, search_records, write

from nas_jax.objectives import Objective
from nas_jax.report.subject import read_subject
from nas_jax.strategies.evolution import Evolution
from nas_jax.strategies.random_search import RandomSearch


def test_a_subject_has_what_the_run_left(complete):
    parts = make_parts()
    (complete / "diagnostics.jsonl").write_text('{"position": 0, "seconds": 1.5, "proposals": [], "assessments": {}}\n')
    np.savez(complete / "best" / "test_scores.npz", **{"41": np.ones((1, 3)), "45": np.zeros((1, 3))})
    subject = read_subject(complete, parts)
    assert (subject.learner, subject.space, subject.objectives) == (parts.learner, parts.space, parts.objectives)
    assert subject.winner.id == 41
    assert [each.seconds for each in subject.rounds] == [1.5]
    assert {id: scores.mean() for id, scores in subject.test_scores.items()} == {41: 1, 45: 0}
    assert subject.winner_metrics["test_accuracy"] == 0.69


def test_the_strategy_says_which_trials_are_random(complete):
    parts = make_parts()
    for strategy, num in ((RandomSearch(parts.space), math.inf), (Evolution(parts.space, population_size=7), 7)):
        assert read_subject(complete, parts._replace(strategy=strategy)).num_random == num
    assert read_subject(complete, parts._replace(strategy=None)).num_random == 0


def test_a_sample_of_a_long_history_keeps_its_order_and_its_share_of_failures(tmp_path):
    records = [*search_records(400), *(failed(id, "no") for id in range(400, 440))]
    subject = read_subject(write(tmp_path, records), make_parts())
    history = subject.sample_of_history(subject.history(Objective()))
    assert (len(history.genomes), len(history.failed)) == (200, 20)
    assert list(history.places) == sorted(history.places)
    whole = subject.history(Objective())
    assert [whole.genomes[place] for place in history.places] == list(history.genomes)
    np.testing.assert_array_equal(whole.values[list(history.places)], history.values)
