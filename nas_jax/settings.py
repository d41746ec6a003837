"""The settings of a run's stages."""

from dataclasses import dataclass
from typing import Any

from nas_jax.choice import parse_rule


@dataclass(frozen=True)
class SearchSettings:
    """How much a search may spend, and how many trials it may lose, all in a row from the first, before it gives up.

    With a `batch_size` above one, so many genomes are proposed at once, whenever the evaluator asks for more.

    Args:
        num_trials: How many there are at most; None for as many as `max_cost` allows.
        max_cost: What they may cost together, in full measurements of the search; None for no limit. A trial that
            continues another one costs only what it adds. The search ends with the first proposal that would cost more
            than is left.

    Raises:
        ValueError: a number that is too small, or no limit at all.
    """

    num_trials: int | None = 100
    max_failures: int = 10
    batch_size: int = 1
    max_cost: float | None = None

    def __post_init__(self) -> None:
        if self.num_trials is None and self.max_cost is None:
            raise ValueError("num_trials and max_cost are both None: the search would never end; set one of them")
        if (self.num_trials is not None and self.num_trials < 2) or min(self.max_failures, self.batch_size) < 1:
            raise ValueError(f"num_trials has to be at least 2, max_failures and batch_size at least 1: {self}")
        if self.max_cost is not None and self.max_cost <= 0:
            raise ValueError(f"max_cost has to be positive, got {self.max_cost}")


@dataclass(frozen=True)
class FinalistSettings:
    """How many untried genomes are ranked beside those of the search, and how many of all are trained in full.

    Args:
        max_doublings: Four fits of the surrogate, with different keys, rank the genomes together, then twice as many,
            until the picks stay the same, or so often.
        with_baseline: The best genome of the search is trained in full too, so that what the final choice adds can be
            told from what the search had found already; and the best of the trials that the search drew at random, to
            tell what the search itself adds.
        choice: Which point of a front of several objectives is the winner: "knee", "max METRIC", "min METRIC" or
            "at METRIC <= NUMBER", see `nas_jax.choice`.
        reference: A genome that owes nothing to the search: a network as people write them. A config names it as
            reports do.

    Raises:
        ValueError: a number that is too small, or a choice that is no rule.
    """

    num_candidates: int = 1000
    num_finalists: int = 10
    max_doublings: int = 5
    with_baseline: bool = True
    choice: str = "knee"
    reference: Any = None

    def __post_init__(self) -> None:
        parse_rule(self.choice)
        if min(self.num_candidates, self.max_doublings) < 0 or self.num_finalists < 1:
            raise ValueError(
                f"num_candidates and max_doublings have to be at least 0, num_finalists at least 1: {self}"
            )
