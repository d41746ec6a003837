"""What every strategy asks of the history it is given, and the errors that say what is wrong with one.

The program's own histories (`Objectives.history`) pass as they are; this is for those that somebody has made by hand.
"""

import operator
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float

from nas_jax.errors import UserError
from nas_jax.spaces.base import GeneSpace, Space
from nas_jax.trial import Budget, Genome, History, freeze

_MAX_CHECKED = 2**16  # genomes that are remembered
_EACH = {"values": "objectives", "violations": "constraints"}

# What the code of a space raises that is given something else than one of its genomes.
_REFUSALS = (AttributeError, IndexError, KeyError, TypeError, ValueError)


def checked_history(space: Space, history: Any) -> History:
    """The history with tuples and a float64 array where it has what equals them: lists, arrays, ranges.

    Values of one objective may be `[n]`. A genome whose values are not all finite counts as failed, as do values that
    are None or masked.

    Raises:
        UserError: no history, sequences of different lengths, values that are no numbers, or a genome that the space
            does not have.
    """
    if not isinstance(history, History):
        raise UserError(f"history: {_kind(history)} is no nas_jax.trial.History")
    genomes, failed, pending = (
        _genomes(space, name, getattr(history, name)) for name in ("genomes", "failed", "pending")
    )
    num = len(genomes)
    checked = History(
        ids=_ascending("ids", history.ids, num),
        places=_ascending("places", history.places, num),
        genomes=genomes,
        values=_numbers("values", history.values, num, least=1),
        budgets=_budgets("budgets", history.budgets, num),
        failed=failed,
        pending=pending,
        violations=_numbers(
            "violations", history.violations if np.size(history.violations) else np.zeros((num, 0)), num
        ),
        curves=_curves(history.curves or (np.zeros((0, 1)),) * num, num),
        pending_budgets=_budgets("pending_budgets", history.pending_budgets or (None,) * len(pending), len(pending)),
    )
    is_finite = np.isfinite(checked.values).all(axis=1)
    return checked if is_finite.all() else _with_failures(checked, is_finite)


def check_genome(space: Space, genome: Any, title: str) -> None:
    """Refuses what is no genome of the space, as far as the space can tell.

    One with genes can tell for certain; of another one it is enough that it encodes the genome.

    Raises:
        UserError: with `title` and the genome.
    """
    try:
        reason = _reason_against(space, genome)
    except TypeError:  # it does not hash
        reason = "is no genome: a genome is a tuple of strings, numbers and such tuples"
    if reason:
        raise UserError(f"{title}: {genome!r} {reason}")


@lru_cache(maxsize=2**16)  # the same genomes come back with each proposal
def _reason_against(space: Space, genome: Any) -> str:
    """Why this is no genome of the space; empty if it is one."""
    unknown = f"is no genome of the space {type(space).__name__}"
    if not isinstance(genome, tuple):
        return f"{unknown}, whose genomes are tuples"
    try:
        if not isinstance(space, GeneSpace):
            space.encode([genome])
            return ""
        genes = space.genes_of(genome)
        choices = space.gene_choices
        if wrong := [name for name, value in genes.items() if value is not None and value not in choices[name]]:
            return f"{unknown}: {wrong[0]!r} cannot be {genes[wrong[0]]!r}"
        same = space.express(tuple(genes.values()))
    except _REFUSALS:
        return unknown
    if same == genome:
        return ""
    return unknown if same is None else f"{unknown}; what it describes is {same!r} there"


def _genomes(space: Space, name: str, genomes: Any) -> tuple[Genome, ...]:
    checked = _checked_genomes(space)
    try:
        if isinstance(genomes, tuple) and len(genomes) > 1 and checked.issuperset(genomes[:-1]):
            # as it is with every proposal after the first: at most the last one is new
            return (*genomes[:-1], *_checked_one_by_one(space, name, genomes[-1:], len(genomes) - 1))
    except TypeError:  # one of them does not hash
        pass
    return _checked_one_by_one(space, name, genomes, 0)


