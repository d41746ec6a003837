"""Search on CIFAR-10: 100 chains, one after the other by Bayesian optimisation, and ten finalists.

    python -m nas_jax.main --config=configs/cifar10.py

needs a prepared data set (see the README) and an accelerator; it has not been timed on one. `:one_shot` is the
baseline: 100 random chains, a surrogate of them, and the ten that rank best among those and 1,000 new ones. `:cpu` is
that baseline with the training cut down, by examples and epochs: on two cores of an AMD EPYC it took 37 minutes, and
the winner had a test accuracy of 0.483, a reference network 0.452 (`experiments/seed_pipeline`). `:smoke` is for tests.
"""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

VARIANTS = ("full", "one_shot", "cpu", "smoke")


def get_config(variant: str = "full") -> ConfigDict:
    if variant not in VARIANTS:
        raise ValueError(f"variant {variant!r}: choose from {', '.join(VARIANTS)}")
    config = ConfigDict()
    config.seed = 0
    config.trackers = ()  # such as ("tensorboard",): docs/tracking.md

    config.data = ConfigDict(
        {
            "name": "tfds",
            "dataset": "cifar10",
            "data_dir": placeholder(str),  # None: TFDS's own folder
            "num_train": placeholder(int),  # None: all that is left
            "num_val": 5000,
            "num_test": placeholder(int),
            "seed": 0,
            "pad": 4,
            "flip": True,
        }
    )
    config.space = ConfigDict(
        {
            "name": "chain",
            "conv_sizes": (3, 5),
            "conv_filters": (16, 32, 64),
            "pool_types": ("max", "avg"),
            "fc_units": (128, 256, 512),
            "min_feature_layers": 2,
            "max_feature_layers": 5,
            "min_fc_layers": 1,
            "max_fc_layers": 2,
        }
    )
    config.objective = ConfigDict({"metric": "val_accuracy", "maximize": True})
    config.strategy = ConfigDict({"name": "bayesopt"})
    config.search = ConfigDict({"num_trials": 100, "max_failures": 10})
    config.evaluator = ConfigDict({"name": "training", "num_seeds": 1, "compile_ahead": 0})
    config.execution = ConfigDict(
        {
            "name": "workers",  # or ray, slurm, in_process
            "num_workers": placeholder(int),  # None: one a core, or one a GPU
            "time_limit": placeholder(float),  # seconds of one trial
            "memory_gb": placeholder(float),
            "max_retries": 2,
        }
    )
    config.recipe = make_recipe(num_epochs=10, batch_size=128, learning_rate=0.1)

    config.surrogate = ConfigDict(
        {
            "name": "gaussian_process",
            "kernel": "matern52",
            "ard": False,
            "hyperparameters": "drawn",
            "warp": "identity",  # ranks need none
            "scale_inputs": False,  # the strategy scales them over all candidates
        }
    )
    config.finalists = ConfigDict(
        {"num_candidates": 1000, "num_finalists": 10, "with_baseline": True, "targets": "ranks"}
    )
    config.finalists.reference = "conv3x3-32, conv3x3-32, max, conv3x3-64, max, fc-256"  # what people would write
    config.finalists.evaluator = ConfigDict({"num_seeds": 3})  # what differs from the search's
    config.finalists.recipe = make_recipe(num_epochs=60, batch_size=128, learning_rate=0.1)

    if variant in ("one_shot", "cpu"):
        config.strategy = ConfigDict({"name": "random_search"})
        config.surrogate = ConfigDict({"name": "gaussian_process", "kernel": "matern52", "ard": True})
        config.finalists.targets = "scores"
    if variant == "cpu":
        config.data.num_train = 2048
        config.data.num_val = 1500
        config.recipe = make_recipe(num_epochs=2, batch_size=32, learning_rate=0.05, warmup_epochs=0.5)
        config.finalists.recipe = make_recipe(num_epochs=6, batch_size=32, learning_rate=0.05)
    if variant == "smoke":
        config.data.num_train = 64
        config.data.num_val = 64
        config.data.num_test = 64
        config.space.conv_filters = (4, 8)
        config.space.fc_units = (16,)
        config.space.max_feature_layers = 3
        config.search.num_trials = 4
        config.execution.name = "in_process"
        config.recipe = make_recipe(num_epochs=2, batch_size=32, learning_rate=0.05)
        config.finalists.num_candidates = 50
        config.finalists.num_finalists = 1
        config.finalists.reference = "conv3x3-8, max, conv3x3-8, fc-16"
        config.finalists.evaluator.num_seeds = 1
        config.finalists.recipe = make_recipe(num_epochs=2, batch_size=32, learning_rate=0.05)
    return config.lock()


def make_recipe(num_epochs: int, batch_size: int, learning_rate: float, warmup_epochs: float = 1.0) -> ConfigDict:
    return ConfigDict(
        {
            "num_epochs": num_epochs,
            "batch_size": batch_size,
            "learning_rate": learning_rate,
            "momentum": 0.9,
            "warmup_epochs": warmup_epochs,
            "weight_decay": 5e-4,
            "label_smoothing": 0.0,
            "compute_dtype": "auto",
            "drop_last": True,
            "parallel": "none",
            "num_devices": placeholder(int),  # None: all, if parallel
        }
    )
