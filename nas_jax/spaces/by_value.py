"""Genes and genomes as a program has them, not a table: what `nas_jax.spaces.categorical` is given by value.

Values keep their types: the text "012" is no number here, and True is not 1.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nas_jax.spaces.rows import Rows
from nas_jax.trial import Genome


def pairs_of(genes: Mapping[Any, Any]) -> tuple[tuple[Any, Any], ...]:
    """The genes of a mapping as pairs (name, choices), in its order; lists and arrays of choices become tuples."""
    return tuple((name, _plain(choices)) for name, choices in genes.items())


def check_choices(name: str, choices: Sequence[Any]) -> None:
    """Refuses what JSON would not give back, and what could not be told apart.

    Raises:
        ValueError: no choices, one that is no string, number or bool, or one that is there twice.
    """
    for value in choices:
        if not isinstance(value, str | int | float) or (isinstance(value, float) and not math.isfinite(value)):
            raise ValueError(f"the gene {name!r} has the choice {value!r}, which is no string, finite number or bool")
    if len({*choices}) < len(choices) or len({*map(str, choices)}) < len(choices):
        raise ValueError(f"the gene {name!r} names a choice twice: {choices}")


def is_numeric(choices: Iterable[Any]) -> bool:
    """Whether all are numbers, which have an order."""
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in choices)


def genomes_of(allowed: Any, genes: Sequence[tuple[str, Sequence[Any]]]) -> tuple[Genome, ...]:
    """The allowed genomes as tuples of the genes' choices, in the order given.

    Args:
        allowed: tuples in the order of the genes, or dictionaries by their names.
        genes: names with choices.

    Raises:
        ValueError: none, one that is there twice, or that has other genes or choices; says which.
    """
    if isinstance(allowed, str | Mapping) or not isinstance(allowed, Iterable):
        raise ValueError(f"allowed: a list of genomes is wanted, not {allowed!r}")
    names = [name for name, _ in genes]
    choice_of = [{_typed(value): value for value in choices} for _, choices in genes]
    genomes = []
    for place, given in enumerate(allowed):
        values = _values(given, names, f"allowed[{place}]")
        for name, value, known in zip(names, values, choice_of, strict=True):
            if not isinstance(value, str | int | float) or _typed(value) not in known:
                listed = ", ".join(map(repr, known.values()))
                raise ValueError(f"allowed[{place}]: {name!r} cannot be {value!r}; choose from {listed}")
        genomes.append(tuple(known[_typed(value)] for value, known in zip(values, choice_of, strict=True)))
    if not genomes:
        raise ValueError("allowed: there are no genomes; leave it out where all are allowed")
    if len(set(genomes)) < len(genomes):
        twice = next(genome for place, genome in enumerate(genomes) if genome in genomes[:place])
        raise ValueError(f"allowed names a genome twice: {twice!r}")
    return tuple(genomes)


def rows_of_genomes(genomes: Sequence[Genome], choices: Sequence[Sequence[Any]]) -> Rows:
    """The genomes as a table that has a row for each would have them: sorted by the places of their choices."""
    code_of = [{value: code for code, value in enumerate(values)} for values in choices]
    coded = {tuple(code[value] for code, value in zip(code_of, genome, strict=True)): genome for genome in genomes}
    codes = sorted(coded)
    ordered = [coded[code] for code in codes]
    places = {genome: place for place, genome in enumerate(ordered)}
    return Rows(ordered, places, np.ascontiguousarray(np.array(codes).T, np.int32), np.empty((len(codes), 0)))


def _values(given: Any, names: Sequence[str], title: str) -> tuple[Any, ...]:
    """The values of one genome in the order of the genes."""
    if isinstance(given, Mapping):
        if missing := [name for name in names if name not in given]:
            raise ValueError(f"{title}: the gene {missing[0]!r} is missing in {dict(given)!r}")
        if unknown := [name for name in given if name not in names]:
            raise ValueError(f"{title}: there is no gene {unknown[0]!r}; the genes are {', '.join(names)}")
        return tuple(_plain(given[name]) for name in names)
    values = _plain(given)
    if not isinstance(values, tuple):
        raise ValueError(f"{title}: {given!r} is neither a tuple of values nor a dictionary")
    if len(values) != len(names):
        raise ValueError(f"{title}: {values!r} has {len(values)} values for {len(names)} genes, {', '.join(names)}")
    return values


def _plain(value: Any) -> Any:
    """Python's own values for NumPy's, and tuples for lists, ranges and arrays."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    return tuple(map(_plain, value)) if isinstance(value, list | tuple | range) else value


def _typed(value: Any) -> tuple[bool, Any]:
    """Tells True from 1, which are equal in Python."""
    return isinstance(value, bool), value
