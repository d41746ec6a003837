"""What the stream makes of failures that may be of others, and when it pulls; the engine is a fake."""

from concurrent.futures import Future
from dataclasses import dataclass, field, replace

import jax
import pytest

from nas_jax.evaluators.base import Failure, failure_of
from nas_jax.executors.concurrent import Submission, evaluate_concurrently
from nas_jax.executors.starving import unless_starved
from nas_jax.trial import Trial

EXHAUSTED = "XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory while trying to allocate 4294967296 bytes."
PENDING = Trial(0, (1,), "", "search", 0)
STARVED = replace(PENDING, status="failed", failure="out_of_memory", error=EXHAUSTED)


@dataclass
class Engine:
    """Gives each trial the outcomes in turn."""

    outcomes: list
    submitted: list = field(default_factory=list)
    leveled_at: list = field(default_factory=list)  # how many trials had been submitted

    def submit(self, trial):
        self.submitted.append(trial.id)
        ended = Future()
        ended.set_result(self.outcomes.pop(0) if self.outcomes else replace(trial, status="finished"))
        return Submission(ended, lambda: ())

    def level(self):
        self.leveled_at.append(len(self.submitted))

    def failure_of(self, error):
        return None


@dataclass(frozen=True)
class Device:
    stats: dict | None

    def memory_stats(self):
        return self.stats


def run(engine, num=1, num_slots=lambda: 1):
    requests = (Trial(id, (id,), "", "search", 0) for id in range(num))
    return list(evaluate_concurrently(engine, requests, lambda progress: None, num_slots=num_slots, max_retries=2))


@pytest.mark.parametrize(
    ("num_failures", "status", "num_attempts"), [(1, "finished", 2), (2, "finished", 3), (5, "failed", 3)]
)
def test_a_trial_that_others_starved_is_tried_again_and_in_the_end_it_is_too_large(num_failures, status, num_attempts):
    failure = Failure("out_of_memory", EXHAUSTED, may_be_of_others=True)
    (trial,) = run(Engine([failure] * num_failures))
    assert (trial.status, trial.num_attempts) == (status, num_attempts)
    assert trial.failure == (None if status == "finished" else "out_of_memory")


def test_what_waits_is_leveled_when_no_more_trials_come_for_now():
    full, over = Engine([]), Engine([])
    run(full, num=5, num_slots=lambda: 2)
    assert full.leveled_at[0] == 2
    run(over, num=1, num_slots=lambda: 2)
    assert over.leveled_at == [1]


def test_a_trial_that_is_too_large_by_itself_is_not_tried_again():
    (trial,) = run(Engine([STARVED]))
    assert (trial.failure, trial.num_attempts) == ("out_of_memory", 1)


def test_the_number_of_slots_is_asked_for_whenever_a_trial_ends():
    engine, numbers = Engine([]), iter([3, 3, 3, 3, 1, *[1] * 100])
    counts = []
    requests = (Trial(id, (id,), "", "search", 0) for id in range(8))
    stream = evaluate_concurrently(engine, requests, print, num_slots=lambda: next(numbers), max_retries=0)
    for _ in stream:
        counts.append(len(engine.submitted))
    assert counts[0] == 3
    assert counts[-1] == 8


@pytest.mark.parametrize(
    ("part", "stats", "is_of_others"),
    [
        (0.5, {"pool_bytes": 90, "bytes_limit": 90}, True),  # who shares the GPU may have taken it
        (1.0, {"pool_bytes": 90, "bytes_limit": 90}, False),
        (1.0, {"pool_bytes": 33, "bytes_limit": 90}, True),  # somebody had most of it when the worker came
        (1.0, {}, False),
        (1.0, None, False),
    ],
)
def test_others_may_have_starved_a_trial_that_shared_its_gpu_or_had_less_than_its_share(
    monkeypatch, part, stats, is_of_others
):
    monkeypatch.setattr(jax, "local_devices", lambda: [Device(stats)])
    outcome = unless_starved(STARVED, part)
    if is_of_others:
        assert outcome.is_of_infrastructure
        assert (outcome.kind, EXHAUSTED in outcome.reason) == ("out_of_memory", True)
    else:
        assert outcome is STARVED


@pytest.mark.parametrize("change", [{"failure": "error"}, {"error": "MemoryError: of the host"}, {"failure": None}])
def test_what_is_not_for_want_of_memory_on_the_device_is_the_trials_own(change):
    trial = replace(STARVED, **change)
    assert unless_starved(trial, 0.5) is trial


@pytest.mark.parametrize(
    "reason",
    [
        EXHAUSTED,
        "INTERNAL: CUDA_ERROR_OUT_OF_MEMORY: out of memory",
        "INTERNAL: CUBLAS_STATUS_ALLOC_FAILED",
        "INTERNAL: CUDNN_STATUS_ALLOC_FAILED in cudnnCreate",
    ],
)
def test_the_words_of_xla_and_cuda_for_too_little_memory_are_known(reason):
    assert failure_of(RuntimeError(reason)).kind == "out_of_memory"
    assert failure_of(RuntimeError("INTERNAL: unknown")).kind == "error"
