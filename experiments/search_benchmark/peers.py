"""Other libraries on the same tables: `pip install -e ".[benchmarks]"`, of which each is imported when it is asked for.

A peer searches the raw genes of a table, all of them categorical, with its own default settings. It does not know
which combinations are the same network. A combination that it asks for again is answered from the table and counts as
a query: Optuna does ask again; SMAC and the process of scikit-learn, which ranks what is untried, do not.
"""

import tempfile
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from benchmarks import Grid
from scipy.stats import norm

_NUM_INITIAL = 10  # random queries of scikit-learn's process, as many as Optuna's samplers have
BATCH_SIZE = 10  # of scikit-learn's process: the best of one ranking


def optuna_tpe(grid: Grid, budget: int, seed: int) -> list[float]:
    from optuna.samplers import TPESampler

    return _optuna(grid, budget, TPESampler(seed=seed))


def optuna_gp(grid: Grid, budget: int, seed: int) -> list[float]:
    from optuna.samplers import GPSampler

    return _optuna(grid, budget, GPSampler(seed=seed))


def _optuna(grid: Grid, budget: int, sampler: Any) -> list[float]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize", sampler=sampler)

    def objective(trial):
        sizes = zip(grid.gene_names, grid.scores.shape, strict=True)
        return grid.scores[tuple(trial.suggest_categorical(name, [*range(size)]) for name, size in sizes)]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.optimize(objective, n_trials=budget)
    return [trial.value for trial in study.trials]


def smac(grid: Grid, budget: int, seed: int) -> list[float]:
    """`HyperparameterOptimizationFacade`: a random forest, log expected improvement, a Sobol design to start."""
    from ConfigSpace import Categorical, ConfigurationSpace
    from smac import HyperparameterOptimizationFacade, Scenario
    from smac.runhistory import TrialValue

    sizes = zip(grid.gene_names, grid.scores.shape, strict=True)
    space = ConfigurationSpace(seed=seed)
    space.add([Categorical(name, [str(choice) for choice in range(size)]) for name, size in sizes])
    scores: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        scenario = Scenario(space, folder, deterministic=True, n_trials=budget, seed=seed)
        facade = HyperparameterOptimizationFacade(scenario, _asked_only, overwrite=True, logging_level=40)
        while len(scores) < budget:
            asked = facade.ask()
            scores.append(grid.scores[tuple(int(asked.config[name]) for name in grid.gene_names)])
            facade.tell(asked, TrialValue(cost=-scores[-1]))
    return scores


def _asked_only(config: Any, seed: int = 0) -> float:
    raise NotImplementedError("SMAC is asked and told, and evaluates nothing itself")


def sklearn_gp_ei(grid: Grid, budget: int, seed: int) -> list[float]:
    """One-hot genes, Matern-5/2 with a single lengthscale, expected improvement of everything that is untried."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    genes = np.indices(grid.scores.shape).reshape(grid.scores.ndim, -1)
    x = np.concatenate([np.eye(size)[row] for size, row in zip(grid.scores.shape, genes, strict=True)], axis=1)
    y = grid.scores.ravel()
    tried = np.random.default_rng(seed).choice(len(y), min(_NUM_INITIAL, budget), replace=False)
    while len(tried) < budget:
        kernel = ConstantKernel() * Matern(nu=2.5) + WhiteKernel()
        regressor = GaussianProcessRegressor(kernel, normalize_y=True, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # of hyperparameters that end at a bound
            regressor.fit(x[tried], y[tried])
        mean, std = regressor.predict(x, return_std=True)
        z = (mean - y[tried].max()) / std
        improvement = std * (z * norm.cdf(z) + norm.pdf(z))
        improvement[tried] = -1  # below any other
        num = min(BATCH_SIZE, budget - len(tried))
        tried = np.append(tried, np.argsort(-improvement, kind="stable")[:num])
    return y[tried].tolist()


PEERS: dict[str, Callable[[Grid, int, int], list[float]]] = {
    "optuna_tpe": optuna_tpe,
    "optuna_gp": optuna_gp,
    "smac": smac,
    "sklearn_gp_ei": sklearn_gp_ei,
}
MODULES = {"optuna_tpe": "optuna", "optuna_gp": "optuna", "smac": "smac"}  # which extra packages they are of
BATCH_SIZES = dict.fromkeys(PEERS, 1) | {"sklearn_gp_ei": BATCH_SIZE}
