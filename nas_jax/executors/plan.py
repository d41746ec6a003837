"""How a machine is divided: its cores among workers and compilations, a GPU's memory among those who share it."""

import math
from collections.abc import Mapping, Sequence

MEMORY_SHARE = 0.9  # of a GPU, for all that train on it; CUDA itself and the libraries need the rest


def equal_shares(cores: Sequence[int], num: int) -> list[tuple[int, ...]]:
    """`num` shares of the cores, of equal size. With fewer cores than shares, several shares have the same core."""
    if num >= len(cores):
        return [(cores[i % len(cores)],) for i in range(num)]
    size = len(cores) // num
    return [tuple(cores[i * size : (i + 1) * size]) for i in range(num)]


def memory_share(part: float) -> float:
    """The share of a GPU's memory that a process has to whom a part of the GPU belongs, rounded down."""
    return math.floor(1000 * MEMORY_SHARE * part + 1e-6) / 1000


def num_compile_threads(num_cores: int, *, is_on_gpu: bool) -> int:
    """How many threads compile ahead in a process that has so many cores.

    None on a CPU, where a compilation would take the core from the network that trains.
    """
    return max(1, num_cores) if is_on_gpu else 0


def num_needed(num_threads: int, seconds: Sequence[Mapping[str, float]]) -> int:
    """How many trials have to be compiled ahead so that a device never waits: at most one a thread.

    While a network trains, the next ones compile: as many at the same time as trainings fit into a compilation, and one
    more for the trials that take longer than others. More would do harm, since each trial that is proposed ahead is
    proposed with less knowledge. Before anything is measured, all threads are at work.

    Args:
        seconds: of trials that have ended, those of "compile" and "train".
    """
    compiling, training = (sum(each.get(name, 0.0) for each in seconds) for name in ("compile", "train"))
    if not training:
        return num_threads
    return min(num_threads, math.ceil(compiling / training) + 1)
