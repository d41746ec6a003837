"""Byte pairs: any text comes back, and pieces are those of a definition, and of a library where it is installed."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_jax.data.arrays import load, spec_from_json, spec_to_json
from nas_jax.data.docstrings import docstrings_of
from nas_jax.data.pieces import BYTES, learn, make_cut, text_of_pieces, words_of
from nas_jax.data.plain_text import PlainText
from nas_jax.data.table_text import TableText
from nas_jax.data.tokens import UNKNOWN, encode, input_of, make_vocabulary, shown_token, text_of
from nas_jax.errors import UserError

NUM = 300


@pytest.fixture(scope="module")
def text():
    return "\n\n".join(docstrings_of("linalg"))[:20_000]


@pytest.fixture(scope="module")
def learned(text):
    pytest.importorskip("tokenizers")
    return learn([text], NUM)


def learned_as_defined(text, num_pieces):
    """Algorithm 1 of Sennrich et al. (2016), without any speed: the commonest pair of all words is joined, again.

    Of pairs as common as each other the one of earlier pieces.
    """
    words = Counter(tuple(word) for word in words_of(text))
    pieces = list(BYTES)
    while len(pieces) < num_pieces:
        pairs = Counter()
        for word, count in words.items():
            for pair in pairwise(word):
                pairs[pair] += count
        best = min(pairs, key=lambda pair: (-pairs[pair], *map(pieces.index, pair)))
        pieces.append("".join(best))
        words = Counter({joined(word, best): count for word, count in words.items()})
    return tuple(pieces)


def joined(word, pair):
    parts, place = [], 0
    while place < len(word):
        num = 2 if word[place : place + 2] == pair else 1
        parts.append("".join(word[place : place + num]))
        place += num
    return tuple(parts)


def test_the_pieces_are_those_of_the_definition(text, learned):
    assert len(learned) == NUM
    assert learned == learned_as_defined(text, NUM)


def test_they_cut_other_text_as_the_library_does(text, learned):
    tokenizers = pytest.importorskip("tokenizers")
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=NUM, initial_alphabet=list(BYTES), show_progress=False)
    tokenizer.train_from_iterator(words_of(text), trainer)
    other = "\n".join(docstrings_of("signal"))[:20_000]
    found = [token for word in words_of(other) for token in tokenizer.encode(word).tokens]
    assert found == make_cut(learned)(other)
    assert len(found) < 0.8 * len(other)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back(text):
    pieces = (*BYTES, " t", "th", "he", "the", " the", "\xe5\x8c", "\n\n")
    vocabulary = ("<padding of pieces>", "<unknown>", *pieces)
    tokens = encode(text + "the 北京\n\nthe", vocabulary)
    assert text_of(tokens.tolist(), vocabulary) == text + "the 北京\n\nthe"
    assert (tokens > UNKNOWN).all()
    assert text_of_pieces(words_of(text)) == text


def test_the_earliest_union_comes_first_and_the_leftmost():
    cut = make_cut((*BYTES, "bc", "ab", "aa"))
    assert cut("abc") == ["a", "bc"]
    assert cut("aaab") == ["aa", "ab"]
    assert make_cut((*BYTES, "ab", "bc", "abc"))("abc") == ["abc"]


def test_one_piece_for_people():
    vocabulary = ("<padding of pieces>", "<unknown>", *BYTES, " the", "北".encode().decode("latin-1"))
    assert [shown_token(place, vocabulary) for place in (1, 12, 258, 259)] == ["'<unknown>'", "'\\n'", "' the'", "'北'"]


def test_sources_learn_them_of_the_training_part_alone(tmp_path, text):
    pytest.importorskip("tokenizers")
    (tmp_path / "train.txt").write_text(text)
    (tmp_path / "test.txt").write_text("zqzq" * 200)
    dataset = load(PlainText(str(tmp_path), unit="pieces", num_pieces=NUM, length=16))
    assert dataset.vocabulary == make_vocabulary([text[: -round(0.05 * len(text))]], "pieces", num_pieces=NUM)
    assert not any("zq" in piece for piece in dataset.vocabulary)
    back = text_of(dataset.test["tokens"].ravel().tolist(), dataset.vocabulary)
    assert back == ("zqzq" * 200)[:-1]

    (tmp_path / "train.tsv").write_text("\n".join(f"c{i % 2}\tThe {i}th Of them" for i in range(40)))
    table = load(TableText(str(tmp_path / "train.tsv"), unit="pieces", num_pieces=NUM))
    spec = spec_from_json(spec_to_json(table.spec))
    assert text_of(input_of("The 7th Of them", spec).tolist(), spec.vocabulary) == "The 7th Of them"
    few = load(TableText(str(tmp_path / "train.tsv"), unit="pieces", num_pieces=NUM, min_count=1000))
    assert len(few.vocabulary) == 2 + len(BYTES)
    assert few.train["tokens"].shape[1] > table.train["tokens"].shape[1]


def test_what_cannot_be_is_refused(monkeypatch):
    with pytest.raises(ValueError, match="at least 256"):
        PlainText(unit="pieces", num_pieces=255)
    monkeypatch.setattr("nas_jax.data.pieces.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'nas_jax\[pieces\]'"):
        learn(["a"], NUM)
