"""A small run for trackers: trials of two genes, and a tracking that tells them."""

import numpy as np
from made_runs import make_parts

from nas_jax.assessment import Assessment
from nas_jax.front_files import write_front
from nas_jax.listeners import Outcome, Round
from nas_jax.objectives import Objective, Objectives
from nas_jax.spaces.categorical import Categorical
from nas_jax.store import TrialStore
from nas_jax.trackers.tracking import Tracking
from nas_jax.trial import Budget, Trial

SPACE = Categorical(genes=(("width", (16, 32, 64)), ("operation", ("conv", "pool"))))
GENOMES = tuple(SPACE.genomes())
CONFIG = {"seed": 3, "search": {"num_trials": 6}}
METRICS = {"trial": 6, "val_accuracy": 0.75, "test_accuracy": 0.5, "baselines": {}}
CLASHING = Objectives((Objective("score"), Objective("best_score"), Objective("hypervolume")))  # names of series
ACCURACIES = (0.25, 0.75, None, 0.5, 0.875, 0.625)  # None: failed


def trials():
    """Six of the search, of which the third failed, and a finalist."""
    for id, (genome, accuracy) in enumerate(zip(GENOMES, ACCURACIES, strict=True)):
        if accuracy is None:
            yield trial(id, genome, status="failed", error="no <b>luck</b>", failure="error")
        else:
            curve = {"val_accuracy": [accuracy / 2, accuracy], "val_loss": [2.0, 1.0]}
            metrics = {"val_accuracy": accuracy, "val_loss": float("nan"), "curve": curve}
            yield trial(id, genome, status="finished", metrics=metrics, seconds={"compile": 1.0, "train": 2.5})
    yield trial(6, GENOMES[4], stage="final", status="finished", metrics={"val_accuracy": 0.75})


def trials_by_budgets():
    """One architecture after one epoch, then after the two that are all; and another one that was stopped."""
    for id, (genome, epochs, continues) in enumerate(((0, 1, None), (1, 1, None), (0, 2, 0))):
        values = [0.25, 0.75][:epochs]
        metrics = {"val_accuracy": values[-1], "curve": {"val_accuracy": values}}
        about = {"budget": Budget(epochs), "continues": continues, "metrics": metrics}
        yield trial(id, GENOMES[genome], status="finished", **about)


def clashing_trials():
    """Two whose metrics are called as trackers call what they count themselves; the first one failed."""
    yield trial(0, GENOMES[0], status="failed", error="", failure="error")
    yield trial(1, GENOMES[1], status="finished", metrics={"score": 0.5, "best_score": 7.0, "hypervolume": 8.0})
    yield trial(2, GENOMES[2], status="finished", metrics={"score": 0.25, "best_score": 9.0, "hypervolume": 6.0})


def later_trials():
    """Of a search that went on after the finalist of `trials`: another trial, and another finalist."""
    yield trial(7, GENOMES[0], status="finished", metrics={"val_accuracy": 0.9375})
    yield trial(8, GENOMES[0], stage="final", status="finished", metrics={"val_accuracy": 0.96875})


def trial(id, genome, stage="search", **more):
    return Trial(id, genome, SPACE.describe(genome), stage, seed=id, **more)


def assessment(num):
    return Assessment(num, tau=0.5, rho=0.25, log_density=float("nan"), coverage=1.0)


def write_front_of(workdir, *ids):
    """As a search of several objectives leaves it."""
    objectives = Objectives((Objective(), Objective("width", maximize=False)))
    metrics = {id: {"val_accuracy": ACCURACIES[id], "width": id} for id in ids}
    points = [trial(id, GENOMES[id], status="finished", metrics=metrics[id]) for id in ids]
    write_front(workdir, objectives, points)


def track(trackers, workdir, *, stored=(), told=(), is_complete=False, notes=None, objectives=None):
    """A process of a run: it finds `stored` trials in the log, and then `told` ones end."""
    note = (notes if notes is not None else []).append
    with TrialStore(workdir / "trials.jsonl") as store, Tracking(trackers, note) as tracking:
        store.put(*stored)
        parts = make_parts(SPACE, objectives=objectives or Objectives((Objective(),)))
        tracking.open(workdir, CONFIG, parts, store.trials())
        for number, each in enumerate(told):
            assessments = {"val_accuracy": assessment(number)} if each.stage == "search" else {}
            tracking.round(Round(number, [], 0.1, assessments))
            store.put(each)
            tracking.trial(each)
        if is_complete:
            tracking.end(Outcome([], None, METRICS, {}))


def best_until_each():
    """What the best value has to be after each trial of the search, by NumPy."""
    values = np.array([np.nan if value is None else value for value in ACCURACIES])
    return np.fmax.accumulate(values).tolist()
