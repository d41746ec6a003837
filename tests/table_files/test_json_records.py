"""Records in JSON: values as they were written, and what is wrong with a file, with its line."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_jax.table_files.json_records import read_json, read_json_lines
from nas_jax.table_files.records import MalformedTableError

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXTS | st.lists(st.integers())
RECORDS = st.lists(st.dictionaries(TEXTS, VALUES, max_size=4), max_size=5)


@given(RECORDS, st.booleans())
def test_what_json_writes_is_read_back(records, is_ascii):
    """Line breaks within strings are not those between records."""
    lines = [json.dumps(record, ensure_ascii=is_ascii) for record in records]
    for read in (read_json(f"[{', '.join(lines)}]"), read_json_lines("\n\n".join(lines))):
        assert [*map(repr, read.rows)] == [*map(repr, records)]
        assert set(read.columns) == {name for record in records for name in record}
    assert list(read.lines) == [1 + 2 * place for place in range(len(records))]


def test_numbers_that_floating_point_would_round_stay_text():
    (record,) = read_json('[{"a": 0.12345678901234567891, "b": 12345678901234567891, "c": 1e400, "d": 0.1}]').rows
    assert record == {"a": "0.12345678901234567891", "b": 12345678901234567891, "c": "1e400", "d": 0.1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"x": 1}\n[2]\n', "a record in each line, {…}, and line 2 has none"),
        ('{"x": 1}\n\n{"x": \n', "is no JSON: .*line 3 of the file"),
        ('{"x": 1, "x": 2}', "names 'x' twice"),
        ('{"x": "\\ud800"}', "half a character"),
        ('{"x": ' + "[" * 100_000, "nests lists too deeply"),
        ('{"x": ' + "9" * 5000 + "}", "is no JSON"),
    ],
)
def test_what_is_no_record_is_named_with_its_line(text, message):
    with pytest.raises(MalformedTableError, match=message):
        read_json_lines(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"x": 1}\n{"x": 2}\n', "a record in each line: name it .jsonl"),
        ('{"a": {"key": "b", "x": 1}}', "a record 'a' that has another 'key' within"),
        ("{", "is no JSON"),
    ],
)
def test_other_json_is_refused(text, message):
    with pytest.raises(MalformedTableError, match=message):
        read_json(text)
