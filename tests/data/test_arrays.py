"""Splits, specs and batches: properties and closed forms."""

import json
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_jax.data.arrays import (
    Dataset,
    epoch_batches,
    load,
    spec_from_json,
    spec_to_json,
    split_indices,
)
from nas_jax.data.synthetic import Synthetic
from nas_jax.errors import UserError


def test_mean_and_std_are_those_of_numpy():
    dataset = Synthetic(image_shape=(6, 5, 3), num_train=2500).load()
    scaled = dataset.train["image"] / 255
    np.testing.assert_allclose(dataset.spec.mean, scaled.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(dataset.spec.std, scaled.std((0, 1, 2)), rtol=1e-12)


def test_a_constant_channel_has_unit_deviation():
    split = {"image": np.full((3, 2, 2, 1), 51, np.uint8)}
    spec = Dataset("constant", split, split, split).spec
    assert spec.mean == pytest.approx((0.2,))
    assert spec.std == (1.0,)


@pytest.mark.parametrize("image", [np.zeros((3, 4), np.uint8), np.zeros((3, 4, 4, 1), np.float32)])
def test_what_is_no_8_bit_image_has_no_mean(image):
    split = {"image": image, "tokens": np.zeros((3, 7), np.int32)}
    spec = Dataset("other", split, split, split).spec
    assert (spec.mean, spec.std, spec.class_names) == ((), (), ())
    assert str(spec.arrays["tokens"]) == "int32 [n, 7]"


@pytest.mark.parametrize("dataset", [Synthetic(image_shape=(6, 5, 3)).load(), Synthetic(num_classes=1).load()])
def test_a_spec_comes_back_from_json(dataset):
    again = spec_from_json(json.loads(json.dumps(spec_to_json(dataset.spec))))
    assert again == dataset.spec
    assert again.image_shape == dataset.train["image"].shape[1:]


GOOD = {"image": np.zeros((2, 4, 4, 1), np.uint8), "label": np.array([0, 1], np.int32)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"image": np.zeros((2, 4, 3, 1), np.uint8)},
            r"val: image is uint8 \[n, 4, 3, 1\]; in train it is uint8 \[n, 4, 4, 1",
        ),
        ({"image": np.zeros((2, 4, 4, 1), np.float32)}, r"val: image is float32 \[n, 4, 4, 1\]; in train"),
        ({"label": np.zeros(3, np.int32)}, "val: arrays must have the same length.*'image': 2, 'label': 3"),
        ({"mask": np.zeros(2, np.int32)}, "val: has the arrays image, label, mask; train has image, label"),
        ({"image": GOOD["image"][:0], "label": GOOD["label"][:0]}, "val: arrays .* not be empty"),
    ],
)
def test_a_dataset_refuses_splits_that_do_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        Dataset("broken", GOOD, {**GOOD, **changes}, GOOD)


WRONG = [
    ("Dataset('a', SPLIT, SPLIT, SPLIT, augmentation={'pad': 4})", "augmentation: must be an Augmentation, such as"),
    ("Dataset('a', SPLIT, SPLIT, SPLIT, augmentation=None)", "augmentation: must be an Augmentation, such as"),
    ("Dataset('a', SPLIT, SPLIT, SPLIT, augmentation=Augmentation)", "augmentation: must be an Augmentation, such as"),
    ("Augmentation(pad=1.5)", "pad: must be a whole number of pixels, but is 1.5"),
    ("Augmentation(pad=True)", "pad: must be a whole number of pixels, but is True"),
    ("Augmentation(cutout='4')", "cutout: must be a whole number of pixels, but is '4'"),
    ("Augmentation(cutout=-1)", "cutout: must not be negative, but is -1"),
    ("Augmentation(flip='no')", "flip: must be True or False, but is 'no'"),
    ("Augmentation(flip_vertically=None)", "flip_vertically: must be True or False, but is None"),
]


