from dataclasses import replace

import numpy as np
import pytest
from fakes import Lookup

from nas_jax.importance.ablation import ablate, changes_of, pick_neighbors
from nas_jax.objectives import Objective
from nas_jax.spaces.categorical import Categorical
from nas_jax.spaces.chain import Chain
from nas_jax.store import TrialStore

NUMBERS = Categorical(genes=(("tens", (10, 20, 30)), ("units", (1, 2, 3, 4))))


class Sums(Lookup):
    """Scores a genome with the sum of its genes, and counts."""

    def measure(self, trial):
        return super().measure(replace(trial, genome=(sum(trial.genome),)))


def test_neighbors_take_turns_by_gene():
    neighbors = pick_neighbors(NUMBERS, (10, 1), 4, seed=0)
    changed = [tuple(changes_of(NUMBERS, (10, 1), neighbor)) for neighbor in neighbors]
    assert sorted(changed[:2]) == sorted(changed[2:]) == [("tens",), ("units",)]
    assert len(set(neighbors)) == 4
    assert set(pick_neighbors(NUMBERS, (10, 1), 99, seed=0)) == set(NUMBERS.neighbors((10, 1)))


def test_neighbors_of_a_chain_that_change_fewest_genes_come_first():
    space = Chain((8, 8, 3), 5)
    genome = space.sample(np.random.default_rng(0), 1)[0]
    numbers = [len(changes_of(space, genome, other)) for other in pick_neighbors(space, genome, 8, seed=0)]
    assert numbers[0] == 1
    assert numbers == sorted(numbers)


def measure_neighbors(path, num, evaluator, searched=()):
    trials = []
    with TrialStore(path) as store:
        found = ablate(NUMBERS, evaluator, Objective(), store, searched, (20, 2), num, seed=3, on_trial=trials.append)
    return found, [trial.genome for trial in trials]


def test_ablation_compares_neighbors_and_measures_nothing_twice(tmp_path):
    path = tmp_path / "ablation.jsonl"
    found, first = measure_neighbors(path, 3, Sums())
    assert len(first) == 4
    for trial, changes, difference in found:
        ((_, (before, after)),) = changes.items()
        assert difference == sum(trial.genome) - 22 == after - before
    more, second = measure_neighbors(path, 5, Sums())
    assert len(second) == 2
    assert more[:3] == found
    assert measure_neighbors(path, 5, Sums()) == (more, [])


def test_ablation_takes_what_the_search_measured(tmp_path):
    _, before = measure_neighbors(tmp_path / "a.jsonl", 3, Sums())
    with TrialStore(tmp_path / "a.jsonl") as store:
        searched = store.trials()
    found, after = measure_neighbors(tmp_path / "b.jsonl", 3, Sums(), searched)
    assert (len(before), after) == (4, [])
    assert all(difference == sum(trial.genome) - 22 for trial, _, difference in found)


def test_an_interrupted_ablation_goes_on(tmp_path):
    path = tmp_path / "ablation.jsonl"

    def interrupt(trial):
        if trial.id == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_neighbors(path, 3, Sums(before=interrupt))
    found, measured_now = measure_neighbors(path, 3, Sums())
    assert len(measured_now) == 2
    assert not np.isnan([ablation.difference for ablation in found]).any()


def test_a_failed_neighbor_has_no_difference(tmp_path):
    found, _ = measure_neighbors(tmp_path / "a.jsonl", 3, Sums(fails=lambda genome: genome[0] != 22))
    assert [trial.status for trial, _, _ in found] == ["failed"] * 3
    assert np.isnan([difference for _, _, difference in found]).all()
