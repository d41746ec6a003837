"""Named genes with listed choices: any table of measurements, or any list of genomes, is a space, without code.

A genome has the chosen value of each gene, in the order of the genes. Without a table every combination of choices is
a genome, or those that are allowed; with one, only those that have a row are, and rows with equal genes (seeds) are
one genome.
"""

import math
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice, product
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from nas_jax.hints import check_type
from nas_jax.metrics import sounds_measured
from nas_jax.spaces.base import sample_distinct
from nas_jax.spaces.by_value import check_choices, genomes_of, pairs_of
from nas_jax.spaces.columns import check_no_curve, column_notes, is_nameless, printable
from nas_jax.spaces.layout import Layout, check_genes, layout_of_table, layout_of_values
from nas_jax.tables import PLACEHOLDER, Table, read_table
from nas_jax.trial import Genome, freeze

Names: TypeAlias = str | tuple[str, ...]


@dataclass(frozen=True)
class Categorical:
    """The combinations of choices, or those of them that are allowed, or that a table has. Knows no networks.

    Without a table, `Categorical(genes={"op": ["conv", "pool"], "width": [16, 32]})`: choices are strings, numbers or
    bools, keep their types, and stay in the order given. With one, wherever names are listed, one string with commas
    between them will do.

    Args:
        genes: Choices by the name of each gene. With a table, a name for each, or a pair (name, choices) where the
            choices are not those of the column; rows with other values are then left out. Empty: all columns but
            `exclude`, `free_features` and those that have no name.
        path: A table's file, see `nas_jax.tables`; without one, every gene needs choices. The choices of a column are
            its values, as the file has them: see `nas_jax.spaces.columns`.
        exclude: Columns that are no genes: what is searched for, other metrics, seconds, seeds. `test_loss_{}` stands
            for all with a number in place of `{}`.
        curve: Columns of a learning curve, `val_loss_{}`, which are no genes either.
        continuous: Columns of numbers of which hardly any two are equal, such as learning rates, are genes too, where
            no genes are listed. Such a gene is encoded by the rank of its value alone, which needs no logarithm.
        ordered: Genes whose choices have an order, so that their rank is encoded too; None: all of numbers.
        free_features: Columns of numbers that are known without measuring, encoded too: log10 of them where all are
            positive; the mean over the rows of a genome.
        allowed: Without a table, the genomes that there are: tuples of choices in the order of the genes, or
            dictionaries. None: all.

    Raises:
        UserError: the table cannot be read, or lacks a column.
        ValueError: an argument of another type, no genes, no choices, names that contradict each other, or an allowed
            genome of other choices.
    """

    genes: Any = ()
    path: str = ""
    exclude: Names = ()
    ordered: Names | None = None
    free_features: Names = ()
    allowed: Any = field(default=None, repr=False)  # may be long
    curve: str = ""
    continuous: bool = False
    kinds: tuple[str, ...] = field(init=False, repr=False)  # of given choices: 1, 1.0 and True are equal in Python
    table: Table | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        if isinstance(self.genes, Mapping):
            object.__setattr__(self, "genes", pairs_of(self.genes))
        for name in ("genes", "exclude", "ordered", "free_features"):
            value = getattr(self, name)
            if isinstance(value, str):
                value = [word.strip() for word in value.split(",") if word.strip()]
            object.__setattr__(self, name, freeze(value))
        self._check_given()
        if self.path:
            object.__setattr__(self, "table", read_table(self.path, is_all_needed=False))
        names = self.gene_names
        if len(set(names)) < len(names):
            raise ValueError(f"genes={names} names a gene twice")
        if both := set(names) & {*self.exclude}:
            raise ValueError(f"{min(both)!r} is a gene and excluded; name it in one of genes and exclude")
        if unknown := set(self.ordered or ()) - set(names):
            raise ValueError(f"ordered: there is no gene {min(unknown)!r}; the genes are {', '.join(names)}")
        if not self.path:
            self._check_values()
        kinds = (type(value).__name__ for _, choices in _given_genes(self) for value in choices or ())
        object.__setattr__(self, "kinds", tuple(kinds))
        _layout(self)

    def _check_given(self) -> None:
        """Types, and what goes together, whatever a table has."""
        if not isinstance(self.genes, tuple):
            raise ValueError(f"genes: a mapping of names to choices is wanted, or a list of names, not {self.genes!r}")
        for name in ("exclude", "free_features"):
            check_type(getattr(self, name), tuple[str, ...], name)
        check_type(self.ordered, tuple[str, ...] | None, "ordered")
        check_type(self.curve, str, "curve")
        if not isinstance(self.path, str | os.PathLike):
            raise ValueError(f"path: must be text, but is {self.path!r}")
        if not self.genes and not self.path:
            raise ValueError(
                "name a table, for example with --config.evaluator.path=table.csv, or give genes with their choices"
            )
        if not self.path and (self.exclude or self.free_features or self.curve):
            raise ValueError("exclude, free_features and curve are columns of a table; name it: path")
        if self.path and self.allowed is not None:
            raise ValueError("allowed: the rows of the table say it already; leave out one of allowed and path")
        for gene in self.genes:
            is_pair = isinstance(gene, tuple) and [type(part) for part in gene] == [str, tuple]
            if not isinstance(gene, str) and not is_pair:
                raise ValueError(f"genes: {gene!r} is neither a name nor a pair (name, choices)")

    def _check_values(self) -> None:
        """What there is without a table."""
        for name, choices in _given_genes(self):
            if not choices:
                raise ValueError(
                    f"the gene {name!r} needs choices, as in genes={{{name!r}: (1, 2, 4), …}}, or name a table: path"
                )
            check_choices(name, choices)
        if self.allowed is not None:
            object.__setattr__(self, "allowed", genomes_of(self.allowed, self.genes))

    def __hash__(self) -> int:
        """Of settings that are equal where spaces are; a long list of genomes would be hashed anew at every look-up."""
        num_allowed = None if self.allowed is None else len(self.allowed)
        given = (self.genes, self.kinds, self.path, self.exclude, self.ordered, self.free_features, self.curve)
        return hash((*given, self.continuous, num_allowed))

    @property
    def gene_names(self) -> tuple[str, ...]:
        """The columns of the genes, where there is a table."""
        return tuple(name for name, _ in _given_genes(self))

    @property
    def digests(self) -> Mapping[str, str]:
        """The SHA-256 of the table, by the field that names it."""
        return {"path": self.table.digest} if self.table else {}

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out of the table, genes that sound measured, idle patterns, and columns of numbers as text."""
        if self.table is None:
            return ()
        unnamed = [] if self.genes else [name for name in _others(self) if is_nameless(name)]
        notes = [f"{self.path}: the column {name!r} has no name of its own, and is no gene" for name in unnamed]
        measured = [] if self.genes else [name for name in self.gene_names if sounds_measured(name)]
        notes += [f"{self.path}: {name!r} is a gene by default; exclude it if it was measured" for name in measured]
        patterns = [name for name in self.exclude if PLACEHOLDER in name and not self.table.numbered(name)]
        notes += [f"{self.path}: no column is {name!r} with a number, so exclude leaves none out" for name in patterns]
        read = (name for name, choices in _given_genes(self) if choices is None)
        return (*self.table.notes, *notes, *(note for name in read for note in column_notes(self.table, name)))

    # Genomes

    @property
    def num_genomes(self) -> int:
        """Exact."""
        layout = _layout(self)
        return len(layout.rows.genomes) if layout.rows else math.prod(map(len, layout.choices))

    def genomes(self) -> Iterator[Genome]:
        """Every genome; the last gene changes fastest."""
        layout = _layout(self)
        return iter(layout.rows.genomes) if layout.rows else product(*layout.choices)

    def describe(self, genome: Genome) -> str:
        """`width=16, op=conv`; text that does not print is in quotes, with its characters escaped."""
        return ", ".join(f"{name}={printable(value)}" for name, value in zip(self.gene_names, genome, strict=True))

    def sample(self, rng: np.random.Generator, num: int, exclude: Collection[Genome] = frozenset()) -> list[Genome]:
        """Uniform over genomes."""
        layout = _layout(self)
        if layout.rows:
            excluded = exclude if isinstance(exclude, frozenset | set) else frozenset(exclude)
            shuffled = (layout.rows.genomes[place] for place in rng.permutation(len(layout.rows.genomes)))
            return list(islice((genome for genome in shuffled if genome not in excluded), max(num, 0)))

        def draw() -> Genome:
            return tuple(choices[rng.integers(len(choices))] for choices in layout.choices)

        return sample_distinct(draw, self.genomes, rng, num, exclude)

    def neighbors(self, genome: Genome) -> list[Genome]:
        """Those that differ in one gene.

        Where there are none, those that differ in as few genes as any does. A genome that is nobody's neighbour
        but by this rule may be so one way only: to look for more would compare every row with every other.
        """
        layout = _layout(self)
        changed = (
            (*genome[:i], value, *genome[i + 1 :])
            for i, choices in enumerate(layout.choices)
            for value in choices
            if value != genome[i]
        )
        if layout.rows is None:
            return list(changed)
        return [other for other in changed if other in layout.rows.places] or layout.rows.nearest(genome)

    def mutate(self, rng: np.random.Generator, genome: Genome) -> Genome:
        """A random neighbour.

        Raises:
            ValueError: `genome` is the only one.
        """
        neighbors = self.neighbors(genome)
        if not neighbors:
            raise ValueError(f"{self.describe(genome)!r} has no neighbour in this space")
        return neighbors[rng.integers(len(neighbors))]

    def crossover(self, rng: np.random.Generator, first: Genome, second: Genome) -> Genome:
        """Each gene from either parent, by the toss of a coin; a mutant of one of them if that is no genome."""
        rows = _layout(self).rows
        child = tuple(pair[rng.integers(2)] for pair in zip(first, second, strict=True))
        if rows is None or child in rows.places or len(rows.genomes) == 1:
            return child
        return self.mutate(rng, (first, second)[rng.integers(2)])

    # Genes

    @property
    def gene_choices(self) -> dict[str, tuple[Any, ...]]:
        return dict(zip(self.gene_names, _layout(self).choices, strict=True))

    @property
    def feature_genes(self) -> tuple[str, ...]:
        """Names of genes, "counts of alike genes", which is no gene's, and names of `free_features`."""
        names, layout = self.gene_names, _layout(self)
        listed = zip(names, layout.choices, layout.is_one_hot, strict=True)
        hot = (name for name, choices, is_one_hot in listed if is_one_hot for _ in choices)
        ranked = (name for name, is_ordered in zip(names, layout.is_ordered, strict=True) if is_ordered)
        counts = ("counts of alike genes" for alike in layout.alike for _ in range(alike.num_choices))
        return (*hot, *ranked, *counts, *self.free_features)

    def genes_of(self, genome: Genome) -> dict[str, Any]:
        return dict(zip(self.gene_names, genome, strict=True))

    def express(self, choices: Sequence[Any]) -> Genome | None:
        """The combination itself, if it is one of the space."""
        rows, genome = _layout(self).rows, tuple(choices)
        return genome if rows is None or genome in rows.places else None

    # Numbers

    def encode(self, genomes: Sequence[Genome]) -> Float[np.ndarray, "n d"]:
        """One-hot genes, ranks of ordered genes in [0, 1], shares of choices among alike genes, `free_features`.

        With `continuous`, genes of many numbers are not one-hot.
        """
        return _layout(self).encode(genomes)


