"""Working directories as a run leaves them, written without the code under test."""

import json

import numpy as np

FORMAT = 2  # of the files that this version reads
CONFIG = {
    "seed": 3,
    "data": {"name": "digits", "num_val": 5000, "num_test": None},
    "space": {"name": "chain", "max_layers": 6},
    "objective": {"metric": "val_accuracy"},
    "search": {"num_trials": 40},
    "finalists": {"num_candidates": 1000, "num_finalists": 4},
}


def search_records(num, seed=0):
    """Search trials whose accuracy grows with three of the genome's four numbers, with noise."""
    rng = np.random.default_rng(seed)
    for id in range(num):
        genome = [int(gene) for gene in rng.integers(1, 9, 4)]
        accuracy = 0.35 + 0.012 * sum(genome[:3]) + rng.normal(0, 0.01)
        yield finished(id, genome, accuracy)


def finished(id, genome, accuracy, stage="search", **more):
    metrics = {"val_accuracy": accuracy, "val_loss": 2 - accuracy, "num_params": 1000 * sum(genome), "flops": 5e6}
    record = {
        "id": id,
        "genome": genome,
        "description": "conv " + "-".join(map(str, genome)),
        "stage": stage,
        "seed": id,
        "status": "finished",
        "metrics": metrics,
        "seconds": {"compile": 2.0, "train": 10.0},
        "predictions": [],
        "error": None,
        "time": 1.7e9 + id,
    }
    return record | more


def failed(id, error, **more):
    return finished(id, [9, 9, 9, 1 + id % 9], 0.0, status="failed", seconds=None, error=error, **more) | {
        "metrics": None
    }


def write(workdir, records, config=CONFIG, environment=None, best=None):
    workdir.mkdir(parents=True, exist_ok=True)
    (workdir / "config.json").write_text(json.dumps(config))
    (workdir / "trials.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    written = {"format": FORMAT, "nas_jax": "0.2.0", **(environment or {})}
    (workdir / "environment.json").write_text(json.dumps(written))
    if best is not None:
        (workdir / "best").mkdir(exist_ok=True)
        (workdir / "best" / "metrics.json").write_text(json.dumps(best))
    return workdir


def finalist_records(searched, accuracies=(0.61, 0.70, 0.66)):
    """One finalist an accuracy, one that failed, and one whose genome was the search's best."""
    genomes = [[8, 8, 8, gene] for gene in range(1, len(accuracies) + 1)]
    for id, (genome, accuracy) in enumerate(zip(genomes, accuracies, strict=True), start=len(searched)):
        yield finished(id, genome, accuracy, "final", predictions=[{"mean": 0.62, "std": 0.015}])
    yield failed(len(searched) + len(accuracies), "out of memory", stage="final")
    best = max(searched, key=lambda record: record["metrics"]["val_accuracy"])
    yield finished(len(searched) + len(accuracies) + 1, best["genome"], 0.64, "final")
