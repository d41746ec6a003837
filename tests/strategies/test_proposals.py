"""What strategies may propose; a strategy of one's own is refused in one line where it does otherwise."""

import json

import numpy as np
import pytest
from histories import make_history

from nas_jax.errors import UserError
from nas_jax.strategies.base import Proposal
from nas_jax.strategies.proposals import checked_proposals
from nas_jax.trial import Budget, Prediction

KNOWN = make_history(((1,), (2,)), np.zeros(2))._replace(
    budgets=(Budget(1), None), failed=((3,),), pending=((4,),), pending_budgets=(Budget(1),)
)


@pytest.mark.parametrize(
    ("proposals", "message"),
    [
        (None, "Mine.propose has to return a list of nas_jax.strategies.base.Proposal"),
        ([(5,)], "has to return a list of"),
        (Proposal((5,)), "has to return a list of"),
        ((each for each in [Proposal((5,))]), "has to return a list of"),
        ([Proposal((place,)) for place in range(5, 8)], "has returned 3 proposals, and was asked for 2"),
        ([Proposal([5])], r"proposes \[5\], which does not hash: a genome is a tuple"),
        ([Proposal((5,), budget=5)], "proposes the budget 5; a nas_jax.trial.Budget or None is wanted"),
        ([Proposal((1,), Budget(1))], r"proposes \(1,\) once more; a genome is new, or gets another budget"),
        ([Proposal((2,))], "once more"),
        ([Proposal((3,), Budget(2))], "once more"),
        ([Proposal((4,), Budget(1))], "once more"),
        ([Proposal((5,)), Proposal((5,))], "once more"),
    ],
)
def test_what_is_no_proposal_or_no_new_one_is_refused(as_users_call, proposals, message):
    with pytest.raises(UserError, match=message):
        checked_proposals(proposals, KNOWN, 2, "Mine")


@pytest.mark.parametrize(
    "proposals",
    [
        [],
        [Proposal((5,)), Proposal((5,), Budget(1))],
        (Proposal((1,), Budget(2)), Proposal((1,))),
        [Proposal((1,), Budget(1), continues=0), Proposal((4,))],
    ],
)
def test_new_genomes_other_budgets_and_what_goes_on_pass(proposals):
    assert checked_proposals(proposals, KNOWN, 2, "Mine") == list(proposals)


def test_numbers_of_numpy_become_plain_ones():
    given = Proposal(
        (9,),
        predictions=(Prediction(np.float32(0.5), np.float64(0.25)),),
        details={"value": np.float32(2), "rank": np.int64(3)},
    )
    (checked,) = checked_proposals([given], KNOWN, 2, "Mine")
    assert json.loads(json.dumps([checked.predictions, checked.details])) == [[[0.5, 0.25]], {"value": 2.0, "rank": 3}]
