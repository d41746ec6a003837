"""A small space whose answer is known, and searches of it that are asked and told."""

from nas_jax.search.ask_tell import Search
from nas_jax.spaces.categorical import Categorical
from nas_jax.strategies.random_search import RandomSearch

SPACE = Categorical(genes={"depth": [1, 2, 3, 4], "width": [16, 32, 64, 128], "op": ["conv", "pool", "skip", "dense"]})


def measure(genome):
    depth, width, op = genome
    return 0.9 - 0.05 * abs(depth - 3) - abs(width - 64) / 640 - 0.04 * ("conv", "pool", "skip", "dense").index(op)


def random_search(**more):
    return Search(SPACE, RandomSearch(SPACE), "val_accuracy", **more)


def run_all(asked, num, batch=1):
    while len(asked.trials) < num:
        for trial in asked.ask(min(batch, num - len(asked.trials))):
            asked.tell(trial, {"val_accuracy": measure(trial.genome)})
