"""The tables that are searched, each in two forms: with the library's own space, and as raw categorical genes.

Both are pairs of config sections of a space and an evaluator, whose metric is "score", higher is better. The raw form
of NAS-Bench-201 and NAS-Bench-Macro (edges with operations, blocks of the chain) is written to a file: there, rows that
are the same network remain different rows.
"""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nas_jax.build import build
from nas_jax.errors import UserError
from nas_jax.spaces import macro, nb201
from nas_jax.tables import read_table
from nas_jax.trial import Genome, Trial

Sections = dict[str, Any]


class Benchmark(NamedTuple):
    name: str
    space: Sections
    evaluator: Sections
    raw_space: Sections
    raw_evaluator: Sections


class Grid(NamedTuple):
    """What a peer sees: genes by name, with so many choices each, and the score of every combination."""

    gene_names: tuple[str, ...]
    scores: np.ndarray  # [choices of the first gene, of the second, ...]


def nas_bench_201(path: str, folder: Path, score: str = "") -> Benchmark:
    """Validation accuracy (%) on CIFAR-10 after 200 epochs; a trial takes as long as its network has FLOPs."""
    space = {"name": "nb201", "image_shape": (32, 32, 3), "num_outputs": 10}
    metrics = {"score": score or "val_accuracy_200"}
    evaluator = {"path": path, "key": "architecture", "metrics": metrics, "seconds": "mflops"}
    return _with_raw_form(f"nb201 {score}".strip(), space, evaluator, nb201.parse, "edge", folder)


def nas_bench_macro(path: str, folder: Path, score: str = "") -> Benchmark:
    """Mean test accuracy (%) on CIFAR-10 of three trainings, as the literature searches it; time as above."""
    space = {"name": "macro", "image_shape": (32, 32, 3), "num_outputs": 10}
    evaluator = {"path": path, "key": "key", "metrics": {"score": score or "mean_acc"}, "seconds": "flops"}
    return _with_raw_form(f"macro {score}".strip(), space, evaluator, macro.parse, "block", folder)


def any_table(path: str, target: str, exclude: str, seconds: str) -> Benchmark:
    """A table of one's own: all its columns but the target and `exclude` are genes."""
    space = {"name": "categorical", "path": path, "exclude": f"{target},{exclude},{seconds}"}
    evaluator = {"name": "tabular", "path": path, "metrics": {"score": target}, "seconds": seconds or 1.0}
    name = f"{Path(path).stem}, {target}"
    name += "".join(f", {what} {columns}" for what, columns in (("without", exclude), ("in", seconds)) if columns)
    return Benchmark(name, space, evaluator, space, evaluator)


def grid_of(benchmark: Benchmark) -> Grid:
    """The raw form as an array.

    Raises:
        UserError: the table has not every combination of its genes' values.
    """
    known = scores_of(benchmark)
    choices = [sorted(set(column)) for column in zip(*known, strict=True)]
    scores = np.full([len(values) for values in choices], np.nan)
    for genome, score in known.items():
        place = tuple(values.index(value) for values, value in zip(choices, genome, strict=True))
        scores[place] = score
    if np.isnan(scores).any():
        raise UserError(f"{benchmark.name}: peers ask for any combination of genes, and the table lacks some")
    return Grid(build("nas_jax.spaces", benchmark.raw_space).gene_names, scores)


def scores_of(benchmark: Benchmark) -> dict[Genome, float]:
    """Of every genome of the raw form."""
    space = build("nas_jax.spaces", benchmark.raw_space)
    evaluator = build("nas_jax.evaluators", benchmark.raw_evaluator, space=space)
    trials = [Trial(0, genome, "", "search", seed=0) for genome in space.genomes()]
    return {trial.genome: evaluator.measure(trial).metrics["score"] for trial in trials}


def _with_raw_form(
    name: str, space: Sections, evaluator: Sections, parse: Callable[[str], Genome], gene: str, folder: Path
) -> Benchmark:
    """Writes the raw form as `folder/name.csv`."""
    evaluator = {"name": "tabular", **evaluator}
    table = read_table(evaluator["path"])
    columns = [evaluator["key"], evaluator["metrics"]["score"], evaluator["seconds"]]
    table.check_columns(columns, name)
    rows = [[*parse(row[columns[0]]), row[columns[1]], row[columns[2]]] for row in table.rows]
    path = folder / f"{name}.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*(f"{gene}_{number}" for number in range(1, len(rows[0]) - 1)), "score", "seconds"])
        writer.writerows(rows)
    raw = any_table(str(path), "score", "", "seconds")
    return Benchmark(name, space, evaluator, raw.space, raw.evaluator)
