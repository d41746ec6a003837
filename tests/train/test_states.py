"""The state of a training in a file: as it was, or not at all."""

import errno
import os
import resource
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nas_jax.train.states import (
    Leaf,
    Stopped,
    read_state,
    remove_partial_files,
    state_files,
    to_device,
    to_host,
    write_state,
)

CURVE = [{"val_loss": 0.1 + 0.2, "val_accuracy": 1 / 3}, {"val_loss": 1e-300, "val_accuracy": 1.0}]


class Tree(NamedTuple):
    """What states are made of: arrays of several types on a device and on the host, and plain numbers."""

    step: int
    seed: np.uint32
    host: np.ndarray
    params: dict


def tree(offset=0.0):
    params = {
        "kernel": jnp.arange(6, dtype=jnp.float32).reshape(2, 3) / 7 + offset,
        "half": jnp.array([0.1, -2.5], jnp.bfloat16),
        "count": jnp.int32(5),
        "nothing": (),
        "empty": jnp.zeros((0, 3)),
    }
    return Tree(3, np.uint32(2**31 + 5), np.array([1.5, np.pi]), params)


def stopped(num_epochs=2, offset=0.0):
    return Stopped(num_epochs, CURVE, to_host(tree(offset)))


def assert_same(first, second):
    assert jax.tree.structure(first) == jax.tree.structure(second)
    for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        assert type(one) is type(other)
        assert np.asarray(one).dtype == np.asarray(other).dtype
        np.testing.assert_array_equal(one, other)


def test_a_state_comes_back_bit_for_bit(tmp_path):
    write_state(tmp_path / "7", 9, stopped(), "chain")
    found = read_state(tmp_path / "7", 9, 5, "chain")
    assert (found.num_epochs, found.curve) == (2, CURVE)
    assert_same(to_device(found.leaves, tree(offset=1.0)), tree())
    assert [path.name for path in (tmp_path / "7").iterdir()] == ["9-2.state"]


def test_what_is_kept_does_not_change_when_the_state_is_used_up():
    state = {"a": jnp.arange(4.0)}
    leaves = to_host(state)
    continued = to_device(leaves, state)
    jax.jit(lambda tree: {"a": tree["a"] * 2}, donate_argnums=0)(state)
    jax.jit(lambda tree: {"a": tree["a"] * 3}, donate_argnums=0)(continued)
    np.testing.assert_array_equal(leaves[0].value, np.arange(4.0))


def test_the_furthest_state_that_has_not_come_too_far_is_read(tmp_path):
    for num_epochs in (1, 3, 9):
        write_state(tmp_path / "7", 9, stopped(num_epochs), "chain")
    write_state(tmp_path / "7", 10, stopped(4), "chain")
    found = {most: read_state(tmp_path / "7", 9, most, "chain") for most in (0, 1, 4, 30)}
    assert {most: state and state.num_epochs for most, state in found.items()} == {0: None, 1: 1, 4: 3, 30: 9}
    assert [(file.seed, file.num_epochs) for file in state_files(tmp_path / "7")] == [(10, 4), (9, 1), (9, 3), (9, 9)]
    assert read_state(tmp_path / "8", 9, 30, "chain") is None


@pytest.mark.parametrize("place", ["start", "header", "arrays", "end", "all"])
def test_a_damaged_file_is_passed_over_for_an_earlier_one(tmp_path, place):
    for num_epochs in (1, 2):
        write_state(tmp_path / "7", 9, stopped(num_epochs), "chain")
    path = tmp_path / "7" / "9-2.state"
    content = bytearray(path.read_bytes())
    positions = {"start": 0, "header": 60, "arrays": len(content) - 10}
    if place in positions:
        content[positions[place]] ^= 1
    path.write_bytes(content[:-1] if place == "end" else b"" if place == "all" else content)
    assert read_state(tmp_path / "7", 9, 2, "chain").num_epochs == 1


def test_a_state_of_another_training_is_none(tmp_path):
    write_state(tmp_path / "7", 9, stopped(), "chain")
    assert read_state(tmp_path / "7", 9, 2, "another chain") is None
    leaves = to_host(tree())
    others = ([*leaves[:-1]], [*leaves[:-1], Leaf(leaves[-1].path, np.zeros((1, 3), np.float32))])
    assert [to_device(other, tree()) for other in others] == [None, None]
    renamed = [leaf._replace(path=f"{leaf.path}.x") for leaf in leaves]
    assert to_device(renamed, tree()) is None


def full_at_the_end(monkeypatch):
    def fsync(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)


@pytest.mark.parametrize("kind", ["at the end", "within"])
def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch, kind):
    """The system says so when a file is flushed, or when a part of it has been written: here by a limit of its size."""
    write_state(tmp_path / "7", 9, stopped(1), "chain")
    large = Stopped(2, CURVE, [Leaf("a", np.zeros(10**6))])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    if kind == "at the end":
        full_at_the_end(monkeypatch)
    else:
        resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, limits[1]))
    try:
        with pytest.raises(OSError, match=r"No space left|File too large"):
            write_state(tmp_path / "7", 9, large, "chain")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in (tmp_path / "7").iterdir()] == ["9-1.state"]
    assert read_state(tmp_path / "7", 9, 2, "chain").num_epochs == 1


def test_no_folder_is_made_where_there_is_none_to_make_it_in(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_state(tmp_path / "elsewhere" / "7", 9, stopped(), "chain")
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_had_begun_to_write_is_no_state_and_goes(tmp_path):
    write_state(tmp_path / "7", 9, stopped(), "chain")
    (tmp_path / "7" / "abc.partial").write_bytes(b"a part")
    assert len(state_files(tmp_path / "7")) == 1
    remove_partial_files(tmp_path)
    assert [path.name for path in (tmp_path / "7").iterdir()] == ["9-2.state"]
