"""Text becomes numbers and back, and files of one's own become splits."""

import csv

import numpy as np
import pytest

from nas_jax.data.arrays import load, spec_from_json, spec_to_json
from nas_jax.data.docstring_text import DocstringText
from nas_jax.data.docstrings import SUBJECTS, Docstrings
from nas_jax.data.mapped import write_mapped
from nas_jax.data.plain_text import IGNORED, PlainText, windows_of
from nas_jax.data.table_text import TableText
from nas_jax.data.tokens import PADDING, UNKNOWN, encode, input_of, make_vocabulary, text_of, unit_of
from nas_jax.errors import UserError

TEXT = "To be, or not to be: that is the question — naïve 北京"


@pytest.mark.parametrize("unit", ["characters", "bytes"])
def test_text_comes_back(unit):
    vocabulary = make_vocabulary([TEXT], unit)
    assert unit_of(vocabulary) == unit
    tokens = encode(TEXT, vocabulary)
    assert text_of(tokens.tolist(), vocabulary) == TEXT
    assert len(tokens) == (len(TEXT) if unit == "characters" else len(TEXT.encode()))
    assert tokens.min() > UNKNOWN


def test_words_are_lower_case_and_in_the_order_of_their_counts():
    vocabulary = make_vocabulary([TEXT, "To be!"], "words")
    assert vocabulary[2:4] == ("be", "to")
    assert text_of(encode("Be to, or", vocabulary).tolist(), vocabulary) == "be to , or"
    assert encode("be, unheard", vocabulary)[-1] == UNKNOWN
    assert "or" not in make_vocabulary([TEXT, "To be!"], "words", min_count=2)


def test_cased_words_tell_a_name_from_a_word():
    vocabulary = make_vocabulary(["May I ask who Bill is? Bill may."], "cased_words")
    assert unit_of(vocabulary) == "cased_words"
    assert text_of(encode("Bill, may I?", vocabulary).tolist(), vocabulary, unknown="…") == "Bill … may I ?"
    assert len({*encode("May may", vocabulary).tolist()}) == 2
    assert encode("bill", vocabulary).tolist() == [UNKNOWN]


def test_every_token_but_the_first_is_a_target_once():
    tokens = np.arange(100, 123, dtype=np.int32)
    windows = windows_of(tokens, 5, 5)
    is_target = windows["next"] != IGNORED
    assert windows["next"][is_target].tolist() == tokens[1:].tolist()
    np.testing.assert_array_equal(windows["next"][is_target], windows["tokens"][is_target] + 1)
    assert (windows["tokens"][~is_target] == PADDING).all()
    assert len(windows_of(tokens, 5, 2)["tokens"]) == 11


@pytest.fixture
def table(tmp_path):
    rows = [f"c{i % 3}\tx\tword{i} is the text, number {i}" for i in range(60)]
    (tmp_path / "train.tsv").write_text("\n".join(rows) + "\n")
    (tmp_path / "test.tsv").write_text("c1\tx\ta test of it\nc9\tx\t\n")
    return tmp_path


def test_a_table_becomes_splits(table):
    dataset = load(TableText(str(table), min_count=1))
    assert {name: len(dataset.train[name]) for name in dataset.train} == {"tokens": 54, "label": 54}
    assert len(dataset.val["label"]) == 6
    assert dataset.class_names == ("c0", "c1", "c2", "c9")
    assert dataset.test["label"].tolist() == [1, 3]
    assert dataset.test["tokens"][1, :2].tolist() == [UNKNOWN, PADDING]  # an empty text
    texts = [
        text_of(row.tolist(), dataset.vocabulary) for part in (dataset.train, dataset.val) for row in part["tokens"]
    ]
    assert len(set(texts)) > 50
    assert all(text.endswith(text.split()[0].removeprefix("word")) for text in texts if text.startswith("word"))
    again = load(TableText(str(table), min_count=1))
    np.testing.assert_array_equal(again.val["tokens"], dataset.val["tokens"])
    assert len(load(TableText(str(table), num_train=20)).train["label"]) == 20


