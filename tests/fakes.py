"""Small parts for tests: a space of integers whose best score is known, and an evaluator that looks it up."""

from dataclasses import dataclass

import numpy as np

from nas_jax.evaluators.base import Measurement, evaluate_serially
from nas_jax.spaces.base import Cost


@dataclass(frozen=True)
class Numbers:
    """The genomes (0,), (1,), … (num - 1,)."""

    num: int = 50

    @property
    def num_genomes(self):
        return self.num

    def genomes(self):
        return ((i,) for i in range(self.num))

    def sample(self, rng, num, exclude=frozenset()):
        left = [(i,) for i in range(self.num) if (i,) not in exclude]
        return [left[i] for i in rng.permutation(len(left))[:num]]

    def mutate(self, rng, genome):
        return ((genome[0] + 1) % self.num,)

    def neighbors(self, genome):
        return [((genome[0] + 1) % self.num,)]

    def crossover(self, rng, first, second):
        return ((first[0] + second[0]) // 2,)

    def encode(self, genomes):
        return np.array(genomes, np.float32) / self.num

    def describe(self, genome):
        return f"number {genome[0]}"

    def cost(self, genome):
        return Cost(num_params=genome[0], flops=0)

    def network(self, genome, dtype):
        raise AssertionError("nothing is trained here")


@dataclass(frozen=True)
class Lookup:
    """Scores number i with i, or fails where `fails` says so. Calls `before` first."""

    fails: object = staticmethod(lambda genome: False)
    before: object = staticmethod(lambda trial: None)

    @property
    def metric_names(self):
        return ("val_accuracy",)

    def measure(self, trial):
        self.before(trial)
        if self.fails(trial.genome):
            raise ArithmeticError(f"no result\nfor {trial.genome}")
        return Measurement({"val_accuracy": float(trial.genome[0]), "num_params": 1}, {"compile": 0.0, "train": 0.0})

    def evaluate(self, requests):
        return evaluate_serially(self.measure, requests)


def dies_at(trial_id):
    """An evaluator that is interrupted in the middle of a trial."""

    def before(trial):
        if trial.id == trial_id:
            raise KeyboardInterrupt

    return Lookup(before=before)
