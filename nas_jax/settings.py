"""The settings of a run's stages."""

from dataclasses import dataclass

from nas_jax.strategies.targets import check_targets
from nas_jax.trial import Genome


@dataclass(frozen=True)
class SearchSettings:
    """How many trials a search has, and how many it may lose, all in a row from the first, before it gives up.

    With a `batch_size` above one, so many genomes are proposed at once, whenever the evaluator asks for more.
    """

    num_trials: int
    max_failures: int = 10
    batch_size: int = 1

    def __post_init__(self) -> None:
        if self.num_trials < 2 or min(self.max_failures, self.batch_size) < 1:
            raise ValueError(f"num_trials has to be at least 2, max_failures and batch_size at least 1: {self}")


@dataclass(frozen=True)
class FinalistSettings:
    """How many untried genomes are ranked beside those of the search, and how many of all are trained in full.

    With a baseline the best genome of the search is trained in full too, so that what the final choice adds can be
    told from what the search had found already; and the best of the random trials that a search begins with, to tell
    what the search itself adds. `reference` is a genome that owes nothing to the search: a network as people write
    them. The surrogate learns the "scores" of the trials, or their "ranks" (see `strategies/targets.py`).
    """

    num_candidates: int
    num_finalists: int
    with_baseline: bool = True
    targets: str = "scores"
    reference: Genome | None = None

    def __post_init__(self) -> None:
        if self.num_candidates < 0 or self.num_finalists < 1:
            raise ValueError(f"num_candidates has to be at least 0 and num_finalists at least 1: {self}")
        check_targets(self.targets)
