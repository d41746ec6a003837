"""Columns as genes: what is read writes back the same, and what looks like a number and is a name says so."""

import csv
import io
import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_jax.spaces.categorical import Categorical
from nas_jax.spaces.columns import column_notes, column_of, quantity
from nas_jax.tables import read_table

NUMBERS = ("0", "1", "12", "-0", "+3", "3", "1.5", "1.50", "1e5", "100000", "1e-3", ".5", "5.", "9007199254740993")
NAMES = ("012", "0012", "nan", "x", "2,000", "1_6", "٣", "", "01210120121012012100", "01210120121012012101")
COLUMNS = st.lists(
    st.sampled_from(NUMBERS + NAMES) | st.integers().map(str) | st.floats().map(repr) | st.text(max_size=5), min_size=1
)


@given(COLUMNS)
def test_choices_write_back_what_was_read(cells):
    """As many choices as different cells, none twice, and each writes one of them; numbers but for spaces around."""
    column = column_of(cells)
    texts = {cell.strip(" \t") if column.is_numeric else cell for cell in cells}
    assert sorted(map(str, column.choices)) == sorted(texts)
    assert len(set(column.choices)) == len(column.choices)
    assert [column.key(choice) for choice in column.choices] == list(dict.fromkeys(map(column.key, column.choices)))
    for key, cell in zip(column.keys, cells, strict=True):
        assert key == column.key(cell)


@given(COLUMNS)
def test_a_column_of_numbers_is_in_the_order_of_exact_decimals(cells):
    column = column_of(cells)
    if column.is_numeric:
        exact = [Decimal(str(choice)) for choice in column.choices]
        assert exact == sorted(exact)
        assert len(set(exact)) == len(exact)


@pytest.mark.parametrize("cell", ["16", " 16\t", "-0", "+3", "1.50", "1e5", "1E-5", ".5", "5.", "0", "0.0", str(2**70)])
def test_a_number_is_what_decimal_reads(cell):
    assert quantity(cell) == (int(cell) if cell == str(2**70) else float(Decimal(cell.strip())))


@pytest.mark.parametrize(
    "cell",
    [*NAMES, "-", ".", "e5", "-00", "0x10", "inf", "1e999", "9" * 5000, "1\n", "1 2", None, True, [1], float("nan")],
)
def test_everything_else_is_a_name(cell):
    assert quantity(cell) is None


@pytest.mark.parametrize(
    ("cells", "choices", "is_numeric"),
    [
        (["10", "9", "10"], (9, 10), True),
        (["0.5", "1.0", "16"], (0.5, 1.0, 16), True),
        ([" 16", "8 "], (8, 16), True),
        (["9007199254740993", "9007199254740994"], (9007199254740993, 9007199254740994), True),
        # Numbers that Python writes in another way stay as they are, in order.
        (["1e-3", "2", "0.50"], ("1e-3", "0.50", "2"), True),
        (["+3", "-1"], ("-1", "+3"), True),
        # One number in two writings, or zeros in front, make names.
        (["9", "9.0", "10"], ("9", "9.0", "10"), False),
        (["0012", "012", "12"], ("12", "0012", "012"), False),
        (["01210120121012012100", "01210120121012012101"], ("01210120121012012100", "01210120121012012101"), False),
        (["128", "", "64"], ("64", "128", ""), False),
        (["pool", "conv"], ("conv", "pool"), False),
        (["conv", "conv ", " conv"], (" conv", "conv", "conv "), False),
        (["1_0", "2"], ("2", "1_0"), False),
        # What JSON has beside text.
        ([2.0, 4, 8], (2, 4, 8), True),
        ([True, False], (False, True), False),
        ([2, "conv", None], (2, "conv", "null"), False),
        ([[1, 2], [1]], ("[1, 2]", "[1]"), False),
        ([1, True], ("1", "true"), False),
        ([2**60 + 1, 2**60], (2**60, 2**60 + 1), True),
    ],
)
def test_choices_of_a_column(cells, choices, is_numeric):
    column = column_of(cells)
    assert [*map(repr, column.choices)] == [*map(repr, choices)]
    assert column.is_numeric == is_numeric


