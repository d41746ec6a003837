"""Fronts of runs that had the same objectives: hypervolumes from one reference, and what is attained how often."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from nas_jax.compare.results import settings_of
from nas_jax.compare.sweep import mean_of
from nas_jax.fronts import hypervolume, nondominated
from nas_jax.objectives import Objectives
from nas_jax.record import Record
from nas_jax.units import UNKNOWN, in_units, number

NOTE = (
    "Hypervolumes are of the searches' trials, all from one reference: what the config gives, else the worst that any "
    "run inferred. ± is the standard deviation over runs."
)


def compare_fronts(records: Sequence[Record], names: Sequence[str]) -> Table | None:
    """One row a setting: the hypervolume, and the front that half of its runs attain; None for one objective.

    Args:
        records: of runs with the same objectives.
        names: the fields of a setting.
    """
    objectives = records[0].objectives
    if len(objectives) < 2:
        return None
    reference = _reference(records)
    groups: dict[tuple[str, ...], list[np.ndarray]] = defaultdict(list)
    for record in records:
        config = settings_of(record)
        setting = tuple(config.get(name, UNKNOWN) for name in names)
        groups[setting].append(front_values(objectives, record))
    table = Table(*names, "runs", "hypervolume", "points", "attained by half", box=SIMPLE_HEAD, pad_edge=False)
    for setting, fronts in groups.items():
        volumes = [hypervolume(front, reference) for front in fronts]
        spread = f" ± {number(float(np.std(volumes, ddof=1)))}" if len(volumes) > 1 else ""
        cells = (
            *setting,
            str(len(fronts)),
            number(mean_of(volumes).mean) + spread,
            number(float(np.mean([len(front) for front in fronts]))),
            _said(objectives, attained(fronts, 0.5)),
        )
        table.add_row(*map(Text, cells))
    return table


def front_values(objectives: Objectives, record: Record) -> np.ndarray:
    """The values of the front of a search `[f, k]`."""
    values = [objectives.values(trial) for trial in objectives.front(record.of("search"))]
    return np.array(values, np.float64).reshape(-1, len(objectives))


def attained(fronts: Sequence[np.ndarray], share: float) -> np.ndarray:
    """Of two objectives the corners of what at least this share of the fronts attains `[c, 2]`, the first one falling.

    The empirical attainment surface of Fonseca & Fleming, "On the performance assessment and comparison of stochastic
    multiobjective optimizers", 1996. Of more objectives, only points of the fronts themselves are tried.
    """
    points = np.concatenate(list(fronts))
    if points.shape[1] == 2:
        first, second = (np.unique(column) for column in points.T)
        points = np.stack(np.meshgrid(first, second, indexing="ij"), -1).reshape(-1, 2)
    counts = np.zeros(len(points), int)
    for front in fronts:
        counts += np.any(np.all(np.greater_equal(front[None], points[:, None]), axis=2), axis=1)
    reached = points[counts >= share * len(fronts)]
    corners = reached[nondominated(reached)]
    return corners[np.argsort(-corners[:, 0], kind="stable")]


def _reference(records: Sequence[Record]) -> np.ndarray:
    objectives = records[0].objectives
    inferred = [objectives.reference(objectives.history(record.of("search"))) for record in records]
    return np.min(inferred, axis=0)


def _said(objectives: Objectives, corners: np.ndarray, most: int = 4) -> str:
    if not len(corners):
        return UNKNOWN
    rows = np.unique(np.linspace(0, len(corners) - 1, most).round().astype(int))
    metrics = [
        " / ".join(in_units(each.sign * value, each.metric) for each, value in zip(objectives, corner, strict=True))
        for corner in corners[rows].tolist()
    ]
    return ", ".join(metrics)
