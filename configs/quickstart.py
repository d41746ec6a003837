"""The whole pipeline on scikit-learn's 8x8 digits: offline, in minutes on a laptop.

    python -m nas_jax.main --config=configs/quickstart.py

On two cores of an AMD EPYC it took 44 and 45 s with the memory settings of `run.sh`. Two workers end trials in an order
of their own, so that runs differ: the winners of four had test accuracies of 0.985, 0.992, 0.992 and 0.993 (validation
0.993 and 0.994), the means of three seeds. In two of them the winner was the best of the random trials; the reference
had 0.976.

`:one_shot` is the pipeline that surrogate search began with: random trials, one surrogate of them, and ten finalists
from one ranking. `:smoke` is the first in seconds, for tests.
"""

from ml_collections import ConfigDict

VARIANTS = ("full", "one_shot", "smoke")


def get_config(variant: str = "full") -> ConfigDict:
    if variant not in VARIANTS:
        raise ValueError(f"variant {variant!r}: choose from {', '.join(VARIANTS)}")
    config = ConfigDict()
    config.seed = 0
    config.data = ConfigDict({"name": "digits"})
    config.space = ConfigDict({"name": "chain", "conv_filters": (8, 16, 32), "max_feature_layers": 4})
    config.search = ConfigDict({"num_trials": 24})
    config.execution = ConfigDict({"name": "workers"})
    config.recipe = ConfigDict({"num_epochs": 4, "batch_size": 64, "learning_rate": 0.05})
    config.finalists = ConfigDict(
        {
            "num_finalists": 3,
            "reference": "conv3x3-16, max, conv3x3-32, max, fc-128",  # what people would write
            "evaluator": {"num_seeds": 3},  # these two: what differs from the search
            "recipe": {"num_epochs": 16},
        }
    )

    if variant == "one_shot":
        config.strategy = ConfigDict({"name": "random_search"})
        config.finalists.num_finalists = 10
    if variant == "smoke":
        config.search.num_trials = 4
        config.strategy = ConfigDict({"name": "bayesopt", "num_initial": 3})
        config.execution.name = "in_process"
        config.space.conv_filters = (4, 8)
        config.space.fc_units = (16,)
        config.space.max_feature_layers = 2
        config.recipe.num_epochs = 2
        config.finalists.num_candidates = 50
        config.finalists.num_finalists = 1
        config.finalists.reference = "conv3x3-8, max, fc-16"
        config.finalists.evaluator.num_seeds = 2
        config.finalists.recipe.num_epochs = 3
    return config