def _checked_one_by_one(space: Space, name: str, genomes: Any, first: int) -> tuple[Genome, ...]:
    """As `_genomes`; the first of these is at the place `first`."""
    checked = _checked_genomes(space)
    listed = tuple(freeze(genome) if isinstance(genome, list) else genome for genome in _listed(name, genomes))
    for place, genome in enumerate(listed, start=first):
        check_genome(space, genome, f"history.{name}[{place}]")
    if len(checked) > _MAX_CHECKED:
        checked.clear()
    checked.update(listed)
    return listed


@lru_cache(maxsize=16)
def _checked_genomes(space: Space) -> set[Genome]:
    """Those that were found to be of the space, which need not be checked with each proposal."""
    return set()


def _numbers(name: str, values: Any, num: int, least: int = 0) -> Float[np.ndarray, "n k"]:
    """Numbers of each of `num` genomes, at least so many of each."""
    try:
        array = np.asarray(values)
        if array.dtype.kind in "cmMSU":  # which NumPy would cast, or which are text
            raise TypeError
        if array.dtype.kind == "O" and any(isinstance(value, str | bytes) for value in array.flat):
            raise TypeError
        array = array.astype(np.float64)
    except (TypeError, ValueError):
        raise UserError(
            f"history.{name}: numbers are wanted, [genomes, {_EACH[name]}], not {_kind(values)} of others"
        ) from None
    if isinstance(values, np.ma.MaskedArray):
        array = np.where(np.ma.getmaskarray(values), np.nan, array)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or len(array) != num or array.shape[1] < least:
        raise UserError(
            f"history.{name}: the shape {np.shape(values)} is not that of {num} genomes, which is "
            f"({num}, number of {_EACH[name]})"
        )
    return array


def _ascending(name: str, numbers: Any, num: int) -> tuple[int, ...]:
    listed = _of_length(name, numbers, num)
    if not {*map(type, listed)} <= {int} and not all(isinstance(number, int | np.integer) for number in listed):
        raise UserError(f"history.{name}: whole numbers are wanted, not {listed!r}")
    if any(map(operator.le, listed[1:], listed)):
        raise UserError(f"history.{name}: they have to ascend: {listed!r}")
    return listed


def _budgets(name: str, budgets: Any, num: int) -> tuple[Budget | None, ...]:
    listed = _of_length(name, budgets, num)
    for budget in listed:
        if budget is not None and not isinstance(budget, Budget):
            raise UserError(f"history.{name}: {budget!r} is no nas_jax.trial.Budget, and not None")
    return listed


def _curves(curves: Any, num: int) -> tuple[np.ndarray, ...]:
    listed = _of_length("curves", curves, num)
    for curve in listed:
        if not isinstance(curve, np.ndarray) or curve.ndim != 2 or curve.dtype.kind != "f":
            raise UserError(f"history.curves: an array of floats is wanted, [budgets, objectives], not {_kind(curve)}")
    return listed


def _of_length(name: str, given: Any, num: int) -> tuple[Any, ...]:
    listed = _listed(name, given)
    if len(listed) != num:
        raise UserError(
            f"history.{name}: {len(listed)} are too {'few' if len(listed) < num else 'many'} for {num} genomes"
        )
    return listed


def _listed(name: str, given: Any) -> tuple[Any, ...]:
    if isinstance(given, np.ndarray):
        given = given.tolist()
    if not isinstance(given, Sequence) or isinstance(given, str | bytes):
        raise UserError(f"history.{name}: a sequence is wanted, not {_kind(given)}")
    return tuple(given)


def _with_failures(history: History, is_finite: np.ndarray) -> History:
    """The history with genomes among the failed that have no finite values."""
    kept, lost = np.flatnonzero(is_finite).tolist(), np.flatnonzero(~is_finite).tolist()
    return history.keep(kept, (*history.failed, *(history.genomes[place] for place in lost)))


def _kind(value: Any) -> str:
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"