def test_what_is_no_augmentation_is_refused_in_one_line():
    """In a program of its own: the types that tests check would refuse it before."""
    program = (
        "import numpy as np\nfrom nas_jax.data.arrays import Augmentation, Dataset\n"
        "SPLIT = {'image': np.zeros((2, 4, 4, 1), np.uint8)}\n"
        "Dataset('a', SPLIT, SPLIT, SPLIT, augmentation=Augmentation(np.int64(4), np.bool_(True)))\n"
        f"for each in {[expression for expression, _ in WRONG]!r}:\n"
        "    try:\n        eval(each)\n        print('accepted')\n"
        "    except ValueError as error:\n        print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    for line, (expression, message) in zip(done.stdout.splitlines(), WRONG, strict=True):
        assert line.startswith(message), expression


@pytest.mark.parametrize("shape", [(2, 4, 4, 0), (2, 0, 4, 1)])
def test_images_have_pixels(shape):
    split = {**GOOD, "image": np.zeros(shape, np.uint8)}
    with pytest.raises(ValueError, match=r"train: image is uint8 \[n, .*\], which has no pixels"):
        Dataset("broken", split, split, split)


def test_a_dataset_refuses_what_a_device_would_round():
    split = {"target": np.zeros(2, np.float64)}
    with pytest.raises(ValueError, match="train: target is float64; numbers must have at most 32 bits"):
        Dataset("broken", split, split, split)


def test_load_remembers_and_protects():
    dataset = load(Synthetic(seed=5))
    assert dataset is load(Synthetic(seed=5))
    with pytest.raises(ValueError, match="read-only"):
        dataset.train["image"][0] = 0


@given(st.integers(2, 200), st.integers(1, 50), st.integers(0, 3), st.data())
@settings(max_examples=50, deadline=None)
def test_splits_are_disjoint_nested_and_stable(num_training, num_testing, seed, data):
    num_val = data.draw(st.integers(1, num_training - 1))
    num_train = data.draw(st.integers(1, num_training - num_val))
    num_test = data.draw(st.integers(1, num_testing))
    full = split_indices(num_training, num_testing, num_val=num_val, seed=seed)
    part = split_indices(num_training, num_testing, num_train=num_train, num_val=num_val, num_test=num_test, seed=seed)
    assert sorted([*full.train, *full.val]) == list(range(num_training))
    assert sorted(full.test) == list(range(num_testing))
    np.testing.assert_array_equal(part.train, full.train[:num_train])
    np.testing.assert_array_equal(part.val, full.val)
    np.testing.assert_array_equal(part.test, full.test[:num_test])


def test_a_smaller_validation_split_changes_no_training_example():
    small, large = (split_indices(100, 10, num_train=40, num_val=size) for size in (10, 60))
    np.testing.assert_array_equal(small.train, large.train)
    np.testing.assert_array_equal(small.val, large.val[:10])


def test_another_seed_draws_other_splits():
    first, second = (split_indices(100, 10, num_val=20, seed=seed) for seed in (0, 1))
    assert set(first.val) != set(second.val)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (
            {"num_train": 60000, "num_val": 5000},
            "num_train: 60000 asked for, the training split has 50000, 5000 are for validation; use at most 45000",
        ),
        ({"num_val": 50000}, "num_val: 50000 asked for, the training split has 50000; use at most 49999"),
        ({"num_val": 1, "num_test": 10001}, "num_test: 10001 asked for, the test split has 10000; use at most 10000"),
        ({"num_val": 0}, "num_val: must be at least 1, but is 0"),
        ({"num_val": 1, "num_train": -3}, "num_train: must be at least 1, but is -3"),
    ],
)
def test_sizes_that_do_not_fit_are_the_users_to_fix(sizes, message):
    with pytest.raises(UserError) as error:
        split_indices(50000, 10000, **sizes)
    assert str(error.value) == message


@given(st.integers(1, 300), st.data())
@settings(max_examples=50, deadline=None)
def test_an_epoch_has_every_example_once_and_less_than_a_batch_is_left_over(num_examples, data):
    batch_size = data.draw(st.integers(1, num_examples))
    full, rest = epoch_batches(np.random.default_rng(0), num_examples, batch_size)
    assert full.dtype == rest.dtype == np.int32
    assert full.shape == (num_examples // batch_size, batch_size)
    assert len(rest) < batch_size
    np.testing.assert_array_equal(np.sort(np.concatenate([full.ravel(), rest])), np.arange(num_examples))


def test_epochs_differ_and_follow_the_generator():
    rng = np.random.default_rng(0)
    first, second = epoch_batches(rng, 64, 8).full, epoch_batches(rng, 64, 8).full
    assert (first != second).any()
    np.testing.assert_array_equal(first, epoch_batches(np.random.default_rng(0), 64, 8).full)


@pytest.mark.parametrize("batch_size", [0, 11])
def test_epoch_batches_refuses_a_batch_that_cannot_be_filled(batch_size):
    with pytest.raises(ValueError, match=rf"batch_size: must lie in 1\.\.10, .* but is {batch_size}"):
        epoch_batches(np.random.default_rng(0), 10, batch_size)
