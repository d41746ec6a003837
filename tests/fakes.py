"""Small parts for tests: a space of integers whose best score is known, and an evaluator that looks it up."""

import errno
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas_jax.errors import UserError
from nas_jax.evaluators.base import Measurement, Progress, evaluate_serially, ignore
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

    def measure(self, trial, report=ignore):
        self.before(trial)
        if self.fails(trial.genome):
            raise ArithmeticError(f"no result\nfor {trial.genome}")
        return Measurement({"val_accuracy": float(trial.genome[0]), "num_params": 1}, {"compile": 0.0, "train": 0.0})

    def evaluate(self, requests, report=ignore):
        return evaluate_serially(self.measure, requests, report)


def dies_at(trial_id):
    """An evaluator that is interrupted in the middle of a trial."""

    def before(trial):
        if trial.id == trial_id:
            raise KeyboardInterrupt

    return Lookup(before=before)


@dataclass(frozen=True)
class Acting:
    """Does in a worker process what the genome says: ("score", 0.5), ("raise",), ("kill",), ("hang",) and others.

    ("epochs", 3, 0.1) reports three epochs with 0.1 seconds before each; ("epochs_and_kill", 3, 0.1) dies after them.

    `folder` holds a file for each trial that was begun, named by its id, with a line for each beginning.
    """

    folder: str

    @property
    def metric_names(self):
        return ("val_accuracy",)

    def measure(self, trial, report=ignore):
        path = Path(self.folder) / str(trial.id)
        with path.open("a") as file:
            file.write(f"{os.getpid()}\n")
        action, *arguments = trial.genome
        if action == "kill" or (action == "kill_once" and len(path.read_text().split()) == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        if action in ("epochs", "epochs_and_kill"):
            num_epochs, seconds = arguments
            for epoch in range(1, num_epochs + 1):
                time.sleep(seconds)
                report(Progress(trial.id, epoch, {"val_accuracy": epoch / num_epochs}))
        if action == "epochs_and_kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if action == "hang":
            time.sleep(1000)
        if action == "sleep":
            time.sleep(arguments[0])
        if action == "eat":
            bytearray(arguments[0])
        if action == "raise":
            raise KeyError("no such layer")
        if action == "refuse":
            raise UserError("the data set is not there")
        if action == "fill":
            raise OSError(errno.ENOSPC, "No space left on device", "finalists/3")
        score = arguments[0] if action == "score" else 1.0
        metrics = {"val_accuracy": score, "pid": os.getpid(), "malloc": os.environ["MALLOC_TOP_PAD_"]}
        if hasattr(os, "sched_getaffinity"):
            metrics["num_cores"] = len(os.sched_getaffinity(0))
        return Measurement(metrics, {"compile": 0.0, "train": 0.0})

    def evaluate(self, requests, report=ignore):
        return evaluate_serially(self.measure, requests, report)
