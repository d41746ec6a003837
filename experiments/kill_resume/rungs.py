"""A small search with rungs, to be killed: a config and the strategy that it names.

python -m nas_jax.main --config=experiments/kill_resume/rungs.py
"""

from dataclasses import dataclass

import numpy as np
from ml_collections import ConfigDict

from nas_jax.spaces.base import Space
from nas_jax.strategies.base import Proposal, random_proposals
from nas_jax.trial import Budget, Genome, History

RUNGS = ((8, 1), (4, 2), (2, 4), (1, 6))  # so many trainings reach so many epochs


@dataclass(frozen=True)
class Rungs:
    """The better half of a rung goes on to the next, once that rung is full."""

    space: Space

    def propose(self, rng: np.random.Generator, history: History, num: int) -> list[Proposal]:
        if history.pending:
            return []
        reached: dict[Genome, list[int]] = {}
        for row, genome in enumerate(history.genomes):
            reached.setdefault(genome, []).append(row)
        for rung, (num_wanted, epochs) in enumerate(RUNGS):
            there = [genome for genome, rows in reached.items() if len(rows) > rung]
            if len(there) < num_wanted and rung == 0:
                fresh = random_proposals(self.space, rng, history, num_wanted - len(there))
                return [proposal._replace(budget=Budget(epochs)) for proposal in fresh[:num]]
            if len(there) < num_wanted:
                below = [rows[rung - 1] for rows in reached.values() if len(rows) >= rung]
                best = sorted(below, key=lambda row: -history.scores[row])[:num_wanted]
                left = [row for row in best if history.genomes[row] not in there]
                return [Proposal(history.genomes[row], Budget(epochs), history.ids[row]) for row in left[:num]]
        return []


make = Rungs


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.seed = 0
    config.data = ConfigDict({"name": "digits"})
    config.space = ConfigDict({"name": "chain", "conv_filters": (4, 8), "fc_units": (16,), "max_feature_layers": 3})
    config.search = ConfigDict({"num_trials": 20})
    config.strategy = ConfigDict({"name": "experiments.kill_resume.rungs"})
    config.execution = ConfigDict({"name": "workers"})
    config.recipe = ConfigDict({"num_epochs": RUNGS[-1][1], "batch_size": 64, "learning_rate": 0.05})
    config.finalists = ConfigDict({"num_finalists": 1, "num_candidates": 50, "with_baseline": False})
    return config
