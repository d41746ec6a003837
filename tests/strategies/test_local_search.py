"""Local search, step by step on a line of numbers."""

import numpy as np
from fakes import Numbers
from histories import make_history

from nas_jax.strategies.local_search import LocalSearch


def _history(*pairs, failed=(), pending=()):
    return make_history([(number,) for number, _ in pairs], [score for _, score in pairs], failed, pending)


def _next(history, num_initial=1):
    (proposal,) = LocalSearch(Numbers(50), num_initial).propose(np.random.default_rng(0), history, 1)
    return proposal.genome[0]


def test_it_moves_on_to_a_better_neighbour_and_not_to_a_worse_one():
    assert _next(_history((10, 1.0), (11, 2.0))) == 12
    # 11 was worse and 10 has no other neighbour: a restart, anywhere but where it was.
    assert _next(_history((10, 1.0), (11, 0.5))) not in (10, 11)


def test_after_a_restart_it_goes_on_from_there():
    assert _next(_history((10, 1.0), (11, 0.5), (30, 0.2))) == 31


def test_it_starts_from_the_best_of_the_initial_genomes():
    assert _next(_history((10, 1.0), (20, 3.0), (30, 2.0)), num_initial=3) == 21


def test_failed_and_pending_neighbours_are_not_tried_again():
    assert _next(_history((10, 1.0), pending=((11,),))) not in (10, 11)
    assert _next(_history((10, 1.0), failed=((11,),))) not in (10, 11)
