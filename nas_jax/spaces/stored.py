"""Genomes that come from a log, and whether they are of the space that reads them."""

import reprlib
from collections.abc import Iterable

from nas_jax.errors import UserError, describe
from nas_jax.spaces.base import Space
from nas_jax.trial import Trial


def check_genomes(space: Space, trials: Iterable[Trial]) -> None:
    """Refuses trials of another space, as a log has that was changed by hand, or whose space was.

    Raises:
        UserError: the space cannot describe or encode a genome.
    """
    for trial in trials:
        try:
            space.describe(trial.genome)
            space.encode([trial.genome])
        except Exception as error:  # a space may raise anything at what is none of its genomes
            raise UserError(
                f"trial {trial.id} has a genome that is none of this space ({describe(error)}): "
                f"{reprlib.repr(trial.genome)}; remove its lines from trials.jsonl, or choose another --workdir"
            ) from error
