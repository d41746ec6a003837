"""Runs that ended well: of a classification, and of a regression."""

import numpy as np
import pytest
from run_files import CONFIG, finalist_records, finished, search_records, write

RUNGS = (3, 9, 27)


@pytest.fixture
def complete(tmp_path):
    """A finished run: 40 search trials, finalists 40 to 44 of which 41 wins, and a baseline."""
    searched = list(search_records(40))
    baseline = finished(45, [1, 2, 3, 4], 0.68, "baseline")
    return write(
        tmp_path / "complete",
        [*searched, *finalist_records(searched), baseline],
        environment={"command": "python -m nas_jax.main --config=a.py", "devices": ["cpu"]},
        best={
            "trial": 41,
            "val_accuracy": 0.70,
            "test_accuracy": 0.69,
            "num_test": 10000,
            "baselines": {"baseline": baseline["metrics"] | {"trial": 45, "test_accuracy": 0.66}},
        },
    )


@pytest.fixture
def stopped_early(tmp_path):
    """27 architectures for 3 epochs, the best 9 of them for 9, the best 3 of these for 27; the lowest epochs flatter.

    Values of the first rung are higher than any in full: what mixes budgets shows it.
    """
    rng, records = np.random.default_rng(0), []
    genomes = [[int(gene) for gene in rng.integers(1, 9, 4)] for _ in range(27)]
    group = [(None, genome) for genome in genomes]
    for rung, epochs in enumerate(RUNGS):
        ended = []
        for before, genome in group:
            accuracy = 0.9 - 0.2 * rung + 0.002 * sum(genome)
            record = finished(len(records), genome, accuracy, budget={"epochs": epochs}, continues=before)
            record["metrics"]["curve"] = {"val_accuracy": np.linspace(0.1, accuracy, epochs).tolist()}
            records.append(record)
            ended.append((accuracy, record["id"], genome))
        group = [(id, genome) for _, id, genome in sorted(ended, reverse=True)[: len(ended) // 3]]
    return write(tmp_path / "stopped", records)


@pytest.fixture
def regression(tmp_path):
    """As `complete`, but what is measured is a root mean squared error, of which less is better."""
    searched = list(search_records(40))
    trials = [*searched, *finalist_records(searched), finished(45, [1, 2, 3, 4], 0.68, "baseline")]
    records = [each | {"metrics": each["metrics"] and _errors(each["metrics"])} for each in trials]
    baseline = records[-1]["metrics"] | {"trial": 45, "test_rmse": 1.36, "test_loss": 1.85}
    return write(
        tmp_path / "regression",
        records,
        CONFIG | {"objective": {"metric": "val_rmse", "maximize": False}},
        best={**records[41]["metrics"], "trial": 41, "test_rmse": 1.31, "test_loss": 1.72}
        | {"num_test": 10000, "baselines": {"baseline": baseline}},
    )


def _errors(metrics):
    rmse = 2 - metrics["val_accuracy"]
    return {"val_rmse": rmse, "val_loss": rmse**2, "num_params": metrics["num_params"], "flops": metrics["flops"]}
