"""Every strategy of the package, for tests of what holds for all of them."""

import importlib
import pkgutil

import nas_jax.strategies
from nas_jax.budgets import Budgets
from nas_jax.build import build
from nas_jax.surrogates.gaussian_process import GaussianProcess

NAMES = [
    module.name
    for module in pkgutil.iter_modules(nas_jax.strategies.__path__)
    if hasattr(importlib.import_module(f"nas_jax.strategies.{module.name}"), "make")
]
WITH_RUNGS = ("asha", "freeze_thaw", "hyperband", "successive_halving")
FEW_CANDIDATES = {"num_candidates": 50, "max_enumerated": 500}  # more take longer, and change nothing that is asserted
# Settings with which the few genomes below are enough to leave the initial phase.
SECTIONS = {
    "asha": {"num_brackets": 2},
    "bayesopt": {"num_initial": 4, **FEW_CANDIDATES},
    "evolution": {"population_size": 4, "tournament_size": 2},
    "freeze_thaw": {"num_initial": 4, **FEW_CANDIDATES},
    "local_search": {"num_initial": 3},
    "one_shot": {"num_random": 6, "num_candidates": 50},
    "successive_halving": {"num_configs": 20},
}
BUDGETS = Budgets((1, 3, 9, 27))
SURROGATE = GaussianProcess(ard=False, hyperparameters="drawn", scale_inputs=False, warp="identity")


def make(name, space):
    provided = {"space": space, "surrogate": SURROGATE, "targets": "ranks", "budgets": BUDGETS}
    return build("nas_jax.strategies", {"name": name, **SECTIONS.get(name, {})}, **provided)
