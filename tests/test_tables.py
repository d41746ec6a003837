"""Reading tables: every form, and what is wrong with a file that has another."""

import gzip
import hashlib
import importlib.util
import json
import pickle
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from nas_jax.errors import UserError
from nas_jax.evaluators.tabular import Tabular
from nas_jax.features.table import TableFeatures
from nas_jax.spaces.categorical import Categorical
from nas_jax.tables import number, read_table
from nas_jax.trial import Trial

CASES = Path(__file__).parents[2] / "shared" / "cases" / "tables"
ROWS = [(depth, op, 0.5 + depth / 10) for depth in (2, 4) for op in ("conv", "pool")]


def written(path, text):
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_csv_file_has_text_in_named_columns(tmp_path):
    text = '\ufeffname,accuracy,note\n"conv, 3x3",0.5,"a ""b"""\npool,,\n'
    table = read_table(written(tmp_path / "table.csv", text))
    assert table.columns == ("name", "accuracy", "note")
    assert table.rows == (
        {"name": "conv, 3x3", "accuracy": "0.5", "note": 'a "b"'},
        {"name": "pool", "accuracy": "", "note": ""},
    )


def test_a_json_file_is_a_list_of_records_or_an_object_of_them(tmp_path):
    records = [{"width": 16, "losses": [1, 2]}, {"width": 32, "deep": True}]
    table = read_table(written(tmp_path / "list.json", json.dumps(records)))
    assert table.columns == ("width", "losses", "deep")
    assert list(table.rows) == records
    table = read_table(written(tmp_path / "object.json", json.dumps({"a": records[0], "b": records[1]})))
    assert table.columns == ("key", "width", "losses", "deep")
    assert list(table.rows) == [{"key": "a", **records[0]}, {"key": "b", **records[1]}]


def test_a_file_that_stays_the_same_is_read_once(tmp_path):
    path = written(tmp_path / "table.csv", "x\n1\n")
    table = read_table(path)
    assert table is read_table(path)
    assert table.digest == hashlib.sha256(Path(path).read_bytes()).hexdigest()
    written(tmp_path / "table.csv", "x\n2\n")
    assert read_table(path).rows == ({"x": "2"},)
    assert table.rows == ({"x": "1"},)


def test_a_table_is_sent_to_another_process_by_its_name(tmp_path):
    path = written(tmp_path / "table.csv", "x\n1\n")
    packed = pickle.dumps(read_table(path))
    assert pickle.loads(packed) is read_table(path)
    written(tmp_path / "table.csv", "x\n2\n")
    with pytest.raises(UserError, match="has changed since this program read it"):
        pickle.loads(packed)


def write_form(path, form):
    """The table of ROWS in a form of file."""
    names = ("depth", "op", "accuracy")
    records = [dict(zip(names, row, strict=True)) for row in ROWS]
    text = "\n".join([",".join(names), *(",".join(map(str, row)) for row in ROWS)]) + "\n"
    lines = "\n".join(map(json.dumps, records))
    if form == ".parquet":
        columns = {name: [row[place] for row in ROWS] for place, name in enumerate(names)}
        parquet.write_table(pyarrow.table(columns), path)
        return
    content = {
        ".csv": text.encode(),
        ".txt": text.replace(",", ";").encode(),
        ".tsv": text.replace(",", "\t").encode(),
        ".utf16.csv": text.encode("utf-16"),
        ".csv.gz": gzip.compress(text.encode()),
        ".CSV": gzip.compress(text.encode()),  # packed, whatever its name says
        ".json": json.dumps(records).encode(),
        ".jsonl": lines.encode(),
        ".ndjson": lines.encode() + b"\n",
        ".jsonl.gz": gzip.compress(lines.encode()),
    }
    path.write_bytes(content[form])


