"""Reading tables: both forms, and what is wrong with a file that has another."""

import json

import pytest

from nas_jax.errors import UserError
from nas_jax.tables import number, read_table


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


def test_a_table_is_read_once(tmp_path):
    path = written(tmp_path / "table.csv", "x\n1\n")
    assert read_table(path) is read_table(path)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("table.csv", "", "has no rows"),
        ("table.csv", "x,y\n", "has no rows"),
        ("table.csv", "x,x\n1,2\n", "names a column twice: x, x"),
        ("table.csv", "x\n1,2\n", "more cells than columns"),
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


def test_a_missing_column_lists_those_that_there_are(tmp_path):
    table = read_table(written(tmp_path / "table.csv", "x,y\n1,2\n"))
    table.check_columns(["y", "x"], "title")
    with pytest.raises(UserError, match=r"^title: .*table\.csv has no column 'z'; it has x, y$"):
        table.check_columns(["x", "z"], "title")


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
