from dataclasses import replace

import numpy as np
import pytest
from fakes import Lookup
from made_runs import make_run

from nas_jax.budgets import Budgets
from nas_jax.evaluators.base import ignore
from nas_jax.importance.ablation import ablate, changes_of, pick_neighbors
from nas_jax.objectives import Objective, Objectives
from nas_jax.spaces.categorical import Categorical
from nas_jax.spaces.chain import Chain
from nas_jax.store import TrialStore
from nas_jax.trial import Budget

NUMBERS = Categorical(genes=(("tens", (10, 20, 30)), ("units", (1, 2, 3, 4))))


class Sums(Lookup):
    """Scores a genome with the sum of its genes, and counts."""

    def measure(self, trial, report=ignore):
        return super().measure(replace(trial, genome=(sum(trial.genome),)), report)


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


def measure_neighbors(path, num, evaluator, searched=(), **parts):
    """The ablations, and the genomes that were measured for them."""
    with TrialStore(path) as store:
        before = {trial.id for trial in store.trials() if trial.status != "pending"}
        run = make_run(store, space=NUMBERS, evaluator=evaluator, seed=3, **parts)
        found = ablate(run, searched, (20, 2), num)
        return found, [trial.genome for trial in store.trials() if trial.id not in before]


def test_ablation_compares_neighbors_and_measures_nothing_twice(tmp_path):
    path = tmp_path / "ablation.jsonl"
    found, first = measure_neighbors(path, 3, Sums())
    assert len(first) == 4
    for trial, changes, (difference,) in found:
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
    assert all(difference == sum(trial.genome) - 22 for trial, _, (difference,) in found)


def test_ablation_takes_nothing_that_was_measured_in_part(tmp_path):
    _, _ = measure_neighbors(tmp_path / "a.jsonl", 3, Sums())
    with TrialStore(tmp_path / "a.jsonl") as store:
        searched = [replace(trial, budget=Budget(1), metrics={"val_accuracy": 0.0}) for trial in store.trials()]
    found, measured_now = measure_neighbors(tmp_path / "b.jsonl", 3, Sums(), searched, budgets=Budgets((1, 3)))
    assert len(measured_now) == 4
    assert all(difference == sum(trial.genome) - 22 for trial, _, (difference,) in found)


def test_an_interrupted_ablation_goes_on(tmp_path):
    path = tmp_path / "ablation.jsonl"

    def interrupt(trial):
        if trial.id == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_neighbors(path, 3, Sums(before=interrupt))
    found, measured_now = measure_neighbors(path, 3, Sums())
    assert len(measured_now) == 2
    assert not np.isnan([ablation.differences for ablation in found]).any()


def test_a_failed_neighbor_has_no_difference(tmp_path):
    found, _ = measure_neighbors(tmp_path / "a.jsonl", 3, Sums(fails=lambda genome: genome[0] != 22))
    assert [trial.status for trial, _, _ in found] == ["failed"] * 3
    assert np.isnan([differences for _, _, differences in found]).all()


def test_every_objective_has_a_difference(tmp_path):
    """The evaluator gives each network one parameter."""
    both = Objectives((Objective(), Objective("num_params", maximize=False)))
    found, _ = measure_neighbors(tmp_path / "a.jsonl", 3, Sums(), objectives=both)
    assert all(differences == (sum(trial.genome) - 22, 0) for trial, _, differences in found)
