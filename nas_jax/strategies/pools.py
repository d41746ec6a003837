"""Candidates among which a surrogate chooses, and their features."""

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nas_jax.spaces.base import Space
from nas_jax.trial import Genome, History

_NUM_ELITES = 10
_MAX_EDITS = 3
_MAX_NEIGHBORS = 500


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
    known genomes and candidates together, see `unit_features`.
    """
    order = (*history.genomes, *history.failed, *history.pending)
    if space.num_genomes <= max_enumerated:
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
    x = unit_features(space, [*order, *candidates], by_spread)
    return Pool(x[: len(order)], candidates, x[len(order) :])


def unit_features(space: Space, genomes: Sequence[Genome], by_spread: bool = False) -> Float[np.ndarray, "n d"]:
    """The space's features, each from 0 and in units of its range over `genomes`; one that does not vary is 0.

    With `by_spread` in units of its standard deviation: what few genomes have then sets them further apart.
    """
    return _in_units(space.encode(genomes), by_spread)


def _in_units(x: Float[np.ndarray, "n d"], by_spread: bool) -> Float[np.ndarray, "n d"]:
    unit = x.std(axis=0) if by_spread else np.ptp(x, axis=0)
    return (x - x.min(axis=0)) / np.where(np.ptp(x, axis=0) > 0, unit, 1)


@lru_cache(maxsize=4)
def _enumerated(space: Space, by_spread: bool) -> tuple[tuple[Genome, ...], np.ndarray, dict[Genome, int]]:
    """Every genome of the space, their features, and the place of each."""
    genomes, x, places = _encoded(space)
    return genomes, _in_units(x, by_spread), places


@lru_cache(maxsize=2)  # a space is a frozen dataclass
def _encoded(space: Space) -> tuple[tuple[Genome, ...], np.ndarray, dict[Genome, int]]:
    genomes = tuple(space.genomes())
    return genomes, space.encode(genomes), {genome: place for place, genome in enumerate(genomes)}


def _promising(space: Space, rng: np.random.Generator, history: History, num: int) -> list[Genome]:
    """Neighbours of the best, mutants and crossovers of the elite, and for at least a quarter random draws."""
    known = history.known
    ranking = np.argsort(-history.scores, kind="stable")[:_NUM_ELITES]
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
