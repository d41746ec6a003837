"""What people give to `--genome`: names and JSON of architectures, damaged. What is found describes itself so again."""

import json
import random
from collections.abc import Iterator
from functools import partial
from itertools import islice

import numpy as np
from damage import damaged_bytes, damaged_value
from outcomes import Outcomes

from nas_jax.spaces.base import Space
from nas_jax.spaces.chain import Chain
from nas_jax.spaces.macro import NasBenchMacro
from nas_jax.spaces.names import find_genome
from nas_jax.spaces.nb201 import NasBench201

SPACES: tuple[Space, ...] = (Chain((8, 8, 1), 10), NasBench201((8, 8, 1), 10), NasBenchMacro((32, 32, 3), 10))


def fuzz_genomes(num: int, seed: int, outcomes: Outcomes) -> None:
    """Tries `num` texts."""
    rng = random.Random(seed)
    for space, text in islice(_texts(rng), num):
        outcomes.add(partial(_check, space, text), f"genome {type(space).__name__} {text!r}")


def _texts(rng: random.Random) -> Iterator[tuple[Space, str]]:
    while True:
        space = rng.choice(SPACES)
        (genome,) = space.sample(np.random.default_rng(rng.randrange(2**32)), 1)
        name, listed = space.describe(genome), json.loads(json.dumps(genome))
        yield space, damaged_bytes(rng, name.encode()).decode(errors="replace")
        yield space, json.dumps(damaged_value(rng, rng.choice(({"genome": listed}, listed))))
        yield space, damaged_bytes(rng, json.dumps(listed).encode()).decode(errors="replace")


def _check(space: Space, text: str) -> None:
    genome = find_genome(space, text, "--genome")
    if find_genome(space, space.describe(genome), "--genome") != genome:
        raise AssertionError(f"{genome} is not what {space.describe(genome)} stands for")
