"""One-shot search: what its surrogate learns from."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from fakes import Numbers

from nas_jax.objectives import Objective, Objectives
from nas_jax.strategies.one_shot import OneShot
from nas_jax.surrogates.base import Posterior
from nas_jax.trial import Trial


class Seen(NamedTuple):
    num: int
    largest: float


@dataclass(frozen=True)
class Witness:
    """A surrogate that expects most of the smallest feature, and keeps what it learned from."""

    learned: list

    def __hash__(self):
        return 0

    def fit(self, key, x, y):
        self.learned.append(len(y))
        return Seen(len(y), float(np.max(x)))

    def predict(self, state, x_new, *, with_noise=False):
        x = np.asarray(x_new, np.float32)
        return Posterior(-x[:, 0], np.ones(len(x), np.float32))


def history_of(statuses):
    trials = [
        Trial(i, (i,), "", "search", 0, status, {"val_accuracy": float(i)} if status == "finished" else None)
        for i, status in enumerate(statuses)
    ]
    return Objectives((Objective(),)).history(trials)


def learned_from(statuses, num_random=6):
    witness = Witness([])
    strategy = OneShot(Numbers(100), witness, num_random=num_random, num_candidates=10)
    assert strategy.propose(np.random.default_rng(0), history_of(statuses), 2)
    return witness.learned


def test_it_never_learns_from_its_own_picks_whatever_failed_before():
    """Six random trials, of which three failed, and four picks."""
    early = ["failed", "finished", "failed", "finished", "failed", "finished"]
    assert learned_from(early) == [3]
    assert learned_from([*early, "finished", "finished", "failed", "finished"]) == [3]


def test_it_draws_on_until_two_trials_were_measured():
    assert learned_from(["failed"] * 6 + ["finished"]) == []
    assert learned_from(["failed"] * 6 + ["finished", "finished"]) == [2]
    assert learned_from(["failed"] * 6 + ["finished", "finished", "finished", "finished"]) == [2]
