"""Takes from a finished run what this folder keeps of it: the trial log as CSV, and the key figures.

python experiments/seed_pipeline/collect.py --workdir=runs/cifar10-cpu
"""

import argparse
import csv
import json
from pathlib import Path

import numpy as np

from nas_jax.store import read_trials
from nas_jax.surrogates.metrics import kendall_tau, spearman
from nas_jax.trial import Trial

HERE = Path(__file__).parent
METRICS = ("val_accuracy", "val_accuracy_std_error", "val_loss", "train_loss", "num_params", "flops")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workdir", type=Path, required=True)
    workdir = parser.parse_args().workdir
    trials = read_trials(workdir / "trials.jsonl")
    with (HERE / "trials.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        header = ["id", "stage", "status", "description", "predicted_mean", "predicted_std", *METRICS]
        writer.writerow([*header, "seconds_compile", "seconds_train", "seed", "error"])
        for trial in trials:
            metrics, seconds = trial.metrics or {}, trial.seconds or {}
            writer.writerow(
                [
                    *(
                        trial.id,
                        trial.stage,
                        trial.status,
                        trial.description,
                        *(trial.predictions[0] if trial.predictions else ("", "")),
                    ),
                    *(metrics.get(name, "") for name in METRICS),
                    *(round(seconds[name], 2) if seconds else "" for name in ("compile", "train")),
                    *(trial.seed, trial.error or ""),
                ]
            )

    finals = [trial for trial in trials if trial.stage == "final" and trial.metrics]
    predicted = np.array([trial.predictions[0].mean for trial in finals])
    measured = np.array([accuracy(trial) for trial in finals])
    tau, rho = kendall_tau(predicted, measured), spearman(predicted, measured)
    print(f"finalists, predicted short against measured full: tau {tau:.3f}, rho {rho:.3f}")

    searched = {trial.genome: trial for trial in trials if trial.stage == "search" and trial.metrics}
    for title, is_seen in (("that the search had tried", True), ("that nobody had tried", False)):
        accuracies = [accuracy(trial) for trial in finals if (trial.genome in searched) == is_seen]
        print(f"{len(accuracies)} finalists {title}: mean validation accuracy {np.mean(accuracies):.4f}")

    best_tried = max(searched.values(), key=accuracy)
    print(f"best of the search: trial {best_tried.id}, {best_tried.description}")
    best = json.loads((workdir / "best" / "metrics.json").read_text())
    for title, metrics in (("winner", best), *best["baselines"].items()):
        validation, test = metrics["val_accuracy"], metrics["test_accuracy"]
        print(f"{title}: trial {metrics['trial']}, validation {validation:.4f}, test {test:.4f}")
    lines = [json.loads(line) for line in (workdir / "trials.jsonl").read_text().splitlines()]
    print(f"wall time of the trials: {(lines[-1]['time'] - lines[0]['time']) / 60:.1f} min")


def accuracy(trial: Trial) -> float:
    return (trial.metrics or {})["val_accuracy"]


if __name__ == "__main__":
    main()
