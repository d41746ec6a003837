"""What every tracker is, and what it shows of a trial."""

import importlib.util
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

from nas_jax.metrics import curves_of
from nas_jax.objectives import Objectives
from nas_jax.spaces.base import GeneSpace, Space
from nas_jax.trial import Genome, Trial

Scalar: TypeAlias = bool | int | float | str


class TrackedRun(NamedTuple):
    """The run that is shown."""

    id: str  # no other run has it; a resumed run keeps it
    workdir: Path
    config: Mapping[str, Any]
    space: Space
    objectives: Objectives

    @property
    def title(self) -> str:
        """As a person would name it: the last two parts of its path."""
        return "/".join(self.workdir.absolute().parts[-2:])


class Ended(NamedTuple):
    """A trial that has ended, in the order in which the tracker is told of them."""

    trial: Trial
    position: int  # among those of its stage, from 1
    points: Mapping[str, float]  # each objective's metric, where it is finite
    so_far: Mapping[str, float | None]  # of the stage's front: `best_METRIC`, and the hypervolume where there is one
    genes: Mapping[str, Scalar]


class Held(NamedTuple):
    """What a tracker has of a run already."""

    trials: frozenset[int] = frozenset()  # their ids
    num_assessed: int = 0  # the position of the last assessment
    is_complete: bool = False  # it was told of the end, and of no trial since


@runtime_checkable
class Writer(Protocol):
    """Takes one run. It may raise whatever its library raises, and is then told nothing more."""

    @property
    def held(self) -> Held:
        """What was there when the run was begun. A trial counts only once all of it is there."""
        ...

    def trial(self, ended: Ended) -> None:
        """A trial that is not among the held ones. What is left of an earlier try is written over.

        It may come after the end, where a search goes on for longer.
        """
        ...

    def round(self, position: int, quality: Mapping[str, float]) -> None:
        """How good predictions have been, after `position` trials of the search: `val_accuracy/tau` and others."""
        ...

    def end(self, metrics: Mapping[str, Any], front: Sequence[Mapping[str, str]]) -> None:
        """The run is complete. Called once, if at all, and again where the search has gone on since.

        Args:
            metrics: Those of `best/metrics.json`.
            front: The rows of `front.csv`; none where there is one objective.
        """
        ...

    def close(self) -> None:
        """The last call: after `end`, or where the run was stopped and may go on later."""
        ...


@runtime_checkable
class Tracker(Protocol):
    """The settings of a tracker."""

    def begin(self, run: TrackedRun) -> Writer:
        """Opens the run, which may have been begun before."""
        ...


def check_installed(package: str) -> None:
    """Refuses a tracker whose package, which is also the name of an extra, is not there.

    Raises:
        ValueError: with the command that installs it.
    """
    if importlib.util.find_spec(package) is None:
        raise ValueError(f"the package {package!r} is not installed: pip install 'nas_jax[{package}]'")


def genes_of(space: Space, genome: Genome) -> dict[str, Scalar]:
    """The genes that have an effect on the genome; of a space that does not name them, the genome as a whole."""
    if not isinstance(space, GeneSpace):
        return {"architecture": space.describe(genome)}
    genes = {name: value for name, value in space.genes_of(genome).items() if value is not None}
    return {name: value if isinstance(value, Scalar) else str(value) for name, value in genes.items()}


def budget_of(trial: Trial) -> dict[str, int]:
    """The epochs of its budget, and the id of the trial whose training it takes further, where there are such."""
    budget = {} if trial.budget is None else {"budget": trial.budget.epochs}
    return budget if trial.continues is None else {**budget, "continues": trial.continues}


def numbers(values: Mapping[str, Any]) -> dict[str, float]:
    """Those values that are finite numbers."""
    found = {name: float(value) for name, value in values.items() if isinstance(value, int | float)}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def curves(trial: Trial) -> dict[str, list[float]]:
    """The learning curves of a trial, by metric, one value an epoch. Empty where nothing was trained."""
    return curves_of(trial.metrics)


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Fields by dotted names, as the flags that set them are spelled."""
    fields: dict[str, Any] = {}
    for name, value in config.items():
        fields |= flatten(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value}
    return fields
