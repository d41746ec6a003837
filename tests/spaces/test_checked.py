"""What is refused of a space of one's own, before anything is searched."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from fakes import Numbers

from nas_jax.errors import UserError
from nas_jax.search.ask_tell import Search
from nas_jax.spaces.checked import check_space
from nas_jax.strategies.random_search import RandomSearch

NUMBERS = Numbers(50)


@dataclass(frozen=True)
class Odd:
    """As the numbers, but for some of what it does."""

    changes: Any = field(compare=False)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return self.changes.get(name) or getattr(NUMBERS, name)


def within_the_batch(genomes):
    x = NUMBERS.encode(genomes)
    return (x - x.mean(axis=0)) / (x.std(axis=0) + 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"describe": lambda genome: genome[0]}, r"Odd.describe has to return text, and returns \d+ for \(\d+,\)"),
        ({"sample": lambda *_: [[3], [4]]}, r"Odd.sample draws \[3\], which does not hash: a genome is a tuple"),
        ({"encode": lambda genomes: NUMBERS.encode(genomes)[0]}, r"a row for each genome, .* of the shape \(1,\)"),
        ({"encode": lambda genomes: NUMBERS.encode(genomes)[:1]}, r"shape \(1, 1\) with .* float32 for 3 genomes"),
        ({"encode": lambda genomes: [[str(genome)] for genome in genomes]}, "elements of type <U"),
        ({"encode": lambda genomes: NUMBERS.encode(genomes) / 0}, "finite numbers, and returns inf"),
        ({"encode": within_the_batch}, "the same features whatever others are encoded with it"),
        ({"encode": lambda genomes: np.ones((len(genomes), len(genomes)))}, "the same features whatever others"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_what_no_space_may_do_is_one_line(changes, message):
    space = Odd(changes)
    for check in (check_space, lambda space: Search(space, RandomSearch(space), "val_accuracy")):
        with pytest.raises(UserError, match=message) as caught:
            check(space)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("num", [0, 1, 50])
def test_a_space_of_few_genomes_will_do(num):
    check_space(Numbers(num))
    check_space(Odd({"sample": lambda rng, count: NUMBERS.sample(rng, count)[:num]}))
