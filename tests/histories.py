"""Histories without trials, for tests of strategies."""

import numpy as np

from nas_jax.trial import History


def make_history(genomes=(), scores=(), failed=(), pending=()):
    """All with the full budget; failed and pending genomes were proposed after the finished ones."""
    num = len(genomes)
    return History(
        ids=tuple(range(num)),
        places=tuple(range(num)),
        genomes=tuple(genomes),
        values=np.array(scores, np.float64).reshape(num, 1),
        budgets=(None,) * num,
        failed=tuple(failed),
        pending=tuple(pending),
        violations=np.zeros((num, 0)),
        curves=(np.zeros((0, 1)),) * num,
        pending_budgets=(None,) * len(pending),
    )


def with_result(history, genome, score):
    """The history after one more trial."""
    return make_history((*history.genomes, genome), [*history.scores, score], history.failed, history.pending)