@cache
def _layout(space: Categorical) -> Layout:
    if space.table is None:
        return layout_of_values(space.genes, space.ordered, space.allowed)
    excluded = [name for name in space.exclude if PLACEHOLDER not in name]
    space.table.check_names([*space.gene_names, *excluded, *space.free_features], "space")
    space.table.check_columns([*space.gene_names, *space.free_features], "space")
    if not space.genes:
        patterns = [name for name in (*space.exclude, space.curve) if PLACEHOLDER in name]
        check_no_curve(space.table, patterns, space.gene_names)
        check_genes(space.table, space.gene_names, may_be_numbers=space.continuous)
    return layout_of_table(
        space.table, _given_genes(space), space.ordered, space.free_features, continuous=space.continuous
    )


def _given_genes(space: Categorical) -> list[tuple[str, tuple[Any, ...] | None]]:
    """Names with the choices that are given, None where they are those of the table, or missing."""
    if space.genes:
        return [(gene, None) if isinstance(gene, str) else gene for gene in space.genes]
    return [(name, None) for name in _others(space) if not is_nameless(name)]


def _others(space: Categorical) -> list[str]:
    """The columns of the table that the settings do not name."""
    if space.table is None:
        return []
    patterns = [name for name in (*space.exclude, space.curve) if PLACEHOLDER in name]
    numbered = (name for pattern in patterns for name in space.table.numbered(pattern).values())
    named = {*space.exclude, *space.free_features, *numbered}
    return [name for name in space.table.columns if name not in named]


make = Categorical
