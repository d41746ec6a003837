"""The log of epochs: each line as it came, whatever happened to the file."""

from dataclasses import replace
from pathlib import Path

import pytest

from nas_jax.curve_log import CurveLog, read_curves, whole_curve
from nas_jax.evaluators.base import Progress
from nas_jax.listeners import Listener
from nas_jax.trial import Trial


def tell(path, *epochs):
    log = CurveLog(path)
    assert isinstance(log, Listener)
    for trial, num_epochs, value in epochs:
        log.progress(Progress(trial, num_epochs, {"val_loss": value}))


def test_epochs_are_there_as_soon_as_they_were_told(tmp_path):
    path = tmp_path / "curves.jsonl"
    assert read_curves(path) == {}
    tell(path, (3, 1, 0.5), (4, 1, 0.25))
    assert read_curves(path) == {3: {1: {"val_loss": 0.5}}, 4: {1: {"val_loss": 0.25}}}
    tell(path, (3, 2, 1 / 3))
    assert read_curves(path)[3] == {1: {"val_loss": 0.5}, 2: {"val_loss": 1 / 3}}


def test_of_an_epoch_that_is_there_twice_the_last_counts(tmp_path):
    path = tmp_path / "curves.jsonl"
    tell(path, (0, 1, 0.5), (0, 2, 0.4), (0, 1, 0.3))
    assert read_curves(path) == {0: {1: {"val_loss": 0.3}, 2: {"val_loss": 0.4}}}


def test_a_torn_line_is_lost_and_no_other(tmp_path):
    path = tmp_path / "curves.jsonl"
    tell(path, (0, 1, 0.5), (0, 2, 0.4))
    whole = path.read_bytes()
    for length in range(whole.index(b"\n") + 1, len(whole)):
        path.write_bytes(whole[:length])
        expected = {1: {"val_loss": 0.5}} | ({2: {"val_loss": 0.4}} if length == len(whole) - 1 else {})
        assert read_curves(path) == {0: expected}
        tell(path, (0, 3, 0.3))
        assert read_curves(path) == {0: expected | {3: {"val_loss": 0.3}}}


def test_notes_are_kept_beside_the_curves(tmp_path):
    path = tmp_path / "curves.jsonl"
    CurveLog(path).progress(Progress(2, 0, {}, "trial 2 found no state"))
    assert read_curves(path) == {}
    assert '"note": "trial 2 found no state"' in path.read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the device that is always full is Linux's")
def test_a_full_disk_ends_no_search():
    with Path("/dev/full").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        file.write(b"a")
    tell(Path("/dev/full"), (0, 1, 0.5))


@pytest.mark.parametrize("is_restarted", [False, True])
def test_the_curve_of_a_continued_trial_begins_with_the_first(is_restarted):
    first = Trial(0, (1,), "", "search", 0)
    second, third = replace(first, id=1, continues=0), replace(first, id=2, continues=1)
    curves = {0: {1: {"a": 1.0}}, 1: {2: {"a": 2.0}, 3: {"a": 3.0}}, 2: {4: {"a": 4.0}}}
    if is_restarted:  # without its state: the same again, and from the first epoch on
        curves[2] = {n: {"a": float(n)} for n in (1, 2, 3, 4)}
    found = whole_curve(third, [first, second, third], curves)
    assert found == {n: {"a": float(n)} for n in (1, 2, 3, 4)}
    assert whole_curve(second, [first, second], curves) == {n: {"a": float(n)} for n in (1, 2, 3)}
    assert whole_curve(replace(first, id=9, continues=8), [first], curves) == {}
