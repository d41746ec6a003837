"""Any table as a benchmark, without code: its columns are the genes, one of them the target. See docs/tables.md.

    python -m nas_jax.main --config=configs/benchmark_table.py --config.evaluator.path=my.csv --config.target=accuracy

The genes are all columns but the target and those of `--config.exclude=params,latency`, or those that are named:
`--config.genes=depth,width,operation`. A target that should be small: `--config.objective.maximize=false`. `:smoke`
has fewer trials, for tests.

Several objectives, and constraints, are columns too, and no genes:

    --config.objectives='[{"metric": "accuracy"}, {"metric": "latency", "maximize": false}]'
    --config.constraints='[{"metric": "params", "at_most": 500000}]'
"""

from ml_collections import ConfigDict, FieldReference


def get_config(variant: str = "full") -> ConfigDict:
    if variant not in ("full", "smoke"):
        raise ValueError(f"variant {variant!r}: choose from full, smoke")
    config = ConfigDict()
    config.seed = 0

    # One flag each for what several sections need.
    config.target = "accuracy"
    config.genes = ""
    config.exclude = ""
    target, genes, exclude = (config.get_ref(name) for name in ("target", "genes", "exclude"))

    config.evaluator = ConfigDict(
        {
            "name": "tabular",
            "path": "",
            "metrics": FieldReference(target, field_type=object),  # a flag may give a mapping as well
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
    config.objective = ConfigDict({"metric": target})
    config.search = ConfigDict({"num_trials": 150})
    config.finalists = ConfigDict({"num_finalists": 3})

    if variant == "smoke":
        config.search.num_trials = 6
        config.finalists.num_candidates = 50
        config.finalists.num_finalists = 1
    return config
