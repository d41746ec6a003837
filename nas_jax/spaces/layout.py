"""What follows from the settings of `categorical`: the choices of each gene, their order, and the rows of a table."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from nas_jax.metrics import is_of_test_split
from nas_jax.spaces.alike import Alike, alike_genes, shares
from nas_jax.spaces.by_value import is_numeric, rows_of_genomes
from nas_jax.spaces.columns import column_of, read_column
from nas_jax.spaces.rows import Rows, rows_of
from nas_jax.tables import Table
from nas_jax.trial import Genome

_MAX_CHOICES = 10_000  # of all genes together, each of which is a feature
_MAX_ONE_HOT = 20  # choices of a gene of numbers that is one-hot although it may be continuous
_MIN_ROWS_OF_NAMES = 10  # in that many rows, a gene that never takes a value twice is taken for a name or a metric

Choices = tuple[Any, ...]


class Layout(NamedTuple):
    """What follows from the settings of a space."""

    choices: tuple[Choices, ...]
    is_ordered: Bool[np.ndarray, " g"]
    is_one_hot: Bool[np.ndarray, " g"]
    rows: Rows | None  # None where every combination is a genome
    alike: tuple[Alike, ...]

    def encode(self, genomes: Sequence[Genome]) -> Float[np.ndarray, "n d"]:
        """As `Categorical.encode`."""
        codes, free = self._codes(genomes)
        sizes = np.array([len(choices) for choices in self.choices])
        hot_codes, hot_sizes = codes[:, self.is_one_hot], sizes[self.is_one_hot]
        one_hot = np.zeros((len(genomes), hot_sizes.sum()), np.float32)
        np.put_along_axis(one_hot, hot_codes + np.cumsum(hot_sizes) - hot_sizes, 1, axis=1)
        ranks = codes / np.maximum(sizes - 1, 1)
        parts = [one_hot, ranks[:, self.is_ordered], shares(codes, self.alike), free]
        return np.concatenate(parts, axis=1, dtype=np.float32)

    def _codes(self, genomes: Sequence[Genome]) -> tuple[Int[np.ndarray, "n g"], Float[np.ndarray, "n f"]]:
        """The place of each gene's choice, and what a table knows of the genomes beside."""
        if self.rows:
            places = np.array([self.rows.places[genome] for genome in genomes], np.intp)
            return self.rows.codes[:, places].T, self.rows.free[places]
        code_of = [{value: code for code, value in enumerate(choices)} for choices in self.choices]
        codes = [[code[value] for code, value in zip(code_of, genome, strict=True)] for genome in genomes]
        return np.array(codes, np.intp).reshape(len(genomes), len(code_of)), np.zeros((len(genomes), 0))


def layout_of_values(
    genes: Sequence[tuple[str, Choices]], ordered: Sequence[str] | None, allowed: Sequence[Genome] | None
) -> Layout:
    """Of genes that were given with their choices; `allowed` None is for all combinations.

    Raises:
        ValueError: more choices than a surrogate should be given.
    """
    choices = tuple(values for _, values in genes)
    names = [name for name, _ in genes]
    _check_number(names, choices)
    is_ordered = [is_numeric(values) if ordered is None else name in ordered for name, values in genes]
    rows = None if allowed is None else rows_of_genomes(allowed, choices)
    return Layout(choices, np.array(is_ordered), np.ones(len(choices), bool), rows, alike_genes(choices))


def layout_of_table(
    table: Table,
    genes: Sequence[tuple[str, Choices | None]],
    ordered: Sequence[str] | None,
    free_features: Sequence[str],
    *,
    continuous: bool = False,
) -> Layout:
    """Of columns of a table, with the choices that were given, or None where they are those of the column.

    Genes of many numbers are one-hot unless it may be `continuous`.

    Raises:
        ValueError: a choice that is there twice, too many, or no row with them.
    """
    columns = {name: read_column(table, name) for name, _ in genes}
    choices = tuple(given or columns[name].choices for name, given in genes)
    for (name, column), values in zip(columns.items(), choices, strict=True):
        keys = [column.key(value) for value in values]
        if len(column_of(values).choices) < len(values) or len({*keys} - {None}) < len(keys) - keys.count(None):
            raise ValueError(f"the gene {name!r} names a choice twice: {values}")
    is_ordered = np.array(
        [
            column_of(values).is_numeric if ordered is None else name in ordered
            for name, values in zip(columns, choices, strict=True)
        ]
    )
    is_long = np.array([len(values) > _MAX_ONE_HOT for values in choices])
    is_one_hot = ~(is_ordered & is_long) if continuous else np.ones(len(choices), bool)
    hot = [place for place, is_hot in enumerate(is_one_hot) if is_hot]
    _check_number([list(columns)[place] for place in hot], [choices[place] for place in hot])
    rows = rows_of(table, columns, choices, tuple(free_features))
    alike = alike_genes([values if is_hot else () for values, is_hot in zip(choices, is_one_hot, strict=True)])
    return Layout(choices, is_ordered, is_one_hot, rows, alike)


def check_genes(table: Table, names: Sequence[str], *, may_be_numbers: bool = False) -> None:
    """Refuses what is taken for a gene only because nobody has excluded it; `may_be_numbers` lets numbers pass.

    Raises:
        ValueError: no genes are left, one is of the test split by its name, or has another value in every row.
    """
    if not names:
        raise ValueError(f"every column of {table.path} is excluded, which leaves no gene")
    for name in names:
        if is_of_test_split(name):
            raise ValueError(
                f"the column {name!r} of {table.path} is of the test split by its name, which no search may see: "
                "exclude it, or list the genes if it is one"
            )
        column = read_column(table, name)
        if may_be_numbers and column.is_numeric:
            continue
        if len(names) > 1 and len(column.keys) == len(column.choices) >= _MIN_ROWS_OF_NAMES:
            raise ValueError(
                f"the column {name!r} of {table.path} has another value in every row, as a name or a metric has; "
                "exclude it, or list the genes if it is one"
            )


def _check_number(names: Sequence[str], choices: Sequence[Choices]) -> None:
    num = sum(map(len, choices))
    if num > _MAX_CHOICES:
        widest = max(range(len(choices)), key=lambda gene: len(choices[gene]))
        raise ValueError(
            f"the genes have {num} choices, more than {_MAX_CHOICES}; exclude or round {names[widest]!r}, which has "
            f"{len(choices[widest])}"
        )
