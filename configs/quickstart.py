"""The whole pipeline on scikit-learn's 8x8 digits: offline, in minutes on a laptop.

    python -m nas_jax.main --config=configs/quickstart.py

On two cores of an AMD EPYC it took 1 min 9 s with the memory settings of `run.sh`, and the winner had a test
accuracy of 0.990 (validation 0.993), the means of three seeds. The variant `:smoke` is the same in seconds, for tests.
"""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder


def get_config(variant: str = "full") -> ConfigDict:
    if variant not in ("full", "smoke"):
        raise ValueError(f"variant {variant!r}: choose from full, smoke")
    config = ConfigDict()
    config.seed = 0
    config.trackers = ()  # such as ("tensorboard",): docs/tracking.md

    config.data = ConfigDict({"name": "digits", "seed": 0, "pad": 1})
    config.space = ConfigDict(
        {
            "name": "chain",
            "conv_sizes": (3, 5),
            "conv_filters": (16, 32, 64),
            "pool_types": ("max", "avg"),
            "fc_units": (128, 256, 512),
            "min_feature_layers": 1,
            "max_feature_layers": 4,
            "min_fc_layers": 1,
            "max_fc_layers": 2,
        }
    )
    config.objective = ConfigDict({"metric": "val_accuracy", "maximize": True})
    config.strategy = ConfigDict({"name": "random_search"})
    config.search = ConfigDict({"num_trials": 24, "max_failures": 10})
    config.evaluator = ConfigDict({"name": "training", "num_seeds": 1, "compile_ahead": 0})
    config.execution = ConfigDict(
        {
            "name": "workers",
            "num_workers": placeholder(int),  # None: one a core, or one a GPU
            "time_limit": placeholder(float),  # seconds of one trial
            "memory_gb": placeholder(float),
            "max_retries": 2,
        }
    )
    config.recipe = make_recipe(num_epochs=4)

    # Some chains fail badly: on the scale of log errors they do not drown the differences among the good ones.
    config.surrogate = ConfigDict(
        {"name": "gaussian_process", "kernel": "matern52", "ard": True, "warp": "log_distance", "upper_bound": 1.01}
    )
    config.finalists = ConfigDict({"num_candidates": 1000, "num_finalists": 3, "with_baseline": True})
    config.finalists.reference = "conv3x3-32, max, conv3x3-64, max, fc-128"  # what people would write
    config.finalists.evaluator = ConfigDict({"num_seeds": 3})  # what differs from the search's
    config.finalists.recipe = make_recipe(num_epochs=16)

    if variant == "smoke":
        config.search.num_trials = 4
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
    return config.lock()


def make_recipe(num_epochs: int) -> ConfigDict:
    return ConfigDict(
        {
            "num_epochs": num_epochs,
            "batch_size": 64,
            "learning_rate": 0.05,
            "momentum": 0.9,
            "warmup_epochs": 1.0,
            "weight_decay": 5e-4,
            "label_smoothing": 0.0,
            "compute_dtype": "auto",
            "drop_last": True,
            "parallel": "none",
            "num_devices": placeholder(int),  # None: all, if parallel
        }
    )
