"""Small parts for tests: a space of integers whose best score is known, and an evaluator that looks it up."""

import errno
import json
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np
from waiting import wait_for

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

    ("epochs", 3, 0.1) reports three epochs with 0.1 seconds before each; ("epochs_and_kill", 3, 0.1) dies after them;
    ("complain_and_kill",) dies after a library and Python have written to the standard error.

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
        if action == "complain_and_kill":
            os.write(2, b"a page of a library\nCheck failed:  it is broken\n")
            print("a word of Python", file=sys.stderr)
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
        metrics = {"val_accuracy": score, "pid": os.getpid(), "malloc": os.environ.get("MALLOC_TOP_PAD_", "")}
        metrics["gpu"] = os.environ.get("CUDA_VISIBLE_DEVICES", "")
        metrics["cache"] = str(jax.config.values["jax_compilation_cache_dir"])
        if hasattr(os, "sched_getaffinity"):
            metrics["num_cores"] = len(os.sched_getaffinity(0))
        return Measurement(metrics, {"compile": 0.0, "train": 0.0})

    def evaluate(self, requests, report=ignore):
        return evaluate_serially(self.measure, requests, report)


@dataclass(frozen=True)
class Compiling:
    """Prepares and measures as the genome says, and notes it in a file of `folder`, a line of JSON for each.

    ("train", 2) trains until trial 2 is prepared, ("train",) at once; ("train_last", 2) until trial 2 trains, in
    whatever process. ("kill_once", 2) and ("kill", 2) then end their process; ("hang", 2) trains for ever,
    ("hang_once",) so at its first attempt; ("unbuildable",) raises when it is prepared, and ("poison",) ends its
    process.
    """

    folder: str

    @property
    def metric_names(self):
        return ("val_accuracy",)

    def prepare(self, trial):
        action = trial.genome[0]
        if action == "unbuildable":
            raise ArithmeticError("no such network")
        if action == "poison":
            for other in (id for id in range(trial.id) if not self._notes("train", id)):
                self._await("train", other)
            self._note("prepare", trial)
            os.kill(os.getpid(), signal.SIGKILL)
        self._note("prepare", trial)
        return lambda report: self._train(trial)

    def measure(self, trial, report=ignore):
        return self.prepare(trial)(report)

    def evaluate(self, requests, report=ignore):
        return evaluate_serially(self.measure, requests, report)

    def notes(self):
        """What was done, in order: what, the trial's id, process, thread."""
        path = Path(self.folder) / "notes"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def _train(self, trial):
        self._note("train", trial)
        action, *awaited = trial.genome
        if action == "train_last":
            wait_for(lambda: all(self._notes("train", other) for other in awaited))
        else:
            for other in awaited:
                self._await("prepare", other)
        if action == "kill" or (action == "kill_once" and len(self._notes("train", trial.id)) == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        if action == "hang" or (action == "hang_once" and len(self._notes("train", trial.id)) == 1):
            time.sleep(1000)
        return Measurement({"val_accuracy": 0.5}, {"compile": 2.0, "train": 1.0})

    def _notes(self, what, id):
        return [note for note in self.notes() if note[:2] == [what, id]]

    def _await(self, what, id):
        """Waits until it is done in this process."""
        wait_for(lambda: any(note[2] == os.getpid() for note in self._notes(what, id)))

    def _note(self, what, trial):
        line = json.dumps([what, trial.id, os.getpid(), threading.current_thread().name]) + "\n"
        with (Path(self.folder) / "notes").open("ab", buffering=0) as file:
            file.write(line.encode())
