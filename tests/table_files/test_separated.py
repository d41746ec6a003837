"""CSV: the same cells as were written, and what is no table named with its line."""

import csv
import io
import itertools
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nas_jax.table_files.records import MalformedTableError
from nas_jax.table_files.separated import read_separated
from nas_jax.table_files.text import decode

# Whatever a file of text can hold: all line breaks that there are, among them those of Unicode alone.
CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8) | st.sampled_from(
    [
        "a\nb",
        "a\r\nb",
        "a\rb",
        "a\u0085b",
        "a\u2028b",
        "a\u2029b",
        "a\vb",
        "a\fb",
        "a\x1cb",
        '"',
        ",",
        "",
        " x ",
    ]
)


@st.composite
def grids(draw):
    width = draw(st.integers(1, 4))
    return draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=8)), width


@given(grids(), st.sampled_from([",", "\t", ";"]), st.sampled_from(["\n", "\r\n", "\r"]))
def test_what_csv_writes_is_read_back(grid, separator, end):
    rows, width = grid
    names = [f"name {place}" for place in range(width)]
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=separator, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([names, *rows])
    read = read_separated(file.getvalue())
    assert read.columns == tuple(names)
    assert [list(row.values()) for row in read.rows] == rows


def strict_readings(text):
    """The named columns below each line that can be a header, by Python's csv, with each separator.

    With the comments at the beginning or without them: a quote in one of them is no quote.
    """
    below = re.sub(r"\A(?:[ \t]*#[^\r\n]*(?:\r\n?|\n))+", "", text)
    for separator, part in itertools.product(",\t;", (text, below)):
        try:
            rows = list(csv.reader(io.StringIO(part, newline=""), delimiter=separator, strict=True))
        except csv.Error:
            continue
        for place, header in enumerate(rows):
            named = [column for column, name in enumerate(header) if name.strip()]
            body = [row for row in rows[place + 1 :] if len(row) == len(header) or any(map(str.strip, row))]
            if all(len(row) == len(header) for row in body):
                yield [[row[column].lstrip(" ") for column in named] for row in body]


@given(st.binary(max_size=60) | st.text('ab1,;\t\n\r"# ', max_size=60).map(str.encode))
@example(b'a,b\n"1\n2",3\n')
@example(b'#;"\r;\r;')
@example(b'#;"\r\x01;\r;')
def test_any_bytes_are_what_a_strict_reading_gives_or_refused_in_one_line(content):
    try:
        read = read_separated(decode(content))
    except MalformedTableError as refused:
        assert "\n" not in str(refused)  # noqa: PT017
        return
    if read.rows and not any("comment" in note for note in read.notes):
        cells = [[cell.lstrip(" ") for cell in row.values()] for row in read.rows]
        assert cells in strict_readings(content.decode("utf-8-sig"))


def lines_of(text):
    read = read_separated(text)
    return read.columns, [tuple(row.values()) for row in read.rows], list(read.lines), read.notes


@pytest.mark.parametrize(
    "text",
    [
        "depth,op\n2,conv\n4,pool\n",
        "depth;op\r\n2;conv\r\n4;pool",
        "depth\top\r2\tconv\r4\tpool\r",
        " depth , op\n2,conv\n\n4,pool\n   \n",
        "depth, op\n2, conv\n4, pool\n",
        'depth, op\n2, "conv"\n4, pool\n',
        '"depth", "op"\n2, "conv"\n4, pool\n',
        '"depth";"op"\n"2";"conv"\n"4";"pool"\n',
        "sep=;\ndepth;op\n2;conv\n4;pool\n",
    ],
)
def test_separators_and_spaces_around_names(text):
    columns, rows, _, notes = lines_of(text)
    assert columns == ("depth", "op")
    assert rows == [("2", "conv"), ("4", "pool")]
    assert notes == ()


def test_rows_know_their_lines():
    """Also after comments, empty lines, and cells of several lines."""
    columns, rows, lines, _ = lines_of('# by "a tool\n#\n\nx,y\n1,2\n\n"a\nb\nc",3\n4,5\n')
    assert columns == ("x", "y")
    assert rows == [("1", "2"), ("a\nb\nc", "3"), ("4", "5")]
    assert lines == [5, 7, 10]


def test_spaces_of_cells_stay_where_the_header_has_none():
    _, rows, _, _ = lines_of("x,y\n a, b \n")
    assert rows == [(" a", " b ")]


