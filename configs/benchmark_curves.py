"""Any table with learning curves as a benchmark, without code: columns are the curve, the others are the genes.

    python -m nas_jax.main --config=configs/benchmark_curves.py --config.evaluator.path=my.csv \\
      --config.evaluator.curve=val_loss_{} --config.objective.maximize=False

`{}` stands for the epoch or step in the names of the curve's columns: those that are there are the budgets. The genes
are all other columns but those of `--config.space.exclude=test_loss_{},seconds`. The search may spend 20 full
trainings, `--config.search.max_cost=20`. The strategy is `freeze_thaw`; others are `--config.strategy=asha`,
`hyperband`, `successive_halving` and `random_search`. See docs/budgets.md. `:smoke` has fewer trials, for tests.
"""

from collections.abc import Callable
from typing import NamedTuple

from ml_collections import ConfigDict, FieldReference
from ml_collections.config_dict import placeholder

from nas_jax.tables import name_of


class _Operation(NamedTuple):
    """By which ml_collections computes a field from another one."""

    fn: Callable[[str], str]
    args: tuple = ()


def get_config(variant: str = "full") -> ConfigDict:
    if variant not in ("full", "smoke"):
        raise ValueError(f"variant {variant!r}: choose from full, smoke")
    config = ConfigDict()
    config.seed = 0

    config.evaluator = ConfigDict({"name": "tabular", "path": "", "curve": "val_loss_{}"})
    path, curve = (config.evaluator.get_ref(name) for name in ("path", "curve"))
    config.space = ConfigDict({"name": "categorical", "path": path, "curve": curve, "continuous": True})
    config.objective = ConfigDict({"metric": FieldReference(curve, op=_Operation(name_of))})
    config.strategy = ConfigDict({"name": "freeze_thaw"})
    config.search = ConfigDict({"max_cost": 20.0})
    config.search.num_trials = placeholder(int)
    # What the search would hand over, looked up at the end of its curve.
    config.finalists = ConfigDict({"pick": "incumbent", "num_finalists": 1, "with_baseline": False})

    if variant == "smoke":
        config.objective.maximize = False
        config.space.exclude = "test_loss_{},seconds"
        config.search.max_cost = 3.0
    return config
