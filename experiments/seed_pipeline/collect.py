"""Takes from a finished run what this folder keeps of it: the trial log as CSV, the plots, and the key figures.

python experiments/seed_pipeline/collect.py --workdir=runs/cifar10-cpu
"""

import argparse
import csv
import json
import shutil
from pathlib import Path

import numpy as np

from nas_jax.store import read_trials
from nas_jax.surrogates.metrics import kendall_tau, spearman

HERE = Path(__file__).parent
METRICS = ("val_accuracy", "val_loss", "train_loss", "num_params", "flops")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workdir", type=Path, required=True)
    workdir = parser.parse_args().workdir
    trials = read_trials(workdir / "trials.jsonl")
    with (HERE / "trials.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        header = ["id", "stage", "status", "description", "predicted_mean", "predicted_std", *METRICS]
        writer.writerow([*header, "seconds_compile", "seconds_train", "seed", "error"])
        for trial in trials:
            metrics, seconds = trial.metrics or {}, trial.seconds or {}
            writer.writerow(
                [
                    *(trial.id, trial.stage, trial.status, trial.description, *(trial.prediction or ("", ""))),
                    *(metrics.get(name, "") for name in METRICS),
                    *(round(seconds[name], 2) if seconds else "" for name in ("compile", "train")),
                    *(trial.seed, trial.error or ""),
                ]
            )
    for name in ("report.md", "progress.png", "surrogate.png", "parameters.png"):
        shutil.copy(workdir / name, HERE / name)

    final = [trial for trial in trials if trial.stage == "final" and trial.metrics]
    predicted = np.array([trial.prediction.mean for trial in final])
    measured = np.array([trial.metrics["val_accuracy"] for trial in final])
    print(f"finalists, predicted short against measured full: tau {kendall_tau(predicted, measured):.3f}, "
          f"rho {spearman(predicted, measured):.3f}")  # fmt: skip
    best = json.loads((workdir / "best" / "metrics.json").read_text())
    for title, metrics in (("winner", best), ("best random", best["baseline"])):
        if metrics:
            print(f"{title}: trial {metrics['trial']}, validation {metrics['val_accuracy']:.4f}, "
                  f"test {metrics['test_accuracy']:.4f}")  # fmt: skip
    lines = [json.loads(line) for line in (workdir / "trials.jsonl").read_text().splitlines()]
    print(f"wall time of the trials: {(lines[-1]['time'] - lines[0]['time']) / 60:.1f} min")


if __name__ == "__main__":
    main()
