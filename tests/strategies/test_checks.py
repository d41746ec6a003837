"""Histories that somebody has made by hand: taken for what they mean, or refused in one line, by every strategy."""

import numpy as np
import pytest
from histories import make_history
from strategies_of_all_kinds import NAMES, make

from nas_jax.errors import UserError
from nas_jax.spaces.categorical import Categorical
from nas_jax.spaces.chain import Chain
from nas_jax.spaces.nb201 import NasBench201
from nas_jax.strategies.checks import check_genome, checked_history

SPACE = Categorical(genes=(("depth", (1, 2, 3, 4)), ("op", ("conv", "pool", "skip")), ("width", (16, 32, 64))))
GENOMES = tuple(SPACE.sample(np.random.default_rng(0), 12))
SCORES = np.linspace(0, 1, 12)
GOOD = make_history(GENOMES, SCORES)
NAN = float("nan")


@pytest.fixture(params=NAMES)
def strategy(request):
    return make(request.param, SPACE)


def proposed(strategy, history, num=3):
    return strategy.propose(np.random.default_rng(1), history, num)


def test_the_programs_own_history_is_left_as_it_is():
    for ours, given in zip(checked_history(SPACE, GOOD), GOOD, strict=True):
        assert type(ours) is type(given)
        np.testing.assert_array_equal(ours, given)
    assert checked_history(SPACE, make_history()).values.shape == (0, 1)


@pytest.mark.parametrize(
    "same",
    [
        GOOD._replace(values=SCORES),
        GOOD._replace(values=SCORES.tolist()),
        GOOD._replace(values=[[score] for score in SCORES]),
        GOOD._replace(genomes=list(GENOMES), budgets=[None] * 12, ids=range(12), places=np.arange(12)),
        GOOD._replace(genomes=[list(genome) for genome in GENOMES], failed=[], pending=[]),
    ],
)
def test_lists_arrays_and_ranges_are_taken_for_each_other(strategy, same):
    assert proposed(strategy, same) == proposed(strategy, GOOD)


@pytest.mark.parametrize(
    ("scores", "num_bad"),
    [
        ([NAN, *SCORES[1:]], 1),
        ([*SCORES[:5], -np.inf, *SCORES[6:]], 1),
        ([*SCORES[:5], np.inf, NAN, *SCORES[7:]], 2),
        ([None, *SCORES[1:]], 1),
        (np.ma.masked_array(SCORES, mask=[True] + [False] * 11), 1),
    ],
)
def test_a_score_that_is_none_is_a_failure_and_the_others_count(strategy, scores, num_bad):
    listed = np.ma.filled(np.ma.asarray(scores).astype(float), NAN) if np.ma.isMA(scores) else scores
    is_good = [score is not None and np.isfinite(score) for score in listed]
    good = [place for place in range(12) if is_good[place]]
    expected = make_history(
        [GENOMES[place] for place in good],
        SCORES[good],
        failed=[genome for genome, is_kept in zip(GENOMES, is_good, strict=True) if not is_kept],
    )._replace(ids=tuple(good), places=tuple(good))
    assert len(expected.failed) == num_bad
    proposals = proposed(strategy, GOOD._replace(values=scores))
    assert proposals == proposed(strategy, expected)
    assert all(np.isfinite(prediction).all() for proposal in proposals for prediction in proposal.predictions)


def test_of_two_objectives_one_that_is_missing_is_a_failure():
    values = np.column_stack([SCORES, [0.5] * 11 + [NAN]])
    checked = checked_history(SPACE, GOOD._replace(values=values))
    assert checked.values.shape == (11, 2)
    assert checked.failed == GENOMES[11:]


UNKNOWN = ("5", "conv", 16)


@pytest.mark.parametrize(
    ("history", "message"),
    [
        (GOOD._replace(values=SCORES[:11]), r"values: the shape \(11,\) is not that of 12 genomes.*\(12, number"),
        (GOOD._replace(values=SCORES[None]), r"values: the shape \(1, 12\) is not that of 12 genomes"),
        (GOOD._replace(values=[["high"]] * 12), "values: numbers are wanted"),
        (GOOD._replace(values=["0.5"] * 12), "values: numbers are wanted"),
        (GOOD._replace(values=[0.5] * 11 + ["0.5"]), "values: numbers are wanted"),
        (GOOD._replace(values=SCORES + 1j), "values: numbers are wanted"),
        (GOOD._replace(values=[[1.0]] * 11 + [[1.0, 2.0]]), "values: numbers are wanted"),
        (GOOD._replace(values=None), "values: "),
        (GOOD._replace(genomes=GENOMES[:11]), "ids: 12 are too many for 11 genomes"),
        (GOOD._replace(ids=range(11)), "ids: 11 are too few for 12 genomes"),
        (GOOD._replace(places=[0.5, *range(1, 12)]), "places: whole numbers are wanted"),
        (GOOD._replace(places=range(12, 0, -1)), "places: they have to ascend"),
        (GOOD._replace(budgets=[3] * 12), "budgets: 3 is no nas_jax.trial.Budget"),
        (GOOD._replace(genomes="conv"), "genomes: a sequence is wanted, not a str"),
        (GOOD._replace(genomes=[*GENOMES[:11], UNKNOWN]), r"genomes\[11\]: \('5', 'conv', 16\) is no genome .*'depth'"),
        (GOOD._replace(failed=[(1, "conv")]), r"failed\[0\]: \(1, 'conv'\) is no genome of the space Categorical"),
        (GOOD._replace(pending=["conv"]), r"pending\[0\]: 'conv' is no genome .*tuples"),
        (GOOD._replace(pending=[({"op": 1},)]), r"pending\[0\]: .* a genome is a tuple of strings, numbers"),
    ],
)
def test_what_is_no_history_is_one_line(strategy, history, message):
    with pytest.raises(UserError, match=message) as caught:
        proposed(strategy, history)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("history", [None, {"genomes": []}, GOOD[:3]])
def test_what_is_of_another_type_is_refused(history):
    with pytest.raises(UserError, match=f"a {type(history).__name__} is no nas_jax.trial.History"):
        checked_history(SPACE, history)


def test_a_genome_is_known_by_its_genes():
    cells = NasBench201((32, 32, 3), 10)
    genome = cells.sample(np.random.default_rng(0), 1)[0]
    check_genome(cells, genome, "genome")
    dead = ("none",) * 5 + ("nor_conv_3x3",)  # its only edge leads nowhere
    for wrong in (dead, ("none",) * 5, ("none",) * 5 + ("conv",), (("none",) * 5, "none"), 3, None):
        with pytest.raises(UserError, match="is no genome"):
            check_genome(cells, wrong, "genome")
    chains = Chain((8, 8, 1), 10, conv_filters=(4, 8), fc_units=(16,))
    check_genome(chains, chains.sample(np.random.default_rng(0), 1)[0], "genome")
    for wrong in (("conv3x3-5",), ("conv3x3-4", "oven"), ("conv3x3-4", 7), ("fc-16", "conv3x3-4"), ()):
        with pytest.raises(UserError, match="is no genome"):
            check_genome(chains, wrong, "genome")
