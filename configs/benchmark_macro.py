"""NAS-Bench-Macro on CIFAR-10, looked up in the benchmark's own file: 150 trials, no training.

    python -m nas_jax.main --config=configs/benchmark_macro.py --config.evaluator.path=nas-bench-macro_cifar10.json

The file maps each chain (`22212220`) to its results. The benchmark has no validation accuracies: as the literature
does, this searches on the mean test accuracy of three trainings, "mean_acc". Here it is called val_accuracy, since it
plays that part, and no test accuracy is reported: none is left that the search has not seen. For the noise of a single
training, `--config.evaluator.metrics.val_accuracy=test_acc`. `:smoke` has fewer trials, for tests.
"""

from ml_collections import ConfigDict


def get_config(variant: str = "full") -> ConfigDict:
    if variant not in ("full", "smoke"):
        raise ValueError(f"variant {variant!r}: choose from full, smoke")
    config = ConfigDict()
    config.seed = 0
    config.trackers = ()  # such as ("tensorboard",): docs/tracking.md

    config.space = ConfigDict({"name": "macro", "image_shape": (32, 32, 3), "num_outputs": 10})
    config.objective = ConfigDict({"metric": "val_accuracy", "maximize": True})
    config.strategy = ConfigDict({"name": "bayesopt"})
    config.search = ConfigDict({"num_trials": 150, "max_failures": 10})
    config.evaluator = ConfigDict(
        {
            "name": "tabular",
            "path": "",
            "key": "key",
            "metrics": {"val_accuracy": "mean_acc"},
            "seconds": "",  # the column of a trial's training seconds, if the table has one
            "num_workers": 1,
        }
    )
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
        {"num_candidates": 1000, "num_finalists": 3, "with_baseline": True, "targets": "ranks"}
    )

    if variant == "smoke":
        config.search.num_trials = 6
        config.finalists.num_candidates = 50
        config.finalists.num_finalists = 1
    return config.lock()
