"""Sequences of choices: those of one length of which several mean the same, and the edits of those of any length."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations, product

import numpy as np

from nas_jax.spaces.base import sample_distinct
from nas_jax.trial import Genome


@dataclass(frozen=True)
class Sequences:
    """All sequences of `length` choices, few enough to be enumerated, up to what `canonical` identifies.

    `canonical` maps a sequence to the one that stands for all that mean the same.
    """

    choices: tuple[str, ...]
    length: int
    canonical: Callable[[Genome], Genome]

    def genomes(self) -> Iterator[Genome]:
        """Every canonical sequence."""
        return iter(_classes(self))

    @property
    def num_genomes(self) -> int:
        return len(_classes(self))

    def sample(self, rng: np.random.Generator, num: int, exclude: Collection[Genome]) -> list[Genome]:
        """Uniform over canonical sequences."""
        genomes = list(self.genomes())
        return sample_distinct(lambda: genomes[rng.integers(len(genomes))], self.genomes, rng, num, exclude)

    def neighbors(self, genome: Genome) -> list[Genome]:
        """What one change of a choice can lead to, in `genome` or in any sequence that means the same.

        So neighbours are neighbours both ways.
        """
        form = self.canonical(genome)
        return [other for other in dict.fromkeys(self._changed(*_classes(self)[form])) if other != form]

    def mutate(self, rng: np.random.Generator, genome: Genome) -> Genome:
        """Changes a random choice of a random sequence that means the same as `genome`."""
        form = self.canonical(genome)
        same = _classes(self)[form]
        mutants: list[Genome] = []
        while not mutants:
            mutants = [other for other in self._changed(same[rng.integers(len(same))]) if other != form]
        return mutants[rng.integers(len(mutants))]

    def crossover(self, rng: np.random.Generator, first: Genome, second: Genome) -> Genome:
        """The canonical form of a sequence that has each choice from either parent, by the toss of a coin."""
        pairs = zip(first, second, strict=True)
        return self.canonical(tuple(pair[rng.integers(2)] for pair in pairs))

    def _changed(self, *sequences: Genome) -> list[Genome]:
        """The canonical forms after each change of one choice, and of the sequences themselves."""
        return [self.canonical(changed) for sequence in sequences for changed in changes(sequence, self.choices)]


@cache
def _classes(sequences: Sequences) -> dict[Genome, list[Genome]]:
    """Every canonical sequence, and all that it stands for."""
    classes: dict[Genome, list[Genome]] = {}
    for sequence in product(sequences.choices, repeat=sequences.length):
        classes.setdefault(sequences.canonical(sequence), []).append(sequence)
    return classes


def changes(sequence: Genome, choices: Sequence[str]) -> list[Genome]:
    """`sequence` with each choice in each place, itself included."""
    return [(*sequence[:i], choice, *sequence[i + 1 :]) for i in range(len(sequence)) for choice in choices]


def edits(sequence: Genome, choices: Sequence[str]) -> dict[str, list[Genome]]:
    """Every sequence one edit away from `sequence`, by the kind of edit."""
    places = range(len(sequence))
    return {
        "change": changes(sequence, choices),
        "insert": [(*sequence[:i], choice, *sequence[i:]) for i in range(len(sequence) + 1) for choice in choices],
        "delete": [(*sequence[:i], *sequence[i + 1 :]) for i in places],
        "swap": [
            (*sequence[:i], sequence[j], *sequence[i + 1 : j], sequence[i], *sequence[j + 1 :])
            for i, j in combinations(places, 2)
        ],
    }
