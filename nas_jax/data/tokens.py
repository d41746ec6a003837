"""Text as numbers: characters, bytes, words or pieces of words, each of which has a place in a vocabulary.

Place 0 fills what is shorter than the rest, and place 1 stands for what is not in the vocabulary. The vocabulary is
that of the training text. It is part of `Spec`, so that an exported network reads text.
"""

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from jaxtyping import Int32

from nas_jax.data.arrays import Spec
from nas_jax.data.pieces import BYTES, learn, make_cut, text_of_pieces
from nas_jax.errors import UserError

UNITS = ("characters", "bytes", "words", "cased_words", "pieces")
PADDING, UNKNOWN = 0, 1
_MARKS = {unit: (f"<padding of {unit}>", "<unknown>") for unit in UNITS}  # the first two of a vocabulary
_WORD = re.compile(r"\w+|[^\w\s]")
_OF_WORDS = ("words", "cased_words")


def check_unit(unit: str, num_pieces: int = len(BYTES)) -> None:
    """Raises ValueError unless text can be cut into such tokens."""
    if unit not in UNITS:
        raise ValueError(f"unit={unit!r}: choose from {', '.join(UNITS)}")
    if num_pieces < len(BYTES):
        raise ValueError(f"num_pieces={num_pieces}: has to be at least {len(BYTES)}, as each byte is a piece")


def split(text: str, unit: str) -> list[str]:
    """The tokens of a text: its characters, the bytes of its UTF-8 as `<0a>`, or words and marks.

    Words are in lower case, unless the unit is "cased_words".
    """
    if unit in _OF_WORDS:
        return _WORD.findall(text if unit == "cased_words" else text.lower())
    return list(text) if unit == "characters" else [f"<{byte:02x}>" for byte in text.encode()]


def join(tokens: Sequence[str], unit: str) -> str:
    """The text of tokens; words have a space between them."""
    if unit == "pieces":
        return text_of_pieces(tokens)
    if unit == "bytes":
        return bytes.fromhex("".join(token.strip("<>") for token in tokens)).decode(errors="replace")
    return (" " if unit in _OF_WORDS else "").join(tokens)


def make_vocabulary(texts: Iterable[str], unit: str, min_count: int = 1, num_pieces: int = 1000) -> tuple[str, ...]:
    """The tokens that occur `min_count` times or more, the commonest first; of bytes all 256.

    Of pieces `num_pieces`, in the order in which `pieces.learn` finds them.

    Raises:
        UserError: no token occurs so often.
    """
    if unit == "pieces":
        return (*_MARKS[unit], *learn(texts, num_pieces, min_count))
    if unit == "bytes":
        return (*_MARKS[unit], *(f"<{byte:02x}>" for byte in range(256)))
    counts = Counter(token for text in texts for token in split(text, unit))
    common = sorted((token for token, count in counts.items() if count >= min_count), key=lambda t: (-counts[t], t))
    if not common:
        most = f"the commonest one {max(counts.values())} times" if counts else "there are none"
        raise UserError(
            f"min_count={min_count}: no token of the training text occurs so often, {most}; set a lower one"
        )
    return (*_MARKS[unit], *common)


def unit_of(vocabulary: Sequence[str]) -> str:
    """What the tokens of a vocabulary are.

    Raises:
        ValueError: `make_vocabulary` has not made it.
    """
    for unit, marks in _MARKS.items():
        if tuple(vocabulary[:2]) == marks:
            return unit
    raise ValueError(
        f"the vocabulary has to begin with its marks, as {_MARKS['words']}, but begins with {vocabulary[:2]}"
    )


def make_encode(vocabulary: Sequence[str]) -> Callable[[str], Int32[np.ndarray, " n"]]:
    """Returns a function that gives the places of a text's tokens."""
    unit = unit_of(vocabulary)
    places = {token: place for place, token in enumerate(vocabulary)}
    cut = make_cut(vocabulary[len(_MARKS[unit]) :]) if unit == "pieces" else functools.partial(split, unit=unit)
    return lambda text: np.array([places.get(token, UNKNOWN) for token in cut(text)], np.int32)


def encode(text: str, vocabulary: Sequence[str]) -> Int32[np.ndarray, " n"]:
    """The places of one text's tokens."""
    return make_encode(vocabulary)(text)


def encode_all(texts: Sequence[str], vocabulary: Sequence[str], length: int) -> Int32[np.ndarray, "n length"]:
    """Of each text the first `length` tokens, filled with `PADDING` where there are fewer."""
    encode_one = make_encode(vocabulary)
    tokens = np.full((len(texts), length), PADDING, np.int32)
    for row, text in zip(tokens, texts, strict=True):
        found = encode_one(text)[:length]
        row[: len(found)] = found if len(found) else UNKNOWN
        if not len(found):
            row[0] = UNKNOWN  # an empty text is one token, so that no mean is over nothing
    return tokens


def input_of(text: str, spec: Spec) -> Int32[np.ndarray, " length"]:
    """A text as a network of `spec` takes it. What is longer is cut at its end."""
    return encode_all([text], spec.vocabulary, spec.arrays["tokens"].shape[0])[0]


def shown_token(token: int, vocabulary: Sequence[str]) -> str:
    """One token for people: `'the'`, `'\\n'`, `'<unknown>'`."""
    return repr(text_of([token], vocabulary) or vocabulary[token])


def text_of(tokens: Sequence[int], vocabulary: Sequence[str], unknown: str = "") -> str:
    """The text of places in a vocabulary, without padding; `unknown` is for words and characters that are not in it."""
    unit = unit_of(vocabulary)
    if unknown and unit in (*_OF_WORDS, "characters"):
        vocabulary = (vocabulary[PADDING], unknown, *vocabulary[UNKNOWN + 1 :])
        return join([vocabulary[token] for token in tokens if token != PADDING], unit)
    return join([vocabulary[token] for token in tokens if token not in (PADDING, UNKNOWN)], unit)
