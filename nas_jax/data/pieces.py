"""Byte-pair encoding: text in pieces, of one byte or of several that often follow each other (Sennrich et al. 2016).

A piece is written as a string with a character for each byte, the one of that number (Latin-1): any text has pieces,
and gives itself back. The list of pieces, in the order in which they were learned, is all that encoding needs.
Learning needs the library tokenizers.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec

from nas_jax.errors import UserError

BYTES = tuple(chr(byte) for byte in range(256))
# No piece goes across these: letters, up to three digits, or marks, each with a space in front; white space.
_WORD = re.compile(r" ?[^\W\d]+| ?\d{1,3}| ?[^\w\s]+|\s+(?!\S)|\s+")


def words_of(text: str) -> list[str]:
    """A text cut into what pieces do not go across, written in bytes."""
    return [word.encode().decode("latin-1") for word in _WORD.findall(text)]


def learn(texts: Iterable[str], num_pieces: int, min_count: int = 1) -> tuple[str, ...]:
    """The 256 bytes, and then the pieces of the texts, each the union of two earlier ones, the commonest pair first.

    There are fewer than `num_pieces` where no more pairs occur `min_count` times.

    Raises:
        UserError: tokenizers is not installed.
    """
    if find_spec("tokenizers") is None:
        raise UserError("unit=pieces: tokenizers is not installed: pip install 'nas_jax[pieces]', or take another unit")
    from tokenizers import Tokenizer, models, trainers

    tokenizer = Tokenizer(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=num_pieces, min_frequency=min_count, initial_alphabet=list(BYTES), show_progress=False
    )
    tokenizer.train_from_iterator(map(words_of, texts), trainer)  # without a pre-tokenizer a string is a word
    places = tokenizer.get_vocab()
    learned = sorted((piece for piece in places if len(piece) > 1), key=lambda piece: places[piece])
    return (*BYTES, *learned)


def make_cut(pieces: Sequence[str]) -> Callable[[str], list[str]]:
    """Returns a function that cuts a text into `pieces`, which remembers the words that it has seen.

    In a word the pair of neighbours whose union was learned first is joined, the leftmost one of several, until no
    union is a piece.
    """
    ranks = {piece: rank for rank, piece in enumerate(pieces)}
    known: dict[str, list[str]] = {}

    def cut(text: str) -> list[str]:
        found: list[str] = []
        for word in words_of(text):
            if word not in known:
                known[word] = _joined(word, ranks)
            found.extend(known[word])
        return found

    return cut


def text_of_pieces(pieces: Iterable[str]) -> str:
    """What is no UTF-8 by itself, such as half a character, is written as �."""
    return "".join(pieces).encode("latin-1").decode(errors="replace")


def _joined(word: str, ranks: dict[str, int]) -> list[str]:
    parts = list(word)
    never = len(ranks)
    while len(parts) > 1:
        unions = [ranks.get(left + right, never) for left, right in itertools.pairwise(parts)]
        best = min(unions)
        if best == never:
            break
        place = unions.index(best)
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return parts
