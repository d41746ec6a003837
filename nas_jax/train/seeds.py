"""Metrics of one architecture over several training seeds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np


def over_seeds(metrics: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Of each metric the mean, its standard error as `<metric>_std_error`, and all values as `<metric>_per_seed`.

    Args:
        metrics: what each seed gave, all with the same names; of one seed alone there is no error and no list.
    """
    if len(metrics) == 1:
        return dict(metrics[0])
    summary: dict[str, Any] = {}
    for name in metrics[0]:
        values = [each[name] for each in metrics]
        summary[name] = float(np.mean(values))
        summary[f"{name}_std_error"] = float(np.std(values, ddof=1) / np.sqrt(len(values)))
        summary[f"{name}_per_seed"] = values
    return summary
