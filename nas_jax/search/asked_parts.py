"""What a search that is asked and told is made of: checked, and as the config of a run."""

import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from nas_jax.agreement import known_costs
from nas_jax.budgets import budgets_of
from nas_jax.build import section_of
from nas_jax.config import PARTS
from nas_jax.constraints import Constraint
from nas_jax.data.settings import check_seed
from nas_jax.errors import UserError
from nas_jax.objectives import Objectives
from nas_jax.spaces.base import Space
from nas_jax.spaces.checked import check_space
from nas_jax.stated import with_known
from nas_jax.strategies.base import Learning, Strategy, aimed
from nas_jax.strategies.learner import Learner
from nas_jax.strategies.recommended import recommended_surrogate


@runtime_checkable
class _HasSpace(Protocol):
    """A strategy that says what it searches."""

    @property
    def space(self) -> Space: ...


class AskedParts(NamedTuple):
    """What proposals follow from; `nas_jax.search.loop.Proposing`."""

    seed: int
    space: Space
    strategy: Strategy
    objectives: Objectives


def folder_of(path: Any) -> Path:
    """The folder that a path names, in full.

    Raises:
        UserError: there can be no such folder, or the path is empty.
    """
    if not isinstance(path, str | Path):
        raise UserError(f"path: a folder is wanted, not {path!r}")
    if isinstance(path, str) and not path.strip():
        raise UserError(f"path: a folder is wanted, not {path!r}, as of a variable that is not set")
    try:
        folder = Path(os.path.expanduser(path)).resolve()
        if folder.is_file():
            raise UserError(f"path: a folder is wanted, and {str(path)!r} is a file")
        return folder
    except (OSError, ValueError, RuntimeError) as error:  # too long, a character 0, a loop of links
        raise UserError(f"path: {str(path)!r} is no folder: {error}") from error


def _constraints(given: Any) -> list[Any]:
    if isinstance(given, Constraint):
        return [given]
    if not isinstance(given, Iterable):
        raise ValueError(f"constraints: a list of Constraints is wanted, not {given!r}")
    return list(given)


def checked_parts(space: Any, strategy: Any, objectives: Any, seed: Any, constraints: Any) -> AskedParts:
    """Raises UserError if one of the arguments of `ask_tell.Search` is not what it should be."""
    if isinstance(space, type) or not isinstance(space, Space):
        raise UserError(f"space: {space!r} is no space; see nas_jax.spaces.base.Space")
    check_space(space)
    if isinstance(strategy, type) or not isinstance(strategy, Strategy):
        raise UserError(f"strategy: {strategy!r} is no strategy; Bayesopt(space) is one")
    if isinstance(strategy, _HasSpace) and strategy.space != space:
        raise UserError("strategy: it searches another space; give it this one")
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool):
        raise UserError(f"seed: a whole number is wanted, not {seed!r}")
    try:
        check_seed(int(seed))
        aims = with_known(Objectives.of(objectives, _constraints(constraints)), known_costs(space))
        return AskedParts(int(seed), space, aimed(strategy, aims), aims)
    except ValueError as error:
        raise UserError(str(error)) from error


def completed(config: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """A config that was stored before budgets were, with those of `config`."""
    return {**before, "evaluator": {"epochs": config["evaluator"]["epochs"], **before["evaluator"]}}


def config_of(parts: AskedParts) -> dict[str, Any]:
    """The config of a run of these parts, for what reads working directories."""
    strategy = parts.strategy
    learner = strategy.learner if isinstance(strategy, Learning) else Learner(parts.space, recommended_surrogate())
    objectives = [dataclasses.asdict(objective) for objective in parts.objectives]
    constraints = [dataclasses.asdict(constraint) for constraint in parts.objectives.constraints]

    def section(name: str, part: Any) -> dict[str, Any]:
        return section_of(PARTS[name][0], part, PARTS[name][1])

    return {
        "seed": parts.seed,
        "objective": objectives[0] if len(objectives) == 1 else objectives,
        **({"constraints": constraints} if constraints else {}),
        "space": section("space", parts.space),
        "strategy": section("strategy", strategy),
        "surrogate": section("surrogate", learner.surrogate),
        "targets": learner.targets,
        "evaluator": {"name": "told", "metrics": parts.objectives.needed, "epochs": list(budgets_of(strategy).each)},
        "search": {},
        "finalists": {},
    }
