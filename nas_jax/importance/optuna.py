"""Importance by Optuna's evaluators, which know nothing of the surrogate: from the trials alone."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from jaxtyping import Float


def optuna_importances(
    choices: Mapping[str, Sequence[Any]], places: Float[np.ndarray, "n g"], y: Float[np.ndarray, " n"], *, seed: int
) -> dict[str, dict[str, float]]:
    """Shares that sum to one over the genes, by "fanova" and "ped_anova".

    fANOVA: first-order shares of a random forest's variance (Hutter, Hoos & Leyton-Brown, "An efficient approach for
    assessing hyperparameter importance", ICML 2014). PED-ANOVA: how much the genes of the best tenth of the trials
    differ from those of all (Watanabe, Bansal & Hutter, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance
    in Arbitrary Subspaces", IJCAI 2023).

    Args:
        choices: of each gene, by its name.
        places: of each trial, the place of its choice for each gene.
        y: what was measured of the trials; higher is better.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    distributions = {
        name: optuna.distributions.CategoricalDistribution(range(len(listed))) for name, listed in choices.items()
    }
    for row, value in zip(places.astype(int).tolist(), y.tolist(), strict=True):
        params = dict(zip(choices, row, strict=True))
        study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=value))
    evaluators = {
        "fanova": optuna.importance.FanovaImportanceEvaluator(seed=seed),
        "ped_anova": optuna.importance.PedAnovaImportanceEvaluator(),
    }
    found = {}
    for measure, evaluator in evaluators.items():
        shares = optuna.importance.get_param_importances(study, evaluator=evaluator, params=list(choices))
        found[measure] = {name: float(shares[name]) for name in choices}
    return found
