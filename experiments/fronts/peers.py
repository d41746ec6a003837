"""Other libraries on the same questions. They see each cell as six categorical choices.

Each is `(cells, case, budget, seed) -> the rows that it asked for`, a repeated one each time.
"""

from collections.abc import Callable

import numpy as np
from cases import OPERATIONS, Case, Cells


def _rows(cells: Cells) -> dict[tuple[str, ...], int]:
    return {operations: row for row, operations in enumerate(cells.operations)}


def _optuna(make_sampler: Callable) -> Callable[[Cells, Case, int, int], list[int]]:
    def run(cells: Cells, case: Case, budget: int, seed: int) -> list[int]:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        values, rows, asked = cells.values(case), _rows(cells), []

        def constraints(trial):
            return trial.user_attrs["constraint"]

        sampler = make_sampler(optuna.samplers, seed, constraints if case.is_limited else None)
        study = optuna.create_study(directions=["maximize"] * values.shape[1], sampler=sampler)
        for _ in range(budget):
            trial = study.ask()
            row = rows[tuple(trial.suggest_categorical(f"edge{place}", OPERATIONS) for place in range(6))]
            asked.append(row)
            trial.set_user_attr("constraint", [float(cells.metrics["latency"][row] - cells.limit)])
            study.tell(trial, values[row].tolist())
        return asked

    return run


def _tpe(samplers, seed, constraints):
    return samplers.TPESampler(seed=seed, constraints_func=constraints)


def _gp(samplers, seed, constraints):  # needs torch
    return samplers.GPSampler(seed=seed, constraints_func=constraints)


def pymoo_nsga2(cells: Cells, case: Case, budget: int, seed: int) -> list[int]:
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.problem import ElementwiseProblem
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair
    from pymoo.operators.sampling.rnd import IntegerRandomSampling
    from pymoo.optimize import minimize

    values, rows, asked = cells.values(case), _rows(cells), []

    class Problem(ElementwiseProblem):
        def __init__(self):
            constraints = {"n_ieq_constr": 1} if case.is_limited else {}
            super().__init__(n_var=6, n_obj=values.shape[1], xl=0, xu=4, vtype=int, **constraints)

        def _evaluate(self, x, out, *args, **kwargs):
            row = rows[tuple(OPERATIONS[int(place)] for place in x)]
            asked.append(row)
            out["F"] = -values[row]
            if case.is_limited:
                out["G"] = [cells.metrics["latency"][row] - cells.limit]

    algorithm = NSGA2(
        pop_size=20,
        sampling=IntegerRandomSampling(),
        crossover=SBX(prob=1.0, eta=3.0, vtype=float, repair=RoundingRepair()),
        mutation=PM(prob=1.0, eta=3.0, vtype=float, repair=RoundingRepair()),
        eliminate_duplicates=True,
    )
    minimize(Problem(), algorithm, ("n_eval", budget), seed=seed, verbose=False)
    return asked[:budget]


def random_cells(cells: Cells, case: Case, budget: int, seed: int) -> list[int]:
    return np.random.default_rng(seed).permutation(len(cells.names))[:budget].tolist()


PEERS: dict[str, Callable[[Cells, Case, int, int], list[int]]] = {
    "random": random_cells,
    "optuna_tpe": _optuna(_tpe),
    "optuna_gp": _optuna(_gp),
    "pymoo_nsga2": pymoo_nsga2,
}
