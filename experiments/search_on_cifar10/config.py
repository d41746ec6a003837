"""Chains on a part of CIFAR-10, by one of several strategies; a variant is a strategy.

Its search has no end of its own: `run.py` ends it when it has used the time that all of them get.
"""

from ml_collections import ConfigDict

STRATEGIES = ("random_search", "one_shot", "bayesopt", "freeze_thaw")


def get_config(variant: str = "freeze_thaw") -> ConfigDict:
    if variant not in STRATEGIES:
        raise ValueError(f"variant {variant!r}: choose from {', '.join(STRATEGIES)}")
    config = ConfigDict()
    config.seed = 0
    config.data = ConfigDict({"name": "tfds", "num_train": 2048, "num_val": 2000})
    config.space = ConfigDict({"name": "chain", "min_feature_layers": 2, "max_feature_layers": 5})
    config.search = ConfigDict({"num_trials": 10_000})
    config.strategy = ConfigDict({"name": variant})
    if variant == "one_shot":
        config.strategy.num_random = 8  # half of what random search gets through in a quarter of an hour
    if variant == "freeze_thaw":
        config.strategy.by_flops = True
    config.execution = ConfigDict({"name": "workers"})
    config.recipe = ConfigDict({"num_epochs": 8, "batch_size": 32, "learning_rate": 0.05})
    config.finalists = ConfigDict(
        {"pick": "incumbent", "num_finalists": 1, "with_baseline": False, "evaluator": {"num_seeds": 3}}
    )
    return config
