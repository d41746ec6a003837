"""From the bytes of a file to its text."""

import codecs
import gzip
import zlib

from nas_jax.table_files.records import MalformedTableError

GZIP = b"\x1f\x8b"

# Those of UTF-32 first: one of them begins like one of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}
_NO_TEXT = {
    b"PK\x03\x04": "a ZIP archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"BZh": "packed by bzip2",
    b"\xfd7zXZ": "packed by xz",
    b"\x28\xb5\x2f\xfd": "packed by zstd",
    b"SQLite format 3": "an SQLite database",
}


def unpack(content: bytes) -> bytes:
    """The content of a file that gzip has packed, else the bytes as they are.

    Raises:
        MalformedTableError: the packed file is damaged.
    """
    if not content.startswith(GZIP):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise MalformedTableError(f"is packed by gzip, and damaged: {error}") from error


def decode(content: bytes) -> str:
    """The text, which is UTF-8 unless it begins with the mark of UTF-16 or UTF-32.

    Raises:
        MalformedTableError: it is no text, or in an encoding that has no mark; with the line.
    """
    for mark, form in _NO_TEXT.items():
        if content.startswith(mark):
            raise MalformedTableError(f"is {form}; export it as CSV in UTF-8, or pack it by gzip alone")
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise MalformedTableError(
            f"is not in {encoding.removesuffix('-sig').upper()}, see byte {content[error.start]:#04x} in line {line}; "
            "save it as UTF-8, for example with: iconv -f WINDOWS-1252 -t UTF-8"
        ) from error
    if (place := text.find("\0")) >= 0:
        line = text.count("\n", 0, place) + 1
        raise MalformedTableError(
            f"has a NUL byte in line {line}, as UTF-16 without a byte order mark has; save it as UTF-8, for example "
            "with: iconv -f UTF-16LE -t UTF-8"
        )
    return text.lstrip("\ufeff")