@pytest.mark.parametrize("names", [("train.csv", "train.tsv"), ("Train.tsv", "train.tsv"), ("dev.tsv", "val.csv")])
def test_two_files_of_one_part_are_named(names, tmp_path):
    for name in ("train.tsv", *names):
        (tmp_path / name).write_text("yes\tgood\n" * 20)
    with pytest.raises(UserError, match=f"'{names[0]}' and '{names[1]}' are both files of .* examples; take one away"):
        TableText(str(tmp_path)).load()


def test_the_folder_that_one_is_in_gives_its_name(table, tmp_path, monkeypatch):
    monkeypatch.chdir(table)
    (table / "train.txt").write_text("abc" * 100)
    assert TableText(".", min_count=1).load().name == PlainText(".", length=4).load().name == table.name


def test_a_table_with_a_header_and_commas(tmp_path):
    lines = ["text,kind", *[f'"a, {i}",{"ab"[i % 2]}' for i in range(20)]]
    (tmp_path / "mine.csv").write_text("\n".join(lines))
    dataset = load(TableText(str(tmp_path / "mine.csv"), label="kind", text="text", length=3))
    assert dataset.class_names == ("a", "b")
    sizes = [len(getattr(dataset, part)["label"]) for part in ("train", "val", "test")]
    assert sizes == [16, 2, 2]
    assert dataset.spec.arrays["tokens"].shape == (3,)


def test_running_text_becomes_windows_and_what_is_missing_is_its_end(tmp_path):
    text = "".join(chr(97 + i % 26) for i in range(1000))
    (tmp_path / "train.txt").write_text(text)
    (tmp_path / "validation.txt").write_text("abcab")
    dataset = load(PlainText(str(tmp_path), length=10, test_share=0.1))
    assert len(dataset.vocabulary) == 28
    assert text_of(dataset.val["tokens"][0].tolist(), dataset.vocabulary) == "abca"
    whole = [text_of(part["tokens"].ravel().tolist(), dataset.vocabulary) for part in (dataset.train, dataset.test)]
    assert whole == [text[:899], text[900:999]]


def test_what_comes_with_the_libraries_is_the_same_each_time():
    dataset = load(Docstrings(num_sentences=30))
    assert dataset.class_names == SUBJECTS
    counts = sum(np.bincount(getattr(dataset, part)["label"]) for part in ("train", "val", "test"))
    assert counts.tolist() == [30] * len(SUBJECTS)
    np.testing.assert_array_equal(Docstrings(num_sentences=30).load().train["tokens"], dataset.train["tokens"])
    text = load(DocstringText(num_characters=7000))
    share = [(part["next"] != IGNORED).sum() for part in (text.train, text.val, text.test)]
    assert share == [6299, 349, 349]


def test_a_vocabulary_travels_with_its_data_set(tmp_path, table):
    dataset = load(TableText(str(table), min_count=1))
    spec = spec_from_json(spec_to_json(dataset.spec))
    assert spec == dataset.spec == load(write_mapped(dataset, tmp_path)).spec
    assert text_of(input_of("Word3 IS unheard", spec).tolist(), spec.vocabulary) == "word3 is"


