"""A front that grows is at any time that of all trials so far."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_jax.constraints import Constraint
from nas_jax.front_files import hypervolumes
from nas_jax.growing_front import GrowingFront, GrowingVolume
from nas_jax.objectives import Objective, Objectives
from nas_jax.trial import Budget, Trial

AIMS = Objectives(
    (Objective("gain", reference=0), Objective("cost", maximize=False, reference=9)), (Constraint("cost", at_most=6),)
)
ENDED = st.tuples(
    st.integers(0, 4),  # genome
    st.sampled_from((1, 3, 9)),  # epochs
    st.none() | st.tuples(st.sampled_from((1.0, 2.0, 3.0, float("nan"))), st.integers(1, 8)),  # metrics
)


def trials_of(ended):
    return [
        Trial(
            id=id,
            genome=(number,),
            description=str(number),
            stage="search",
            seed=0,
            status="finished" if values else "failed",
            metrics={"gain": values[0], "cost": values[1]} if values else None,
            budget=Budget(epochs),
        )
        for id, (number, epochs, values) in enumerate(ended)
    ]


@settings(deadline=None, max_examples=300)
@given(st.lists(ENDED, max_size=20), st.integers(0, 20))
def test_it_is_the_front_of_all_trials_so_far_from_wherever_it_begins(ended, num_before):
    trials = trials_of(ended)
    growing = GrowingFront(AIMS, trials[:num_before])
    for num in range(num_before, len(trials)):
        growing.add(trials[num])
        assert growing.trials == AIMS.front(trials[: num + 1])


@settings(deadline=None, max_examples=100)
@given(st.lists(ENDED, max_size=20))
def test_its_volume_is_that_of_the_file_at_the_end(ended):
    """Of a run that ends there: both know the reference, which the objectives give."""
    pytest.importorskip("moocore")
    trials, growing = trials_of(ended), GrowingVolume(AIMS)
    said = [growing.add(trial) for trial in trials]
    for num, volume in enumerate(said, start=1):
        if volume is not None:
            assert volume == pytest.approx(hypervolumes(AIMS, trials[:num])[-1][1])