FORMS = (".csv", ".txt", ".tsv", ".utf16.csv", ".csv.gz", ".CSV", ".json", ".jsonl", ".ndjson", ".jsonl.gz", ".parquet")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_table_gives_the_same_genomes_and_metrics(tmp_path, form):
    path = tmp_path / f"table{form}"
    write_form(path, form)
    table = read_table(str(path))
    assert table.notes == ()
    assert [(float(row["depth"]), row["op"], float(row["accuracy"])) for row in table.rows] == ROWS
    space = Categorical(path=str(path), exclude="accuracy")
    assert list(space.genomes()) == [row[:2] for row in ROWS]
    assert [type(value) for value in next(space.genomes())] == [int, str]


def test_parquet_without_arrow_says_what_to_install(tmp_path, monkeypatch):
    write_form(tmp_path / "table.parquet", ".parquet")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="is Parquet, which needs Apache Arrow: pip install pyarrow"):
        read_table(str(tmp_path / "table.parquet"))


def test_parquet_keeps_values_and_leaves_out_the_index_of_pandas(tmp_path):
    columns = {"id": [2**53 + 1, 2**53 + 2], "code": ["0012", "12"], "raw": [b"a", b"b"], "deep": [True, None]}
    index = {"__index_level_0__": [0, 1]}
    path = str(tmp_path / "table.parquet")
    parquet.write_table(pyarrow.table({**columns, **index, "loss": [[0.5, 0.25], [1.0]]}), path)
    space = Categorical(path=path, exclude="loss")
    expected = {(2**53 + 1, "0012", "a", True), (2**53 + 2, "12", "b", "null")}
    assert set(space.genomes()) == expected
    assert "'__index_level_0__' has no name of its own" in space.notes[0]
    assert Tabular(space, path, "loss").notes == ()


def no_utf8():
    """Text of two cells, of which the second one is a byte that is none."""
    buffers = [None, pyarrow.py_buffer(np.array([0, 1, 2], np.int32).tobytes()), pyarrow.py_buffer(b"a\xff")]
    return pyarrow.Array.from_buffers(pyarrow.string(), 2, buffers)


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (pyarrow.array([0, 3_000_000], pyarrow.date32()), "a time in the column 'odd' that Python cannot hold"),
        (pyarrow.array([[0], [2**50]], pyarrow.list_(pyarrow.timestamp("ms"))), "a value in the column 'odd'"),
        (pyarrow.array([b"a", b"\xff"], pyarrow.binary()), "a value in the column 'odd'"),
        (no_utf8(), "a value in the column 'odd'"),
    ],
    ids=["date", "list", "bytes", "text"],
)
def test_a_column_that_cannot_be_read_stops_only_who_reads_it(tmp_path, column, reason):
    path = str(tmp_path / "table.parquet")
    parquet.write_table(pyarrow.table({"op": ["conv", "pool"], "loss": [0.5, 0.25], "odd": column}), path)
    space = Categorical(path=path, exclude="loss,odd")
    tabular = Tabular(space, path, "loss")
    measured = [tabular.measure(Trial(0, genome, "", "search", 0)).metrics for genome in space.genomes()]
    assert measured == [{"loss": 0.5}, {"loss": 0.25}]
    assert pickle.loads(pickle.dumps(tabular)) == tabular
    for reads in (
        lambda: read_table(path),
        lambda: Categorical(path=path, exclude="loss"),
        lambda: Categorical(path=path, genes=("op",), free_features="odd"),
        lambda: Tabular(space, path, "odd"),
        lambda: Tabular(space, path, "loss", key="odd"),
        lambda: TableFeatures(space, path, "odd"),
    ):
        with pytest.raises(UserError, match=rf"table\.parquet'? has {reason}.*: leave the column out") as error:
            reads()
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "column",
    [
        pyarrow.array([0, 3_000_000], pyarrow.date32()),
        pyarrow.array([0, 2**62], pyarrow.duration("s")),
        pyarrow.array([0, 2**50], pyarrow.timestamp("ms")),
    ],
    ids=str,
)
def test_times_beyond_those_of_python_are_one_line(tmp_path, column):
    path = str(tmp_path / "table.parquet")
    parquet.write_table(pyarrow.table({"op": ["conv", "pool"], "day": column}), path)
    with pytest.raises(
        UserError, match=r"table.parquet' has a time in the column 'day' that Python cannot hold"
    ) as error:
        read_table(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("table.csv", "", "has no rows"),
        ("table.csv", "x,y\n", "has no rows"),
        ("table.csv", "x,x\n1,2\n", "names a column twice, 'x': x, x"),
        ("table.csv", "x\n1,2\n", "more cells than columns"),
        ("table.csv", '[{"x": 1}]', "begins as JSON does: name it .json"),
        ("table.parquet", "x\n1\n", "is no Parquet"),
        ("table.parquet", "PAR1 and nothing else", "is no Parquet that can be read"),
        ("table.jsonl", "", "has no rows"),
        ("table.json", "{", "is no JSON"),
        ("table.json", "[]", "has no rows"),
        ("table.json", "[1]", "should be a list of records"),
        ("table.json", '"x"', "should be a list of records"),
    ],
)
def test_another_form_is_refused_with_the_files_name(tmp_path, name, text, message):
    path = written(tmp_path / name, text)
    with pytest.raises(UserError, match=message) as error:
        read_table(path)
    assert path in str(error.value)


