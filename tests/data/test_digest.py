"""A digest of examples changes with any of them, and with nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from nas_jax.data import digest
from nas_jax.data.digest import digest_of
from nas_jax.data.synthetic import Synthetic

DATASET = Synthetic(num_train=40, num_val=10, num_test=10).load()


def _with(part, name, change):
    split = getattr(DATASET, part)
    array = split[name].copy()
    change(array)
    return replace(DATASET, **{part: {**split, name: array}})


def _add_one(array):
    array.flat[-1] += 1


def _swap(array):
    array[[0, -1]] = array[[-1, 0]]


@pytest.mark.parametrize("is_sampled", [False, True])
def test_every_part_counts_and_so_does_the_order(is_sampled, monkeypatch):
    if is_sampled:
        monkeypatch.setattr(digest, "_MAX_BYTES", 16)
    others = [
        _with("train", "image", _add_one),
        _with("val", "image", _swap),
        _with("test", "label", _swap),
        replace(DATASET, class_names=(*DATASET.class_names[:-1], "another")),
        replace(DATASET, train={name: array[:-1] for name, array in DATASET.train.items()}),
    ]
    assert len({digest_of(DATASET), *map(digest_of, others)}) == len(others) + 1


def test_names_and_augmentation_do_not_count():
    copy = replace(DATASET, name="moved", train={name: np.array(array) for name, array in DATASET.train.items()})
    assert digest_of(copy) == digest_of(DATASET)
