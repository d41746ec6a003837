"""The settings of a run's stages."""

from dataclasses import dataclass
from typing import Any, Literal

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
        max_state_gb: What the states of stopped trainings may take on disk, in 2^30 bytes; None for no bound. Beyond it
            trainings lose theirs, and begin again if they are continued. While trials run, each may add one on top.

    Raises:
        ValueError: a number that is too small, or no limit at all.
    """

    num_trials: int | None = 100
    max_failures: int = 10
    batch_size: int = 1
    max_cost: float | None = None
    max_state_gb: float | None = 10.0

    def __post_init__(self) -> None:
        if self.num_trials is None and self.max_cost is None:
            raise ValueError("num_trials and max_cost are both None: the search would never end; set one of them")
        if (self.num_trials is not None and self.num_trials < 2) or min(self.max_failures, self.batch_size) < 1:
            raise ValueError(f"num_trials has to be at least 2, max_failures and batch_size at least 1: {self}")
        if self.max_cost is not None and self.max_cost <= 0:
            raise ValueError(f"max_cost has to be positive, got {self.max_cost}")
        if self.max_state_gb is not None and self.max_state_gb < 0:
            raise ValueError(f"max_state_gb has to be at least 0, got {self.max_state_gb}")


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
            "at METRIC <= NUMBER", see `nas_jax.choice`. It may change until there is a winner.
        reference: A genome that owes nothing to the search: a network as people write them. A config names it as
            reports do.
        pick: "surrogate", which learns from the largest budget that as many trials had as there are finalists, or two;
            or "incumbent": the best trials of the search, as `Objectives.front` compares them, those with the largest
            budget first. No surrogate is asked then, and no genome is fresh.

    Raises:
        ValueError: a number that is too small, another pick, or a choice that is no rule.
    """

    num_candidates: int = 1000
    num_finalists: int = 10
    max_doublings: int = 5
    with_baseline: bool = True
    choice: str = "knee"
    reference: Any = None
    pick: Literal["surrogate", "incumbent"] = "surrogate"

    def __post_init__(self) -> None:
        if self.pick not in ("surrogate", "incumbent"):
            raise ValueError(f"pick: choose from surrogate, incumbent; got {self.pick!r}")
        parse_rule(self.choice)
        if min(self.num_candidates, self.max_doublings) < 0 or self.num_finalists < 1:
            raise ValueError(
                f"num_candidates and max_doublings have to be at least 0, num_finalists at least 1: {self}"
            )
