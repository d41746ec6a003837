"""From bytes to text: every encoding with a mark, and one line for the rest."""

import gzip

import pytest

from nas_jax.table_files.records import MalformedTableError
from nas_jax.table_files.text import decode, unpack

TEXT = "op,é\nconv,💥\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_that_are_marked(encoding):
    assert decode(TEXT.encode(encoding)) == TEXT


def test_big_endians_are_marked_too():
    for encoding in ("utf-16-be", "utf-32-be"):
        assert decode(("\ufeff" + TEXT).encode(encoding)) == TEXT


def test_a_packed_file_is_unpacked():
    content = TEXT.encode()
    assert unpack(gzip.compress(content)) == unpack(content) == content


@pytest.mark.parametrize("damage", ["cut", "overwritten", "no more than a mark"])
def test_a_damaged_packed_file_is_refused(damage):
    packed = gzip.compress(TEXT.encode() * 100)
    damaged = {"cut": packed[:-9], "overwritten": packed[:12] + b"\xff" * 20, "no more than a mark": packed[:2]}
    with pytest.raises(MalformedTableError, match="packed by gzip, and damaged"):
        unpack(damaged[damage])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x,y\n1,é\n".encode("latin-1"), r"not in UTF-8, see byte 0xe9 in line 2; save it as UTF-8.*iconv"),
        ("x,y\n1,2\n".encode("utf-16-le"), r"a NUL byte in line 1, as UTF-16 without"),
        (b"x,y\n1,\0\n", "a NUL byte in line 2"),
        (b"PK\x03\x04rest", "a ZIP archive or an Excel workbook; export it as CSV"),
        ("\ufeffx".encode("utf-16-le")[:-1], "not in UTF-16"),
    ],
)
def test_what_is_no_text_is_refused(content, message):
    with pytest.raises(MalformedTableError, match=message):
        decode(content)
