"""The data set of an evaluator, on its way to the processes that train on it."""

import dataclasses
from pathlib import Path

from nas_jax.data.arrays import DataSource, load
from nas_jax.data.mapped import write_mapped
from nas_jax.evaluators.base import HasSource, Measuring


def source_of(evaluator: Measuring) -> DataSource | None:
    """Where the evaluator's data set comes from; None if it has none."""
    return evaluator.source if isinstance(evaluator, HasSource) else None


def with_source(evaluator: Measuring, source: DataSource) -> Measuring:
    """The evaluator with its data set from another source."""
    return dataclasses.replace(evaluator, source=source)  # type: ignore[type-var]


def with_mapped_source(evaluator: Measuring, folder: Path) -> Measuring:
    """The evaluator with its data set, if it has one, in files of `folder` that all processes map into memory."""
    source = source_of(evaluator)
    return evaluator if source is None else with_source(evaluator, write_mapped(load(source), folder))


def load_source(evaluator: Measuring) -> None:
    """Loads the data set of the evaluator, if it has one, so that no trial has to wait for it."""
    source = source_of(evaluator)
    if source is not None:
        load(source)
