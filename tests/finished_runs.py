"""Runs that ended well: of a classification, and of a regression."""

import pytest
from run_files import CONFIG, finalist_records, finished, search_records, write


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
