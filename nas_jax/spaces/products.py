"""Genes with listed choices whose every combination is a network: what spaces of that kind share.

Such a space has a `Categorical` of its genes, and passes on to it what is not about networks.
"""

from collections.abc import Collection, Sequence
from math import log10
from typing import Any

import numpy as np
from jaxtyping import Float

from nas_jax.spaces.base import Cost
from nas_jax.spaces.categorical import Categorical
from nas_jax.trial import Genome


def genes_as(genes: dict[str, Sequence[Any]]) -> Categorical:
    """The space of all combinations.

    Raises:
        ValueError: a gene without choices, or with one twice.
    """
    return Categorical(genes=genes)


def with_costs(features: Float[np.ndarray, "n d"], costs: Sequence[Cost]) -> Float[np.ndarray, "n d2"]:
    """The features, and log10 of parameters and FLOPs."""
    logs = np.array([[log10(cost.num_params), log10(cost.flops)] for cost in costs], np.float32).reshape(-1, 2)
    return np.concatenate([features, logs], axis=1, dtype=np.float32)


def values_of(genes: Categorical, genome: Genome) -> dict[str, Any]:
    return dict(zip(genes.gene_names, genome, strict=True))


def check_known(field: str, given: Sequence[str], known: Collection[str]) -> None:
    """Raises ValueError unless all that is `given` is `known`."""
    for name in given:
        if name not in known:
            raise ValueError(f"{field}: there is no {name!r}; choose from {', '.join(known)}")


def check_dropouts(rates: Sequence[float]) -> None:
    """Raises ValueError unless they are shares below 1."""
    for rate in rates:
        if not 0 <= rate < 1:
            raise ValueError(f"dropouts: {rate} has to be at least 0 and below 1")
