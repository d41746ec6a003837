"""Runs without a config, for tests of their stages: on a space of numbers, whose values a table has."""

import tempfile
from pathlib import Path

from fakes import Lookup, Numbers

from nas_jax.budgets import Budgets
from nas_jax.objectives import Objective, Objectives
from nas_jax.parts import Finals, Parts, Searching
from nas_jax.run import Run
from nas_jax.search.loop import new_trial
from nas_jax.settings import FinalistSettings, SearchSettings
from nas_jax.store import TrialStore
from nas_jax.strategies.base import Proposal
from nas_jax.strategies.learner import Learner
from nas_jax.strategies.random_search import RandomSearch
from nas_jax.surrogates.gaussian_process import GaussianProcess

SPACE = Numbers()
SURROGATE = GaussianProcess(num_starts=1)
ACCURACY = Objectives((Objective(),))
FULL_ONLY = Budgets((1,))


def make_parts(
    space=SPACE,
    strategy=None,
    evaluator=None,
    objectives=ACCURACY,
    seed=0,
    search=None,
    finals=None,
    surrogate=SURROGATE,
    targets="scores",
    budgets=FULL_ONLY,
):
    """Parts of a random search of twelve trials with three finalists, or of what is given."""
    evaluator = evaluator or Lookup()
    return Parts(
        seed=seed,
        objectives=objectives,
        space=space,
        strategy=strategy or RandomSearch(space),
        learner=Learner(space, surrogate, targets),
        search=Searching(search or SearchSettings(12), evaluator, budgets),
        finals=Finals(finals or FinalistSettings(30, 3, max_doublings=0), evaluator),
    )


def make_run(store=None, **parts):
    """What it writes goes to a folder of its own, which ends with the tests."""
    return Run(make_parts(**parts), TrialStore() if store is None else store, workdir=Path(tempfile.mkdtemp()))


def trial_of(space, id, genome, stage="search", seed=0):
    """The pending trial of a genome in a run with this seed."""
    return new_trial(make_parts(space, seed=seed), id, Proposal(genome), stage)
