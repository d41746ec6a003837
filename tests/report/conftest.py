"""A run that ended well."""

import pytest
from run_files import finalist_records, finished, search_records, write


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
