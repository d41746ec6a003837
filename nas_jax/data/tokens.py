"""Text as numbers: characters, bytes or words, each of which has a place in a vocabulary.

Place 0 fills what is shorter than the rest, and place 1 stands for what is not in the vocabulary. The vocabulary is
that of the training text. It is part of `Spec`, so that an exported network reads text.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Int32

from nas_jax.data.arrays import Spec

UNITS = ("characters", "bytes", "words")
PADDING, UNKNOWN = 0, 1
_MARKS = {unit: (f"<padding of {unit}>", "<unknown>") for unit in UNITS}  # the first two of a vocabulary
_WORD = re.compile(r"\w+|[^\w\s]")


def check_unit(unit: str) -> None:
    """Raises ValueError unless text can be cut into such tokens."""
    if unit not in UNITS:
        raise ValueError(f"unit={unit!r}: choose from {', '.join(UNITS)}")


def split(text: str, unit: str) -> list[str]:
    """The tokens of a text: its characters, the bytes of its UTF-8 as `<0a>`, or words and marks in lower case."""
    if unit == "words":
        return _WORD.findall(text.lower())
    return list(text) if unit == "characters" else [f"<{byte:02x}>" for byte in text.encode()]


def join(tokens: Sequence[str], unit: str) -> str:
    """The text of tokens; words have a space between them."""
    if unit == "bytes":
        return bytes.fromhex("".join(token.strip("<>") for token in tokens)).decode(errors="replace")
    return (" " if unit == "words" else "").join(tokens)


def make_vocabulary(texts: Iterable[str], unit: str, min_count: int = 1) -> tuple[str, ...]:
    """The tokens that occur `min_count` times or more, the commonest first; of bytes all 256."""
    if unit == "bytes":
        return (*_MARKS[unit], *(f"<{byte:02x}>" for byte in range(256)))
    counts = Counter(token for text in texts for token in split(text, unit))
    common = sorted((token for token, count in counts.items() if count >= min_count), key=lambda t: (-counts[t], t))
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


def encode(text: str, vocabulary: Sequence[str], places: dict[str, int] | None = None) -> Int32[np.ndarray, " n"]:
    """The places of a text's tokens. `places`: of each token, where many texts are encoded."""
    places = places_of(vocabulary) if places is None else places
    return np.array([places.get(token, UNKNOWN) for token in split(text, unit_of(vocabulary))], np.int32)


def places_of(vocabulary: Sequence[str]) -> dict[str, int]:
    return {token: place for place, token in enumerate(vocabulary)}


def encode_all(texts: Sequence[str], vocabulary: Sequence[str], length: int) -> Int32[np.ndarray, "n length"]:
    """Of each text the first `length` tokens, filled with `PADDING` where there are fewer."""
    places = places_of(vocabulary)
    tokens = np.full((len(texts), length), PADDING, np.int32)
    for row, text in zip(tokens, texts, strict=True):
        found = encode(text, vocabulary, places)[:length]
        row[: len(found)] = found if len(found) else UNKNOWN
        if not len(found):
            row[0] = UNKNOWN  # an empty text is one token, so that no mean is over nothing
    return tokens


def input_of(text: str, spec: Spec) -> Int32[np.ndarray, " length"]:
    """A text as a network of `spec` takes it. What is longer is cut at its end."""
    return encode_all([text], spec.vocabulary, spec.arrays["tokens"].shape[0])[0]


def text_of(tokens: Sequence[int], vocabulary: Sequence[str]) -> str:
    """The text of places in a vocabulary, without those of padding."""
    return join([vocabulary[token] for token in tokens if token not in (PADDING, UNKNOWN)], unit_of(vocabulary))
