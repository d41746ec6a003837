"""Prints the tables of README.md from trials.csv and runs.csv.

python experiments/population_speed/report.py
"""

import csv
import statistics
from pathlib import Path

from setting import Setting

HERE = Path(__file__).parent
REFERENCE = "ours_2"
PARTS = ("compile", "train", "eval")


def main() -> None:
    runs = read("runs.csv")
    trials = read("trials.csv")
    print("| method | wall (s) | load average before, after | CPU (s) | wall over ours | CPU over ours |")
    print("|---|---|---|---|---|---|")
    totals = {row["method"]: cpu_seconds(trials, row["method"], *PARTS) for row in runs}
    walls = {row["method"]: float(row["wall_seconds"]) for row in runs}
    for row in runs:
        method = row["method"]
        ratios = f"{walls[method] / walls[REFERENCE]:.2f} | {totals[method] / totals[REFERENCE]:.2f}"
        loads = f"{row['load_before']}, {row['load_after']}"
        print(f"| {method} | {walls[method]:.0f} | {loads} | {totals[method]:.0f} | {ratios} |")
    print("\n| method | compile (CPU s each) | share of CPU | images a CPU second | images a second, one process |")
    print("|---|---|---|---|---|")
    for row in runs:
        method, num_images = row["method"], int(row["num_architectures"]) * int(row["num_train"])
        compiling = cpu_seconds(trials, method, "compile")
        seconds = sum(float(trial["train_seconds"]) for trial in of(trials, method))
        print(
            f"| {method} | {compiling / int(row['num_architectures']):.2f} | {compiling / totals[method]:.1%} "
            f"| {num_images / cpu_seconds(trials, method, 'train'):.0f} | {num_images / seconds:.0f} |"
        )
    print("\n| method | mean accuracy | less ours (standard error) |")
    print("|---|---|---|")
    ours = accuracies(trials, REFERENCE)
    for row in runs:
        theirs = accuracies(trials, row["method"])
        differences = [theirs[i] - ours[i] for i in ours]
        error = statistics.stdev(differences) / len(differences) ** 0.5
        mean = statistics.mean(theirs.values())
        print(f"| {row['method']} | {mean:.4f} | {statistics.mean(differences):+.4f} ({error:.4f}) |")


def read(name: str) -> list[dict[str, str]]:
    """The rows with the default setting: run.py writes those with others to the same file."""
    default = {"batch_size": str(Setting.batch_size), "num_train": str(Setting.num_train)}
    with (HERE / name).open(newline="") as file:
        return [row for row in csv.DictReader(file) if default.items() <= row.items()]


def of(trials: list[dict[str, str]], method: str) -> list[dict[str, str]]:
    return [trial for trial in trials if trial["method"] == method]


def cpu_seconds(trials: list[dict[str, str]], method: str, *parts: str) -> float:
    return sum(float(trial[f"{part}_cpu_seconds"]) for trial in of(trials, method) for part in parts)


def accuracies(trials: list[dict[str, str]], method: str) -> dict[str, float]:
    return {trial["architecture"]: float(trial["val_accuracy"]) for trial in of(trials, method)}


if __name__ == "__main__":
    main()
