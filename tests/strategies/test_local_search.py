"""Local search, step by step on a line of numbers."""

import numpy as np
from fakes import Numbers
from histories import make_history

from nas_jax.spaces.categorical import Categorical
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


def test_what_was_proposed_before_the_search_moved_on_is_no_restart():
    assert _next(_history((10, 1.0), (11, 2.0), (40, 0.5))) == 12
    assert _next(_history((10, 1.0), (11, 2.0), (40, 3.0))) == 41


def test_in_batches_it_is_at_least_half_as_far_ahead_of_random_search_as_alone():
    """On a sum of eight genes, which has one optimum."""
    space, goal = Categorical(genes={f"g{i}": list(range(6)) for i in range(8)}), np.arange(8) % 6
    best = {}
    for name, size in (("alone", 1), ("batches", 8), ("random", 80)):
        found = []
        for seed in range(4):
            rng, genomes, scores = np.random.default_rng(seed), [], []
            while len(genomes) < 80:
                search = LocalSearch(space, num_initial=80 if name == "random" else 10)
                for proposal in search.propose(rng, make_history(genomes, scores), size):
                    genomes.append(proposal.genome)
                    scores.append(-float(np.abs(np.array(proposal.genome) - goal).sum()))
            found.append(max(scores))
        best[name] = np.mean(found)
    assert best["batches"] > best["random"] + 0.5 * (best["alone"] - best["random"])


def test_failed_and_pending_neighbours_are_not_tried_again():
    assert _next(_history((10, 1.0), pending=((11,),))) not in (10, 11)
    assert _next(_history((10, 1.0), failed=((11,),))) not in (10, 11)