def test_no_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_table(str(tmp_path / "none.csv"))
    with pytest.raises(UserError, match="name a CSV or JSON file"):
        read_table("")
    with pytest.raises(UserError, match="cannot be read: it is a folder; name a file"):
        read_table(str(tmp_path))
    with pytest.raises(UserError, match=r"~nobody_of_this_name/table\.csv' cannot be read"):
        read_table("~nobody_of_this_name/table.csv")


def test_a_missing_column_lists_those_that_there_are(tmp_path):
    table = read_table(written(tmp_path / "table.csv", "x,y\n1,2\n"))
    table.check_columns(["y", "x"], "title")
    with pytest.raises(UserError, match=r"^title: .*table\.csv has no column 'z'; it has x, y$"):
        table.check_columns(["x", "z"], "title")


@pytest.mark.parametrize(
    ("name", "text", "advice"),
    [
        ("a.csv", "2,16,0.5\n4,16,0.6\n", "it has 2, 16, 0.5; the first line should have the columns' names"),
        ("a.csv", "x score\n1 2\n", "it has x score; commas, tabs or semicolons should separate the columns"),
        ("a.json", '{"score": {"0": 0.5}, "x": {"0": 2}}', 'written by columns: pandas writes .*orient="records"'),
        ("a.csv", '"x\ny"," ",z\n1,2,3\n', r"it has 'x\\ny', z$"),
    ],
)
def test_a_missing_column_comes_with_advice_where_the_others_give_it(tmp_path, name, text, advice):
    table = read_table(written(tmp_path / name, text))
    with pytest.raises(UserError, match=advice):
        table.check_columns(["score"], "title")


@pytest.mark.skipif(not CASES.exists(), reason="needs the tables of others")
@pytest.mark.parametrize(
    ("name", "num_genomes", "num_notes"),
    [
        ("digits20.csv", 8, 0),
        ("bigint.csv", 12, 0),
        ("headerspaces.csv", 18, 0),
        ("comment.csv", 18, 0),
        ("rows.jsonl", 18, 0),
        ("pandas_index.csv", 18, 1),
        ("trailing_comma.csv", 18, 1),
        ("thousands.csv", 18, 1),
    ],
)
def test_tables_that_went_wrong_elsewhere(name, num_genomes, num_notes):
    space = Categorical(path=str(CASES / name), exclude="accuracy")
    assert space.num_genomes == num_genomes
    assert len(space.notes) == num_notes
    table = read_table(space.path)
    cells = {tuple(str(row[gene]) for gene in space.gene_names) for row in table.rows}
    assert {tuple(map(str, genome)) for genome in space.genomes()} == cells


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("16", 16.0),
        (" 1e-3 ", 0.001),
        (16, 16.0),
        (0.5, 0.5),
        *((cell, None) for cell in ("", "conv", None, True, [1], "1_6", "nan", "inf", float("nan"), 10**400)),
    ],
)
def test_a_number_is_what_says_so_and_is_finite(cell, value):
    assert number(cell) == value
