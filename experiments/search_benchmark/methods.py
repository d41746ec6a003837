"""What is compared, as config sections: strategies, and one change each of the default `bayesopt`.

A section that is left out is the recommended one; "space" is added to the section of the benchmark's space. Batches and
simulated workers are flags of `run.py`, and go with any method.
"""

from typing import Any

from nas_jax.config import RECOMMENDED

DEFAULT = "bayesopt"

SURROGATE: dict[str, Any] = RECOMMENDED["surrogate"]
OPTIMISED = {**SURROGATE, "hyperparameters": "optimised", "num_starts": 1}
ONE_LENGTHSCALE = {"ard": False}
STRATEGY: dict[str, Any] = {"name": "bayesopt"}

STRATEGIES: dict[str, dict[str, Any]] = {
    "random_search": {"strategy": {"name": "random_search"}},
    "one_shot": {"strategy": {"name": "one_shot"}},
    "evolution": {"strategy": {"name": "evolution"}},
    "local_search": {"strategy": {"name": "local_search"}},
    DEFAULT: {},
}
ABLATIONS: dict[str, dict[str, Any]] = {
    "surrogate:gp_one_draw": {"surrogate": {**SURROGATE, "num_draws": 1}},
    "surrogate:gp_one_lengthscale": {"surrogate": {**SURROGATE, **ONE_LENGTHSCALE}},
    "surrogate:gp_optimised": {"surrogate": {**OPTIMISED, **ONE_LENGTHSCALE}},
    "surrogate:gp_ard": {"surrogate": OPTIMISED},
    "surrogate:random_forest": {"surrogate": {"name": "random_forest"}},
    "surrogate:svm": {"surrogate": {"name": "svm"}},
    "surrogate:deep_ensemble": {"surrogate": {"name": "deep_ensemble"}},
    "surrogate:auto": {"surrogate": {"name": "auto", "choices": [SURROGATE, "random_forest", "svm"]}},
    "encoding:one_hot": {"space": {"encoding": "one_hot"}},
    "encoding:path": {"space": {"encoding": "path"}},
    "encoding:functional": {"space": {"encoding": "functional"}},
    "encoding:raw_categorical": {"is_raw": True},  # the space `categorical` in place of the benchmark's own
    "encoding:free_features": {"space": {"free_features": True}},
    "acquisition:thompson": {"strategy": {**STRATEGY, "acquisition": "thompson"}},
    "acquisition:mean": {"strategy": {**STRATEGY, "acquisition": "mean"}},
    "acquisition:expected_improvement": {"strategy": {**STRATEGY, "acquisition": "expected_improvement"}},
    "acquisition:probability_of_improvement": {"strategy": {**STRATEGY, "acquisition": "probability_of_improvement"}},
    "targets:scores": {"targets": "scores"},
    "pool:evolved": {"strategy": {**STRATEGY, "max_enumerated": 0}},
}
OURS = STRATEGIES | ABLATIONS
