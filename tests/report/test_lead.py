"""A lead in words: what it is, and whether a test of it says the same."""

import pytest

from nas_jax.report.difference import Difference
from nas_jax.report.lead import Lead


def difference(value, p):
    return Difference(value, value - 1, value + 1, p, "a test")


@pytest.mark.parametrize(
    ("lead", "words"),
    [
        (Lead(0.0), "as good as theirs"),
        (Lead(0.1), "better than theirs"),
        (Lead(0.1, difference(0.1, 0.04)), "better than theirs, beyond the noise (p = 0.04)"),
        (Lead(-0.1, difference(-0.1, 0.3)), "worse than theirs, but within the noise (p = 0.3)"),
        (Lead(0.1, difference(-0.2, 0.3), in_scores=True), "better than theirs, but within the noise (p = 0.3)"),
        (
            Lead(0.04, difference(-0.2, 0.015), in_scores=True),
            "better than theirs, but worse by the scores of single examples (p = 0.015)",
        ),
        (
            Lead(-0.04, difference(0.2, 0.0001), in_scores=True),
            "worse than theirs, but better by the scores of single examples (p < 0.001)",
        ),
    ],
)
def test_a_verdict_says_what_the_test_says(lead, words):
    assert lead.verdict("theirs") == words
