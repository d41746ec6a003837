"""The winner becomes a folder to take home, `best/`: measured on the test split once, written whole or not at all."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from nas_jax.best_file import BASELINE_FIELDS, with_metrics
from nas_jax.data.arrays import num_examples, spec_to_json
from nas_jax.evaluators.base import Evaluator, HasTestMetrics
from nas_jax.export import load_best
from nas_jax.metrics import metric_per_seed, seeds_in
from nas_jax.on_disk import to_disk
from nas_jax.portable import make_shipped
from nas_jax.search.examples import write_examples
from nas_jax.spaces.base import NetworkSpace
from nas_jax.tasks.base import Problem, best_of
from nas_jax.train.checkpoint import load_variables, read_dtype
from nas_jax.train.evaluation import Measured, measure
from nas_jax.train.recipe import Recipe
from nas_jax.train.seeds import over_seeds
from nas_jax.trial import Stage, Trial

Section = Mapping[str, Any]


class Trained(NamedTuple):
    """How finalists were trained, and where their networks lie.

    The sections are those of the config that build the space and the task; `checkpoint_dir` holds the variables of each
    finalist under its id and each of its seeds.
    """

    space: NetworkSpace
    problem: Problem
    recipe: Recipe
    checkpoint_dir: Path
    space_section: Section
    task_section: Section


class _Tested(NamedTuple):
    """A finalist on the test split."""

    metrics: dict[str, Any]  # over all seeds
    exported: dict[str, Any]  # of the seed with the best validation
    scores: np.ndarray  # [seeds, examples]
    classes: dict[str, dict[str, float]]  # of the exported seed


def export_network(
    directory: Path, trained: Trained, winner: Trial, baselines: Mapping[Stage, Trial]
) -> dict[str, Any]:
    """Measures the winner on the test split and writes it to `directory`, which appears complete or not at all.

    No network is measured on the test split anywhere else, and each one is measured as it is shipped: in float32,
    whatever it was trained in. Of several seeds the one with the best validation, by the first metric of the task, is
    exported. The baselines are measured too, for comparison; they decide nothing. `test_scores.npz` has the score of
    each test example (`Task.scores`) of all of them.

    Returns:
        What `metrics.json` holds (`nas_jax.best_file`): the winner's metrics with those of the test split (over seeds
        as the others, see `over_seeds`), its `trial` id, under "exported" the seed and the metrics of the network in
        the folder, under "classes" its metrics of each class, the sizes of the two splits, and under "baselines" the
        metrics of each baseline under its stage.
    """
    dataset = trained.problem.dataset
    by_id = {trial.id: trial for trial in (winner, *baselines.values())}
    tested = {id: _test(trained, trial) for id, trial in by_id.items()}
    _, exported, _, classes = tested[winner.id]
    validated = _measure(trained, winner, [exported["seed"]], "val")[0]
    fields = {
        "num_val": num_examples(dataset.val),
        "num_test": num_examples(dataset.test),
        "exported": exported,
        "classes": {**validated.classes, **classes},
    }
    measured = {id: each.metrics for id, each in tested.items()}
    written = _with_baselines(winner, baselines, measured, fields)
    unfinished = _clear_unfinished(directory)
    shutil.copytree(trained.checkpoint_dir / str(winner.id) / str(exported["seed"]), unfinished / "checkpoint")
    genome = {
        **_genome(winner, trained.space_section),
        "task": dict(trained.task_section),
        "spec": spec_to_json(dataset.spec),
    }
    _write_json(unfinished / "genome.json", genome)
    # This process may keep to its CPU, and compute in another type than who trained the winner.
    dtype = read_dtype(trained.checkpoint_dir / str(winner.id)) or trained.recipe.compute_dtype
    recipe = {**asdict(trained.recipe), "compute_dtype": dtype, "seed": exported["seed"]}
    _write_json(unfinished / "recipe.json", recipe)
    _write_json(unfinished / "metrics.json", written)
    scores: dict[str, Any] = {str(id): each.scores for id, each in tested.items()}
    np.savez_compressed(unfinished / "test_scores.npz", **scores)
    own = [str(section["name"]) for section in (trained.space_section, trained.task_section)]
    predictor = load_best(unfinished, allow=own)
    predictor.save_program(unfinished / "program.bin")
    write_examples(unfinished, predictor.predict, trained.problem, validated)
    to_disk(unfinished).rename(directory)
    return written


def _test(trained: Trained, trial: Trial) -> _Tested:
    task, metrics = trained.problem.task, trial.metrics or {}
    seeds = seeds_in(metrics) or [trial.seed]
    tests = _measure(trained, trial, seeds, "test")
    first = f"val_{task.metric_names[0]}"
    of_seeds = metric_per_seed(metrics, first)
    has_each = len(of_seeds) == len(seeds)
    best = best_of(task, of_seeds) if has_each else 0
    return _Tested(
        metrics={**metrics, **over_seeds([each.metrics for each in tests])},
        exported={
            "seed": seeds[best],
            first: of_seeds[best] if has_each else metrics.get(first),
            **tests[best].metrics,
        },
        scores=np.stack([each.scores for each in tests]),
        classes=tests[best].classes,
    )


def _measure(trained: Trained, trial: Trial, seeds: Sequence[int], part: str) -> list[Measured]:
    """The networks of a trial, as they are shipped, on a split."""
    problem, folder = trained.problem, trained.checkpoint_dir / str(trial.id)
    variables = [load_variables(folder / str(seed)) for seed in seeds]
    network = trained.space.network(trial.genome, jnp.float32)
    return measure(make_shipped(network, problem.task, problem.dataset.spec), variables, problem, part)


def read_test_scores(best: Path) -> dict[int, np.ndarray]:
    """The scores of the test examples `[seeds, examples]`, float32, by the ids of the trials.

    They are of the winner and the baselines; nothing is there of a run that trained nothing, or of an earlier version.
    """
    path = best / "test_scores.npz"
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as file:
        return {int(id): file[id] for id in file.files}


def export_genome(
    directory: Path,
    space_section: Section,
    evaluator: Evaluator,
    winner: Trial,
    baselines: Mapping[Stage, Trial],
    cost: float,
) -> dict[str, Any]:
    """Writes a winner that was looked up and not trained: `genome.json` and `metrics.json`, and no network.

    Metrics of the test split are there if the evaluator knows them (`HasTestMetrics`). `cost` is that of the search, in
    full measurements.

    Returns:
        What `metrics.json` holds, as `export_network`, without the sizes of splits.
    """

    def tested(trial: Trial) -> dict[str, Any]:
        test_metrics = evaluator.test_metrics(trial) if isinstance(evaluator, HasTestMetrics) else {}
        return {**(trial.metrics or {}), **test_metrics}

    measured = {trial.id: tested(trial) for trial in (winner, *baselines.values())}
    written = _with_baselines(winner, baselines, measured, {"cost": cost})
    unfinished = _clear_unfinished(directory)
    unfinished.mkdir()
    _write_json(unfinished / "genome.json", _genome(winner, space_section))
    _write_json(unfinished / "metrics.json", written)
    to_disk(unfinished).rename(directory)
    return written


def _with_baselines(
    winner: Trial,
    baselines: Mapping[Stage, Trial],
    measured: Mapping[int, Mapping[str, Any]],
    fields: Mapping[str, Any],
) -> dict[str, Any]:
    """What `metrics.json` holds: `measured` are the metrics by the ids of the trials, `fields` what else is said."""
    beside = {
        stage: with_metrics({"trial": trial.id}, measured[trial.id], BASELINE_FIELDS)
        for stage, trial in baselines.items()
    }
    return with_metrics({"trial": winner.id, **fields, "baselines": beside}, measured[winner.id])


def _genome(winner: Trial, space_section: Section) -> dict[str, Any]:
    return {"genome": winner.genome, "description": winner.description, "space": dict(space_section)}


def _clear_unfinished(directory: Path) -> Path:
    """Where to write what will be `directory`; what a killed run has left there is removed."""
    unfinished = directory.with_name(directory.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    return unfinished


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")
