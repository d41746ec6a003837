"""Prints the tables of the README: mean regret ± standard error at the cost of so many full trainings.

Trials and seconds are medians over the runs that could spend most.
"""

import argparse
from pathlib import Path

import numpy as np
from results import COSTS, read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, nargs="+", default=[Path(__file__).parent / "results.csv"])
    arguments = parser.parse_args()
    runs = [run for path in arguments.results for run in read(path)]
    for table in dict.fromkeys(run.label.table for run in runs):
        print(f"\n{table}\n")
        print("| method | seeds | " + " | ".join(f"at {cost:g}" for cost in COSTS) + " | trials | s a run |")
        print("|---" * (len(COSTS) + 4) + "|")
        for method in dict.fromkeys(run.label.method for run in runs if run.label.table == table):
            own = [run for run in runs if (run.label.table, run.label.method) == (table, method)]
            print(f"| {method} | {len(own)} | " + " | ".join(cells(own)) + " |")


def cells(runs: list) -> list[str]:
    at_cost = [[run.regrets[place] for run in runs if len(run.regrets) > place] for place in range(len(COSTS))]
    largest = max(run.label.max_cost for run in runs)
    longest = [run for run in runs if run.label.max_cost == largest]
    trials, seconds = (np.median([getattr(run, name) for run in longest]) for name in ("num_trials", "seconds"))
    return [*(mean(values) for values in at_cost), f"{trials:g}", f"{seconds:.2g}"]


def mean(values: list[float]) -> str:
    """The mean ± its standard error."""
    if len(values) < 2:
        return "".join(f"{value:.4f}" for value in values)
    return f"{np.mean(values):.4f} ± {np.std(values, ddof=1) / len(values) ** 0.5:.4f}"


if __name__ == "__main__":
    main()
