"""Candidates among which a surrogate chooses, and their features."""

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nas_jax.features.base import at_most
from nas_jax.spaces.base import Space
from nas_jax.strategies.order import best_first
from nas_jax.trial import Genome, History

_NUM_ELITES = 10
_MAX_EDITS = 3
_MAX_NEIGHBORS = 500
_NUM_RANDOM = 1000


class Pool(NamedTuple):
    """What is known and what could be tried next, as features that share one scale."""

    known: Float[np.ndarray, "n d"]
    candidates: Sequence[Genome]
    x: Float[np.ndarray, "m d"]  # of the candidates


def make_pool(
    space: Space,
    rng: np.random.Generator,
    history: History,
    num_candidates: int,
    max_enumerated: int,
    *,
    by_spread: bool = False,
) -> Pool:
    """All untried genomes where the space has at most `max_enumerated`, else `num_candidates` promising ones.

    Rows of `known` are the history's finished, failed and pending genomes, in this order. Features are scaled over all
    known genomes and candidates together, see `scale_of`. Where the space takes a moment to encode a genome
    (`features/base.py`) there are fewer candidates, by its limit.
    """
    order = (*history.genomes, *history.failed, *history.pending)
    num_candidates = at_most(space, num_candidates)
    if space.num_genomes <= min(max_enumerated, at_most(space, max_enumerated)):
        genomes, x, places = _enumerated(space, by_spread)
        rows = [places[genome] for genome in order if genome in places]
        if len(rows) == len(order):  # a log may hold genomes of a space that was larger
            is_new = np.ones(len(genomes), bool)
            is_new[rows] = False
            untried = np.flatnonzero(is_new)
            return Pool(x[rows], [genomes[place] for place in untried], x[untried])
        candidates: Sequence[Genome] = [genome for genome in genomes if genome not in history.known]
    else:
        candidates = _promising(space, rng, history, num_candidates)
    x = space.encode([*order, *candidates])
    x = scale_of(x, by_spread)(x)
    return Pool(x[: len(order)], candidates, x[len(order) :])


class Scale(NamedTuple):
    """Features from zero, in units of their own; the mean stands for one that is missing, which is NaN."""

    low: Float[np.ndarray, " d"]
    unit: Float[np.ndarray, " d"]  # one for a feature that does not vary
    mean: Float[np.ndarray, " d"]

    def __call__(self, features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
        return (np.where(np.isnan(features), self.mean, features) - self.low) / self.unit


def scale_of(features: Float[np.ndarray, "n d"], by_spread: bool = False) -> Scale:
    """Units are the ranges of features or, with `by_spread`, their standard deviations.

    In units of its spread, what few genomes have sets them further apart.
    """
    mean = _mean(features)
    known = np.where(np.isnan(features), mean, features)
    spans = np.ptp(known, axis=0)
    return Scale(known.min(axis=0), np.where(spans > 0, known.std(axis=0) if by_spread else spans, 1), mean)


def _mean(features: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " d"]:
    """Of what is not NaN; zero where all is."""
    is_known = ~np.isnan(features)
    return np.where(is_known, features, 0).sum(axis=0) / np.maximum(is_known.sum(axis=0), 1)


def scale_over_space(
    space: Space, rng: np.random.Generator, genomes: Sequence[Genome], by_spread: bool = False
) -> Scale:
    """The scale over `genomes` and 1,000 random ones; over the former alone where encoding takes a moment each."""
    num = _NUM_RANDOM if at_most(space, _NUM_RANDOM) == _NUM_RANDOM else 0
    return scale_of(space.encode([*genomes, *space.sample(rng, num)]), by_spread)


@lru_cache(maxsize=4)
def _enumerated(space: Space, by_spread: bool) -> tuple[tuple[Genome, ...], np.ndarray, dict[Genome, int]]:
    """Every genome of the space, their features, and the place of each."""
    genomes, x, places = _encoded(space)
    return genomes, scale_of(x, by_spread)(x), places


@lru_cache(maxsize=2)  # a space is a frozen dataclass
def _encoded(space: Space) -> tuple[tuple[Genome, ...], np.ndarray, dict[Genome, int]]:
    genomes = tuple(space.genomes())
    return genomes, space.encode(genomes), {genome: place for place, genome in enumerate(genomes)}


def _promising(space: Space, rng: np.random.Generator, history: History, num: int) -> list[Genome]:
    """Neighbours of the best, mutants and crossovers of the elite, and for at least a quarter random draws."""
    known = history.known
    ranking = best_first(history)[:_NUM_ELITES]
    elite = [history.genomes[place] for place in ranking]
    found: dict[Genome, None] = {}
    if elite:
        neighbors = [genome for genome in space.neighbors(elite[0]) if genome not in known]
        rng.shuffle(neighbors)
        found.update(dict.fromkeys(neighbors[: min(_MAX_NEIGHBORS, num // 4)]))
        for child in _children(space, rng, elite, num // 2):
            if child not in known:
                found[child] = None
    return [*found, *space.sample(rng, num - len(found), exclude=known | found.keys())]


def _children(space: Space, rng: np.random.Generator, elite: list[Genome], num: int) -> Iterator[Genome]:
    """Half of them a parent after one to three edits, half crossovers, every other one of which is edited once."""
    neighbors_of = cache(space.neighbors)  # of the elite they are asked for often
    for _ in range(num):
        first, second = (elite[place] for place in rng.integers(len(elite), size=2))
        is_mutant = rng.random() < 0.5
        child = first if is_mutant else space.crossover(rng, first, second)
        for _ in range(rng.integers(1, _MAX_EDITS + 1) if is_mutant else rng.integers(2)):
            if neighbors := neighbors_of(child):
                child = neighbors[rng.integers(len(neighbors))]
        yield child
