"""Any table as a benchmark, without code: its columns are the genes, one of them the target. See docs/tables.md.

    python -m nas_jax.main --config=configs/benchmark_table.py --config.evaluator.path=my.csv --config.target=accuracy

The genes are all columns but the target and those of `--config.exclude=params,latency`, or those that are named:
`--config.genes=depth,width,operation`. A target that should be small: `--config.objective.maximize=false`. `:smoke`
has fewer trials, for tests.
"""

from ml_collections import ConfigDict


def get_config(variant: str = "full") -> ConfigDict:
    if variant not in ("full", "smoke"):
        raise ValueError(f"variant {variant!r}: choose from full, smoke")
    config = ConfigDict()
    config.seed = 0
    config.trackers = ()  # such as ("tensorboard",): docs/tracking.md

    # One flag each for what several sections need.
    config.target = "accuracy"
    config.genes = ""
    config.exclude = ""
    target, genes, exclude = (config.get_ref(name) for name in ("target", "genes", "exclude"))

    config.evaluator = ConfigDict(
        {
            "name": "tabular",
            "path": "",
            "metrics": target,
            "seconds": "",  # the column of a trial's training seconds, if the table has one
            "num_workers": 1,
        }
    )
    config.space = ConfigDict(
        {
            "name": "categorical",
            "path": config.evaluator.get_ref("path"),
            "genes": genes,
            "exclude": target + "," + exclude,
        }
    )
    config.objective = ConfigDict({"metric": target, "maximize": True})
    config.strategy = ConfigDict({"name": "bayesopt"})
    config.search = ConfigDict({"num_trials": 150, "max_failures": 10})
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
