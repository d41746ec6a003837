"""NAS-Bench-201 on CIFAR-10, looked up in a table that you have: 150 trials, no training.

    python -m nas_jax.main --config=configs/benchmark_nb201.py --config.evaluator.path=nb201.csv

The table is a CSV or JSON file with a row for each cell: its string (`|nor_conv_3x3~0|+|…|`) in the column
"architecture", its accuracies after 200 epochs in "val_accuracy_200" and "test_accuracy_200". Other names by flag:
`--config.evaluator.key=arch_str --config.evaluator.metrics.val_accuracy=valid_acc`. The search sees the validation
accuracy only. On two cores of an AMD EPYC it took 17 s (16.1 to 17.4, three runs), and found the best cell of all.
`:smoke` has fewer trials, for tests.

    python -m nas_jax.main --config=configs/benchmark_nb201.py:energy --config.evaluator.path=nb201.csv

looks for accuracy against the energy of an inference on an edge GPU, a column "edgegpu_energy_mj", and leaves
`front.csv` and `hypervolume.csv`; the hypervolume is counted from an accuracy of 80 % and 60 mJ. `:energy_smoke` is
short.
"""

from ml_collections import ConfigDict


def get_config(variant: str = "full") -> ConfigDict:
    if variant not in ("full", "smoke", "energy", "energy_smoke"):
        raise ValueError(f"variant {variant!r}: choose from full, smoke, energy, energy_smoke")
    config = ConfigDict()
    config.seed = 0

    config.space = ConfigDict({"name": "nb201", "image_shape": (32, 32, 3), "num_outputs": 10})
    config.search = ConfigDict({"num_trials": 150})
    config.evaluator = ConfigDict(
        {
            "name": "tabular",
            "path": "",
            "key": "architecture",
            "metrics": {"val_accuracy": "val_accuracy_200", "test_accuracy": "test_accuracy_200"},
        }
    )
    config.finalists = ConfigDict({"num_finalists": 3})

    if variant.startswith("energy"):
        config.evaluator.metrics.energy_mj = "edgegpu_energy_mj"
        config.objectives = (
            {"metric": "val_accuracy", "reference": 0.8},
            {"metric": "energy_mj", "maximize": False, "reference": 60.0},
        )
        config.finalists.num_finalists = 10

    if variant.endswith("smoke"):
        config.search.num_trials = 6
        config.finalists.num_candidates = 50
        config.finalists.num_finalists = 1
    return config
