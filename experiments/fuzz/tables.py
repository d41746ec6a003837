"""Random files against the reader of tables: each is read as it was written, or refused in one line.

Three kinds in turn. Tables of awkward cells are written by Python's own `csv` or `json`, and have to come back cell by
cell, through the space and the look-up of every genome. Such files are then damaged at random: what is still read has
to agree with a strict reading by `csv`. Bytes at random are the last kind.
"""

import csv
import gzip
import io
import json
import random
from functools import partial
from pathlib import Path

from outcomes import Outcomes

from nas_jax.errors import UserError
from nas_jax.evaluators.tabular import Tabular
from nas_jax.spaces.categorical import Categorical
from nas_jax.tables import Table, read_table
from nas_jax.trial import Trial

CELLS = (
    *("0", "1", "12", "012", "0012", "-0", "+3", "1.50", "1.5", "1e5", "100000", "1e-3", ".5", "5.", "nan", "inf"),
    *("9007199254740993", "9007199254740994", "01210120121012012100", "01210120121012012101", "2,000", "0,5"),
    *("", " ", "conv", " conv", "conv ", "a,b", 'a"b', '"', "a;b", "a\tb", "#1", "true", "null", "[1]", "٣", "1_6"),
    *("a\nb", "a\rb", "a\r\nb", "a\u0085b", "a\u2028b", "a\vb", "a\fb", "\ufeffa", "é", "💥", "x" * 300),
)
FRAGMENTS = (b'"', b",", b"\n", b"\r", b";", b"\t", b"\0", b"\xff", b"{", b"#", b" ", b"\xe2\x80\xa8", b"9" * 40, b"[")


def fuzz_tables(num: int, seed: int, folder: Path, outcomes: Outcomes) -> None:
    """Tries `num` files in `folder`, each with random numbers of its own."""
    for position in range(num):
        kind = (_try_written, _try_damaged, _try_bytes)[position % 3]
        stem = folder / f"table-{position}"
        shown = f"table {position} of --seed={seed}: {kind.__name__}(random.Random('{seed} {position}'), stem)"
        outcomes.add(partial(kind, random.Random(f"{seed} {position}"), stem), shown)


def _try_written(rng: random.Random, stem: Path) -> None:
    names, rows = _random_rows(rng)
    path = _write(rng, stem, names, rows)
    try:
        table = read_table(str(path))
        space = Categorical(path=str(path), genes=names[:-1])
        tabular = Tabular(space, str(path), "score")
    except UserError as error:
        raise AssertionError(f"{path.name} of {rows!r} was refused: {error}") from error
    read = [[row[name] for name in names] for row in table.rows]
    assert table.columns == names, (path.name, table.columns)
    assert read == rows, (path.name, rows, read)
    scores: dict[tuple[str, ...], set[float]] = {}
    for *cells, score in rows:
        scores.setdefault(tuple(cells), set()).add(float(score))
    found = {tuple(map(str, genome)): genome for genome in space.genomes()}
    assert found.keys() == scores.keys(), (rows, found)
    for known, genome in found.items():
        measured = tabular.measure(Trial(0, genome, "", "search", seed=rng.randrange(2**32)))
        assert measured.metrics["score"] in scores[known], (rows, genome, measured)
    path.unlink()


def _write(rng: random.Random, stem: Path, names: tuple[str, ...], rows: list[list[str]]) -> Path:
    """Writes a table in a form that is drawn too."""
    form = rng.choice(("csv", "csv", "csv.gz", "json", "jsonl"))
    if form.startswith("csv"):
        file = io.StringIO(newline="")
        separator, end = rng.choice(",,,\t;"), rng.choice(("\n", "\r\n", "\r"))
        # The other line breaks would go without quotes, and what begins with # would look like a comment.
        needs_quotes = end != "\r\n" or any(row[0].startswith("#") for row in rows)
        writer = csv.writer(
            file,
            delimiter=separator,
            lineterminator=end,
            quoting=csv.QUOTE_ALL if needs_quotes else csv.QUOTE_MINIMAL,
        )
        writer.writerows([names, *rows])
        text = file.getvalue()
    else:
        records = [dict(zip(names, row, strict=True)) for row in rows]
        is_ascii = rng.random() < 0.5
        lines = [json.dumps(record, ensure_ascii=is_ascii) for record in records]
        text = f"[{','.join(lines)}]" if form == "json" else "\n".join(lines)
    content = text.encode(rng.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "utf-32")))
    path = stem.with_name(f"{stem.name}.{form}")
    path.write_bytes(gzip.compress(content) if form == "csv.gz" else content)
    return path


def _try_damaged(rng: random.Random, stem: Path) -> None:
    names, rows = _random_rows(rng)
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\n").writerows([names, *rows])
    content = bytearray(file.getvalue().encode())
    for _ in range(rng.randint(1, 3)):
        place = rng.randrange(len(content) + 1)
        if rng.random() < 0.5:
            content[place:place] = rng.choice(FRAGMENTS)
        else:
            del content[place : place + rng.randint(1, 8)]
    _read_or_refused(stem.with_name(stem.name + ".csv"), bytes(content))


def _try_bytes(rng: random.Random, stem: Path) -> None:
    suffix = rng.choice((".csv", ".tsv", ".json", ".jsonl", ".csv.gz", ".parquet", ""))
    content = rng.choice((rng.randbytes(rng.randint(0, 80)), b"".join(rng.choices([*FRAGMENTS, b"a", b"1"], k=30))))
    content = rng.choice((b"", b"PAR1", b"\x1f\x8b", b"\xff\xfe", b"\xef\xbb\xbf", b"[", b'{"a":')) + content
    _read_or_refused(stem.with_name(stem.name + suffix), content)


def _read_or_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        table = read_table(str(path))
    except UserError as error:
        if "\n" in str(error):
            raise AssertionError(f"more than one line: {error}") from error
        raise
    finally:
        path.unlink()
    if path.suffix == ".csv":
        assert _agrees(table, content), (content, table.columns, table.rows)


def _agrees(table: Table, content: bytes) -> bool:
    """Whether some separator gives the cells of the table in a strict reading, lines of spaces and comments apart."""
    text = content.decode("utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")
    read = [tuple(cell.strip(" ") for cell in row.values()) for row in table.rows]
    for separator in ",\t;":
        try:
            rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
        except csv.Error:
            rows = []
        for skipped in range(len(rows)):
            kept = [place for place, name in enumerate(rows[skipped]) if name.strip()]
            body = [row for row in rows[skipped + 1 :] if len(row) == len(rows[skipped]) or any(map(str.strip, row))]
            if all(len(row) == len(rows[skipped]) for row in body):
                expected = [tuple(row[place].strip(" ") for place in kept) for row in body]
                if expected == read:
                    return True
    return False


def _random_rows(rng: random.Random) -> tuple[tuple[str, ...], list[list[str]]]:
    names = (*(f"g{place}" for place in range(rng.randint(1, 3))), "score")
    pools = [rng.sample(CELLS, rng.randint(1, 8)) for _ in names[1:]]
    rows = [[*map(rng.choice, pools), repr(place / 7)] for place in range(rng.randint(1, 12))]
    return names, rows
