"""Whether a space, one's own above all, does what a space has to: asked of a few draws before anything is searched."""

import numpy as np

from nas_jax.errors import UserError
from nas_jax.spaces.base import Space

_NUM_DRAWS = 3


def check_space(space: Space) -> None:
    """Draws a few genomes, describes and encodes them.

    Raises:
        UserError: a genome that does not hash, a description that is no text, or features that are not finite numbers,
            a row for each genome, which the other genomes of a call have no part in.
    """
    name = type(space).__name__
    genomes = space.sample(np.random.default_rng(0), _NUM_DRAWS)
    for genome in genomes:
        try:
            hash(genome)
        except TypeError:
            raise UserError(f"{name}.sample draws {genome!r}, which does not hash: a genome is a tuple") from None
        description = space.describe(genome)
        if not isinstance(description, str):
            raise UserError(f"{name}.describe has to return text, and returns {description!r} for {genome!r}")
    if not genomes:
        return
    together = np.asarray(space.encode(genomes))
    if together.ndim != 2 or len(together) != len(genomes) or together.dtype.kind not in "buif":
        raise UserError(
            f"{name}.encode has to return an array of numbers with a row for each genome, and returns one of the shape "
            f"{together.shape} with elements of type {together.dtype} for {len(genomes)} genomes"
        )
    if not np.isfinite(together).all():
        raise UserError(
            f"{name}.encode has to return finite numbers, and returns {together[~np.isfinite(together)][0]}"
        )
    for genome, row in zip(genomes, together, strict=True):
        alone = np.asarray(space.encode([genome]))
        if alone.shape != (1, together.shape[1]) or not np.allclose(alone[0], row, rtol=1e-4, atol=1e-6):
            raise UserError(
                f"{name}.encode has to give a genome the same features whatever others are encoded with it, and gives "
                f"{genome!r} others alone"
            )