def notes_of(tmp_path, cells):
    file = io.StringIO(newline="")
    csv.writer(file).writerows([["x", "y"], *([cell, 1] for cell in cells)])
    path = tmp_path / "table.csv"
    path.write_text(file.getvalue(), newline="")
    return list(column_notes(read_table(str(path)), "x"))


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["2,000", "16", "4,000"], "is text without order: if '2,000' is a number, write it as 1234.5"),
        (["0,5", "0,25"], "if '0,25' is a number"),
        (["1'000'000", "2'000"], "if \"1'000'000\" is a number"),
        (["16", "32", "n/a"], "is text without order, because of 'n/a' in line 4"),
        (["16", "", "32"], "because of '' in line 3"),
        (["0.1", "0.10"], "since '0.1' and '0.10' are one number in two writings"),
        (["conv", "conv ", "pool"], "has 'conv' and 'conv ', which count as two choices"),
        (["12", "0012"], "because of '0012' in line 3"),
    ],
)
def test_what_looks_like_a_number_and_is_none_says_so(tmp_path, cells, message):
    (note,) = notes_of(tmp_path, cells)
    assert message in note
    assert note.startswith(str(tmp_path))


@pytest.mark.parametrize(
    "cells", [["1", "2"], ["conv", "pool"], ["1e-3", "0.5"], ["none", "conv", "3"], ["3x3", "5x5"]]
)
def test_columns_in_order_say_nothing(tmp_path, cells):
    assert notes_of(tmp_path, cells) == []


@pytest.mark.parametrize(
    ("cells", "text"), [([True, "true", "conv"], "true"), (["null", None], "null"), (["[1]", [1], 2], "[1]")]
)
def test_cells_of_two_kinds_that_are_one_choice_are_said(tmp_path, cells, text):
    path = tmp_path / "table.jsonl"
    path.write_text("".join(json.dumps({"x": cell, "y": 1}) + "\n" for cell in cells))
    notes = list(column_notes(read_table(str(path)), "x"))
    assert notes[-1] == f"{path}: the column 'x' has {text} and \"{text}\", which count as one choice"
    path.write_text('{"x": true}\n{"x": null}\n{"x": 1}\n{"x": "1"}\n{"x": "conv"}\n')
    assert not [note for note in column_notes(read_table(str(path)), "x") if "one choice" in note]


def test_a_gene_by_default_that_sounds_measured_is_noted(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(
        "width,time_steps,learning_rate,val_acc_3,train_loss_50,time,score\n1,2,.1,.5,2,9,.5\n2,3,.1,.6,1,8,.6\n"
    )
    space = Categorical(path=str(path), exclude="score")
    names = ("time_steps", "val_acc_3", "train_loss_50", "time")
    assert space.notes == tuple(f"{path}: {n!r} is a gene by default; exclude it if it was measured" for n in names)
    assert Categorical(path=str(path), genes="width,time_steps").notes == ()


def test_a_space_says_it_of_genes_alone(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(',Unnamed: 0,width,op,score\n0,5,"1,000",conv,0.5\n1,6,"2,000",conv,"0,6"\n')
    space = Categorical(path=str(path), exclude="score")
    assert space.gene_names == ("width", "op")
    unnamed, pandas, thousands = space.notes
    assert "column 1 of 5 has no name" in unnamed
    assert "'Unnamed: 0' has no name of its own, and is no gene" in pandas
    assert "'width' is text without order" in thousands
    assert Categorical(path=str(path), genes="op").notes == (unnamed,)
    assert Categorical(genes=(("width", (1, 2)),)).notes == ()


def test_text_that_does_not_print_is_described_in_one_line(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('op,score\n"a\nb",1\n"a\u2028b",2\n', newline="")
    space = Categorical(path=str(path), exclude="score")
    assert [*map(space.describe, space.genomes())] == ['op="a\\nb"', 'op="a\\u2028b"']
