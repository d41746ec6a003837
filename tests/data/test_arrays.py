"""Splits, batches and augmentation: properties, brute force and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nas_jax.data.arrays import (
    Augmentation,
    Dataset,
    Split,
    augment,
    epoch_batches,
    load,
    normalize,
    split_indices,
)
from nas_jax.data.synthetic import Synthetic
from nas_jax.errors import UserError


def random_images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def all_crops(image: np.ndarray, augmentation: Augmentation) -> list[bytes]:
    h, w, _ = image.shape
    pad = augmentation.pad
    padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)))
    offsets = range(2 * pad + 1)
    crops = [padded[top : top + h, left : left + w] for top in offsets for left in offsets]
    mirrored = [crop[:, ::-1] for crop in crops] if augmentation.flip else []
    return [crop.tobytes() for crop in crops + mirrored]


def test_augment_without_augmentation_changes_nothing():
    images = random_images(7, 6, 5, 3)
    np.testing.assert_array_equal(augment(jax.random.key(0), images, Augmentation()), images)


@pytest.mark.parametrize("augmentation", [Augmentation(pad=2), Augmentation(flip=True), Augmentation(3, True)])
def test_augment_gives_a_crop_of_the_padded_image_perhaps_mirrored(augmentation):
    images = random_images(64, 6, 5, 2)
    augmented = augment(jax.random.key(1), images, augmentation)
    assert augmented.dtype == jnp.uint8
    for image, after in zip(images, np.asarray(augmented), strict=True):
        assert after.tobytes() in all_crops(image, augmentation)


def test_augment_draws_every_crop_equally_often_and_on_its_own():
    augmentation = Augmentation(pad=1, flip=True)
    image = random_images(4, 4, 1)
    copies = np.repeat(image[None], 3600, axis=0)
    augmented = [after.tobytes() for after in np.asarray(augment(jax.random.key(2), copies, augmentation))]
    counts = np.array([augmented.count(crop) for crop in all_crops(image, augmentation)])
    assert len(counts) == 18
    # 200 of each are expected, with a deviation of 14.
    assert counts.min() > 140
    assert counts.max() < 260
    assert augmented[0::2] != augmented[1::2]


def test_augment_is_a_function_of_the_key_jitted_or_not():
    images, augmentation = random_images(32, 8, 8, 3), Augmentation(2, True)
    jitted = jax.jit(augment, static_argnums=2)
    once, again, other = (jitted(jax.random.key(seed), images, augmentation) for seed in (0, 0, 1))
    np.testing.assert_array_equal(once, again)
    np.testing.assert_array_equal(once, augment(jax.random.key(0), images, augmentation))
    assert (once != other).any()


def test_augmentation_refuses_a_negative_pad():
    with pytest.raises(ValueError, match="pad: must not be negative, but is -1"):
        Augmentation(pad=-1)


def test_normalize_closed_form():
    images = random_images(5, 4, 3, 2)
    mean, std = (0.4, 0.6), (0.2, 0.5)
    expected = (images / 255 - np.array(mean)) / np.array(std)
    np.testing.assert_allclose(normalize(images, mean, std), expected, atol=1e-5)
    assert normalize(jnp.asarray(images), mean, std, jnp.bfloat16).dtype == jnp.bfloat16


def test_normalized_training_images_have_zero_mean_and_unit_deviation():
    dataset = load(Synthetic(image_shape=(6, 5, 3), num_train=2500))
    pixels = np.asarray(normalize(dataset.train.images, dataset.mean, dataset.std))
    np.testing.assert_allclose(pixels.mean((0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(pixels.std((0, 1, 2)), 1, atol=1e-4)


def test_mean_and_std_are_those_of_numpy():
    dataset = Synthetic(image_shape=(6, 5, 3), num_train=2500).load()
    scaled = dataset.train.images / 255
    np.testing.assert_allclose(dataset.mean, scaled.mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(dataset.std, scaled.std((0, 1, 2)), rtol=1e-12)


def test_a_constant_channel_has_unit_deviation():
    split = Split(np.full((3, 2, 2, 1), 51, np.uint8), np.zeros(3, np.int32))
    dataset = Dataset("constant", split, split, split, ("only",))
    assert dataset.mean == pytest.approx((0.2,))
    assert dataset.std == (1.0,)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((2, 4, 4, 1), np.float32), np.zeros(2, np.int32), "val: images must be uint8"),
        (np.zeros((2, 4, 3, 1), np.uint8), np.zeros(2, np.int32), "val: images must be uint8"),
        (np.zeros((2, 4, 4, 1), np.uint8), np.zeros(3, np.int32), "val: labels must be int32"),
        (np.zeros((2, 4, 4, 1), np.uint8), np.zeros(2, np.int64), "val: labels must be int32"),
        (np.zeros((0, 4, 4, 1), np.uint8), np.zeros(0, np.int32), "val: labels must be int32"),
        (np.zeros((2, 4, 4, 1), np.uint8), np.array([0, 2], np.int32), r"val: labels must lie in 0\.\.1"),
    ],
)
def test_a_dataset_refuses_what_does_not_fit(images, labels, message):
    good = Split(np.zeros((2, 4, 4, 1), np.uint8), np.array([0, 1], np.int32))
    with pytest.raises(ValueError, match=message):
        Dataset("broken", good, Split(images, labels), good, ("a", "b"))


def test_load_remembers_and_protects():
    dataset = load(Synthetic(seed=5))
    assert dataset is load(Synthetic(seed=5))
    with pytest.raises(ValueError, match="read-only"):
        dataset.train.images[0] = 0


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
