"""The winner becomes a folder to take home, `best/`: measured on the test split once, written whole or not at all."""

import functools
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nas_jax.data.arrays import Dataset
from nas_jax.evaluators.base import Evaluator, HasTestMetrics
from nas_jax.export import load_best
from nas_jax.spaces.base import NetworkSpace
from nas_jax.train.checkpoint import load_variables
from nas_jax.train.evaluation import measure
from nas_jax.train.recipe import Recipe
from nas_jax.train.seeds import over_seeds
from nas_jax.trial import Stage, Trial


def export_network(
    directory: Path,
    checkpoint_dir: Path,
    space: NetworkSpace,
    space_section: Mapping[str, Any],
    dataset: Dataset,
    recipe: Recipe,
    winner: Trial,
    baselines: Mapping[Stage, Trial],
) -> dict[str, Any]:
    """Measures the winner on the test split and writes it to `directory`, which appears complete or not at all.

    No network is measured on the test split anywhere else. `checkpoint_dir` holds the variables of each finalist under
    its id and each of its seeds. Of several seeds the one with the best validation accuracy is exported. The test
    accuracies of the baselines are measured too, for comparison; they decide nothing.

    Returns:
        What `metrics.json` holds: the winner's metrics with `test_accuracy` and `test_loss` (over seeds as the others,
        see `over_seeds`), its `trial` id, under "exported" the seed and the accuracies of the network in the folder,
        the sizes of the two splits, and under "baselines" the metrics of each baseline under its stage.
    """

    by_id = {trial.id: trial for trial in (winner, *baselines.values())}

    @functools.cache  # a baseline may be the winner, or another baseline
    def tested(trial_id: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """The metrics of all seeds, and of the best one."""
        trial = by_id[trial_id]
        metrics = trial.metrics or {}
        seeds = metrics.get("seeds", [trial.seed])
        trained = [load_variables(checkpoint_dir / str(trial.id) / str(seed)) for seed in seeds]
        tests = measure(space.network(trial.genome, recipe.dtype), trained, dataset, recipe, "test")
        validations = metrics.get("val_accuracy_per_seed", [metrics.get("val_accuracy")])
        best = validations.index(max(validations))
        exported = {"seed": seeds[best], "val_accuracy": validations[best], **tests[best]}
        return {"trial": trial.id, **metrics, **over_seeds(tests)}, exported

    sizes = {"num_val": len(dataset.val.labels), "num_test": len(dataset.test.labels)}
    of_baselines = {stage: tested(trial.id)[0] for stage, trial in baselines.items()}
    metrics, exported = tested(winner.id)
    metrics = {**metrics, **sizes, "exported": exported, "baselines": of_baselines}
    unfinished = _clear_unfinished(directory)
    shutil.copytree(checkpoint_dir / str(winner.id) / str(exported["seed"]), unfinished / "checkpoint")
    genome = {
        **_genome(winner, space_section),
        "dataset": dataset.name,
        "image_shape": dataset.image_shape,
        "num_classes": dataset.num_classes,
        "class_names": dataset.class_names,
    }
    preprocessing = {"mean": dataset.mean, "std": dataset.std}
    _write_json(unfinished / "genome.json", genome)
    used = {**asdict(recipe), "compute_dtype": recipe.dtype.name, "seed": exported["seed"]}
    _write_json(unfinished / "recipe.json", {**used, "preprocessing": preprocessing})
    _write_json(unfinished / "metrics.json", metrics)
    load_best(unfinished).save_program(unfinished / "program.bin")
    unfinished.rename(directory)
    return metrics


def export_genome(
    directory: Path,
    space_section: Mapping[str, Any],
    evaluator: Evaluator,
    winner: Trial,
    baselines: Mapping[Stage, Trial],
) -> dict[str, Any]:
    """Writes a winner that was looked up and not trained: `genome.json` and `metrics.json`, and no network.

    Metrics of the test split are there if the evaluator knows them (`HasTestMetrics`).

    Returns:
        What `metrics.json` holds, as `export_network`, without the sizes of splits.
    """

    def tested(trial: Trial) -> dict[str, Any]:
        test_metrics = evaluator.test_metrics(trial) if isinstance(evaluator, HasTestMetrics) else {}
        return {"trial": trial.id, **(trial.metrics or {}), **test_metrics}

    metrics = {**tested(winner), "baselines": {stage: tested(trial) for stage, trial in baselines.items()}}
    unfinished = _clear_unfinished(directory)
    unfinished.mkdir()
    _write_json(unfinished / "genome.json", _genome(winner, space_section))
    _write_json(unfinished / "metrics.json", metrics)
    unfinished.rename(directory)
    return metrics


def _genome(winner: Trial, space_section: Mapping[str, Any]) -> dict[str, Any]:
    return {"genome": winner.genome, "description": winner.description, "space": dict(space_section)}


def _clear_unfinished(directory: Path) -> Path:
    """Where to write what will be `directory`; what a killed run has left there is removed."""
    unfinished = directory.with_name(directory.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    return unfinished


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")