def test_a_header_in_a_comment_names_the_columns():
    """As `numpy.savetxt` writes it; a comment above a header is none."""
    columns, rows, lines, (note,) = lines_of("# depth,accuracy\n2,0.5\n4,0.25\n")
    assert (columns, rows, lines) == (("depth", "accuracy"), [("2", "0.5"), ("4", "0.25")], [2, 3])
    assert "comment in line 1" in note
    assert lines_of("# 24 rows, by hand\ndepth,accuracy\n2,0.5\n")[0] == ("depth", "accuracy")


@pytest.mark.parametrize("text", [",x,y\n0,1,2\n", "x,y,\n1,2,\n", "x,,y\n1,?,2\n", "x,,y,\n1,?,2,\n"])
def test_columns_without_a_name_are_left_out_with_a_note(text):
    columns, rows, _, (note,) = lines_of(text)
    assert (columns, rows) == (("x", "y"), [("1", "2")])
    assert "has no name, and is left out" in note


def test_a_cell_that_swallows_rows_is_noted():
    """Two missing quotes make one cell of three rows, which is CSV; a person has to say whether that is meant."""
    _, rows, _, (note,) = lines_of('x,op,y\n1,"conv,2\n2,pool,3\n3,conv",4\n')
    assert rows == [("1", "conv,2\n2,pool,3\n3,conv", "4")]
    assert "row in line 2 has line breaks and commas in it" in note
    assert lines_of('x,op\n1,"two\nlines"\n')[3] == ()


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("colour,y\n#ff0000,1\n #00ff00,2\n", ["#ff0000", " #00ff00"]),
        ("colour,y\n#ff0000,1\n,2\n#00ff00,3\n", ["#ff0000", "", "#00ff00"]),
        ('id,y\n#1,1\n#2,2\n"",3\n', ["#1", "#2", ""]),
        ('op,y\n"#conv",1\nconv,2\n', ["#conv", "conv"]),
        ("op,y\nconv,#1\npool,2\n", ["conv", "pool"]),
        ('op,y\n"a\n#b",1\npool,2\n', ["a\n#b", "pool"]),
    ],
)
def test_a_cell_may_begin_with_what_else_is_a_comment(text, cells):
    read = read_separated(text)
    assert [row[read.columns[0]] for row in read.rows] == cells


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('x,y\n1,2\n3,"4\n5,6\n', "a quote that does not close, in the row that begins in line 3"),
        ('x,y\n1,2\n3,"4\n5,"6\n', "a misplaced quote in the row that begins in line 3"),
        ('x,y\n1,"a "b" c"\n', "a misplaced quote in the row that begins in line 2"),
        ('"x,y\n1,2\n', "a quote that does not close, in the row that begins in line 1"),
        ('# comment\nx,y\n1,"2\n', "line 3"),
        ('x,y\n1,"' + "9" * 200_000, "a cell of more than 131,072 characters in the row that begins in line 2"),
        ("x,y\n1,2\n\n1,2,3\n", r"more cells than columns in line 4, 3 and 2: '1,2,3'; commas separate cells"),
        ("x;y\n1;2\n1\n", r"fewer cells than columns in line 3, 1 and 2: '1'; semicolons separate"),
        ("x,y\n1,2\n# the end\n", "in line 3, 1 and 2: '# the end'; remove the line if it is a comment"),
        ("op,width\nconv,32\n#conv,64\npool,32\n", "begins with #, in line 3: '#conv,64'; remove the line if"),
        ('# by me\n\nop,width\n"#conv",32\n\n # pool,64\nskip,1\n', "in line 6: ' # pool,64'; .* first cell in quotes"),
        ("op\twidth\n#conv\t64\npool\t32\n", r"begins with #, in line 2: '#conv\\t64'"),
        ("id,y\n#1,1\n#2,2\n#3,3\nnone,4\n", r"in line 2: '#1,1'; .* in quotes \(pandas: to_csv\(…, quoting=2\)\)"),
        ("id,y\n,1\n#conv,2\n,3\n", "in line 3: '#conv,2'"),
        ("x,op,y\n#,conv,1\n#,pool,2\n,skip,3\n", "in line 2: '#,conv,1'"),
        ("x,y, x\n1,2,3\n", "names a column twice, 'x': x, y, x"),
    ],
)
def test_what_is_no_table_is_named_with_its_line(text, message):
    with pytest.raises(MalformedTableError, match=message) as error:
        read_separated(text)
    assert "\n" not in str(error.value)