def test_what_is_no_text_is_refused(tmp_path, table):
    for source, message in (
        (TableText(""), "data.path"),
        (TableText(str(tmp_path / "missing")), "no train.tsv or train.csv"),
        (TableText(str(table), label=7), "no column 7, row 1 has 3"),
        (TableText(str(table), num_train=900), "900 asked for"),
        (PlainText(str(table)), "no train.txt"),
    ):
        with pytest.raises(UserError, match=message):
            source.load()
    (tmp_path / "bad.tsv").write_bytes(b"a\tb\xff\n")
    with pytest.raises(UserError, match="not in UTF-8"):
        TableText(str(tmp_path / "bad.tsv")).load()
    with pytest.raises(ValueError, match="choose from characters"):
        TableText(unit="letters")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train.csv", "pos;good film\nneg;bad film\n", "it has one column; values are between commas in .csv"),
        ("train.csv", "pos\tgood film\nneg\tbad film\n", "it has one column"),
        ("train.tsv", "pos,good film\nneg,bad film\n", "it has one column; values are between tabs in .tsv"),
        ("train.tsv", "pos\tgood film\npos\nneg\tbad\n", "row 2 has 1 columns, and row 1 has 2"),
        ("train.tsv", "pos\tgood\tfilm\nneg\tbad film\n", "row 2 has 2 columns, and row 1 has 3"),
        ("train.tsv", "pos\tgood film\n \tbad film\n", "row 2 has no label"),
        ("train.csv", 'pos,fine\npos,"good film\nneg,bad film\n', "row 2 has a quote that is not closed"),
        ("train.csv", 'pos,fine\npos,"good film\nneg,bad "film"\n', "row 2 has a quote"),
        ("train.txt", "pos\tgood film\nneg\tbad film\n", "is neither .tsv, with tabs between values, nor .csv"),
        ("train.csv", "\n  \n", "has no rows"),
    ],
)
def test_a_table_that_is_not_one_is_refused_in_one_line(name, content, message, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message) as error:
        TableText(str(tmp_path / name), min_count=1).load()
    assert "\n" not in str(error.value)


def test_columns_by_name_are_looked_for_in_the_header(tmp_path):
    (tmp_path / "train.csv").write_text("label,body,body\na,b,c\n")
    with pytest.raises(UserError, match="'text' is not in its header; it has label, body, body"):
        TableText(str(tmp_path), label="label", text="text").load()
    with pytest.raises(UserError, match="'body' is twice in its header"):
        TableText(str(tmp_path), label="label", text="body").load()
    with pytest.raises(UserError, match="columns 0 and 'label' are one"):
        TableText(str(tmp_path), label=0, text="label").load()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_marks_of_encodings_and_line_breaks_of_other_systems_are_no_text(encoding, tmp_path):
    lines = [f"{'ab'[i % 2]}\tnaïve {i}" for i in range(20)]
    (tmp_path / "Train.TSV").write_bytes("\r\n".join(["kind\ttext", *lines]).encode(encoding))
    dataset = TableText(str(tmp_path), label="kind", text="text", min_count=1).load()
    assert dataset.class_names == ("a", "b")
    assert {"\ufeff", "\r"} & set("".join(dataset.vocabulary)) == set()
    (tmp_path / "train.txt").write_bytes("\r".join(lines).encode(encoding))
    text = PlainText(str(tmp_path)).load()
    assert {"\ufeff", "\r"} & set(text.vocabulary) == set()
    assert "\n" in text.vocabulary


def test_a_text_may_have_any_length(tmp_path):
    (tmp_path / "train.csv").write_text("\n".join(f"{'ab'[i % 2]},{'word ' * 40_000}" for i in range(6)))
    limit = csv.field_size_limit()
    assert TableText(str(tmp_path), length=50_000).load().train["tokens"][:, 39_999].all()
    assert csv.field_size_limit() == limit  # others count on it


@pytest.mark.parametrize("source", [TableText, PlainText])
@pytest.mark.parametrize("settings", [{"num_train": 0}, {"num_train": -3}, {"length": -5}])
def test_sizes_that_are_none_are_refused(source, settings):
    with pytest.raises(ValueError, match="at least"):
        source("folder", **settings)


def test_more_windows_than_there_are_and_no_tokens_at_all_are_refused(tmp_path, table):
    (tmp_path / "train.txt").write_text("to be or not to be, that is the question " * 20)
    with pytest.raises(UserError, match=r"num_train: 1000 asked for, and the train text has \d+ windows"):
        PlainText(str(tmp_path), num_train=1000).load()
    for source in (PlainText(str(tmp_path), unit="words", min_count=999), TableText(str(table), min_count=999)):
        with pytest.raises(UserError, match="no token of the training text occurs so often, the commonest one"):
            source.load()
