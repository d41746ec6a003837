"""What tasks on text have in common. A text is the array "tokens" of a batch: places in a vocabulary [length]."""

import numpy as np
from jaxtyping import Int

from nas_jax.data.arrays import PARTS, Dataset, Spec
from nas_jax.data.tokens import text_of, unit_of


def check_tokens(dataset: Dataset) -> None:
    """Raises ValueError unless the data set has text."""
    tokens, num = dataset.spec.arrays.get("tokens"), len(dataset.vocabulary)
    if tokens is None:
        raise ValueError(f"there is no array 'tokens'; there are {', '.join(dataset.spec.arrays)}")
    if tokens.dtype != "int32" or len(tokens.shape) != 1:
        raise ValueError(f"tokens must be int32 [n, length], but are {tokens}")
    unit_of(dataset.vocabulary)
    for part in PARTS:
        found = getattr(dataset, part)["tokens"]
        if found.min() < 0 or found.max() >= num:
            raise ValueError(f"{part}: tokens must lie in 0..{num - 1}, the places of the vocabulary")


def text_of_tokens(spec: Spec) -> str:
    """`texts of up to 32 words, as places in a vocabulary of 5,000`."""
    unit = unit_of(spec.vocabulary)
    return (
        f"texts of up to {spec.arrays['tokens'].shape[0]} {unit}, as places in a vocabulary of {len(spec.vocabulary):,}"
    )


def shown_text(tokens: Int[np.ndarray, " length"], spec: Spec) -> str:
    """The text that a network is given, without what fills it up, with `[?]` for what is not in the vocabulary."""
    return text_of([int(token) for token in tokens], spec.vocabulary, unknown="[?]")
