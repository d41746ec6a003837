"""Augmentation and normalisation: brute force and closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nas_jax.data.arrays import Augmentation, load
from nas_jax.data.augment import cut_out, draw_moves, move, normalize
from nas_jax.data.synthetic import Synthetic
from nas_jax.tasks.images import move_images


def augment(key, images, augmentation):
    return move(images, draw_moves(key, len(images), augmentation), augmentation.pad)


compiled = jax.jit(augment, static_argnums=2)


def random_images(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def all_crops(image: np.ndarray, augmentation: Augmentation) -> list[bytes]:
    h, w, _ = image.shape
    pad = augmentation.pad
    padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)))
    offsets = range(2 * pad + 1)
    crops = [padded[top : top + h, left : left + w] for top in offsets for left in offsets]
    mirrored = [crop[:, ::-1] for crop in crops] if augmentation.flip else []
    turned = [crop[::-1] for crop in crops + mirrored] if augmentation.flip_vertically else []
    return [crop.tobytes() for crop in crops + mirrored + turned]


def test_augment_without_augmentation_changes_nothing():
    images = random_images(7, 6, 5, 3)
    np.testing.assert_array_equal(compiled(jax.random.key(0), images, Augmentation()), images)


@pytest.mark.parametrize(
    "augmentation",
    [Augmentation(pad=2), Augmentation(flip=True), Augmentation(3, True), Augmentation(1, True, flip_vertically=True)],
)
def test_augment_gives_a_crop_of_the_padded_image_perhaps_mirrored(augmentation):
    images = random_images(64, 6, 5, 2)
    augmented = compiled(jax.random.key(1), images, augmentation)
    assert augmented.dtype == jnp.uint8
    for image, after in zip(images, np.asarray(augmented), strict=True):
        assert after.tobytes() in all_crops(image, augmentation)


def test_augment_draws_every_crop_equally_often_and_on_its_own():
    augmentation = Augmentation(pad=1, flip=True)
    image = random_images(4, 4, 1)
    copies = np.repeat(image[None], 3600, axis=0)
    augmented = [after.tobytes() for after in np.asarray(compiled(jax.random.key(2), copies, augmentation))]
    counts = np.array([augmented.count(crop) for crop in all_crops(image, augmentation)])
    assert len(counts) == 18
    # 200 of each are expected, with a deviation of 14.
    assert counts.min() > 140
    assert counts.max() < 260
    assert augmented[0::2] != augmented[1::2]


def test_augment_is_a_function_of_the_key_jitted_or_not():
    images, augmentation = random_images(32, 8, 8, 3), Augmentation(2, True)
    once, again, other = (compiled(jax.random.key(seed), images, augmentation) for seed in (0, 0, 1))
    np.testing.assert_array_equal(once, again)
    np.testing.assert_array_equal(once, augment(jax.random.key(0), images, augmentation))
    assert (once != other).any()


@pytest.mark.parametrize("side", [1, 3, 4, 20])
def test_a_cutout_is_a_grey_square_around_any_place_and_nothing_else_changes(side):
    images = np.zeros((2000, 6, 5, 2), np.uint8)
    after = np.asarray(cut_out(images, draw_moves(jax.random.key(0), 2000, Augmentation(cutout=side)), side))
    assert set(np.unique(after)) <= {0, 128}
    np.testing.assert_array_equal(after[..., 0], after[..., 1])
    expected = set()
    for row in range(6):
        for column in range(5):
            square = np.zeros((6, 5), np.uint8)
            top, left = row - side // 2, column - side // 2
            square[max(top, 0) : top + side, max(left, 0) : left + side] = 128
            expected.add(square.tobytes())
    assert {image.tobytes() for image in after[..., 0]} == expected


def test_images_are_cut_out_after_they_were_moved_and_moved_as_without():
    images, key = random_images(64, 6, 5, 3), jax.random.key(3)
    with_cutout = Augmentation(2, True, cutout=3)
    moves = draw_moves(key, len(images), with_cutout)
    moved = np.asarray(move(images, moves, 2))
    batch = move_images({"image": images, "label": np.arange(64)}, moves, with_cutout)
    is_same = (np.asarray(batch["image"]) == moved).all(axis=-1)
    assert ((~is_same).sum((1, 2)) <= 9).all()
    assert not is_same.all((1, 2)).any()
    np.testing.assert_array_equal(batch["label"], np.arange(64))


@pytest.mark.parametrize("field", ["pad", "cutout"])
def test_augmentation_refuses_negative_numbers(field):
    with pytest.raises(ValueError, match=f"{field}: must not be negative, but is -1"):
        Augmentation(**{field: -1})


def test_normalize_closed_form():
    images = random_images(5, 4, 3, 2)
    mean, std = (0.4, 0.6), (0.2, 0.5)
    expected = (images / 255 - np.array(mean)) / np.array(std)
    np.testing.assert_allclose(normalize(images, mean, std), expected, atol=1e-5)
    assert normalize(jnp.asarray(images), mean, std, jnp.bfloat16).dtype == jnp.bfloat16


def test_normalized_training_images_have_zero_mean_and_unit_deviation():
    dataset = load(Synthetic(image_shape=(6, 5, 3), num_train=2500))
    pixels = np.asarray(normalize(dataset.train["image"], dataset.spec.mean, dataset.spec.std))
    np.testing.assert_allclose(pixels.mean((0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(pixels.std((0, 1, 2)), 1, atol=1e-4)
