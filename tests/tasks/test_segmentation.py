"""Segmentation: metrics beside scikit-learn's, closed forms, and masks that move with their images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sklearn.metrics

from nas_jax.data.arrays import Augmentation, Dataset
from nas_jax.tasks.base import Classwise, Problem, Showing
from nas_jax.tasks.segmentation import IGNORED, Segmentation, soft_dice
from nas_jax.train.evaluation import total_of

NAMES = ("background", "cell", "edge")
SHAPE = (6, 5)


def dataset(**changes):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (4, *SHAPE, 1), dtype=np.uint8)
    split = {"image": image, "mask": rng.integers(0, 3, (4, *SHAPE), dtype=np.uint8)}
    return Dataset("cells", *[split | changes] * 3, class_names=NAMES)


def random_outputs(rng, num, num_classes):
    """Outputs, and masks of which some pixels are left out."""
    outputs = rng.normal(size=(num, *SHAPE, num_classes)).astype(np.float32)
    masks = rng.integers(0, num_classes, (num, *SHAPE)).astype(np.uint8)
    masks[rng.random(masks.shape) < 0.1] = IGNORED
    return outputs, masks


def measured(task, outputs, masks, num_padded=0):
    """The metrics of a batch, with examples behind it that are no real ones."""
    is_real = np.arange(len(outputs) + num_padded) < len(outputs)
    more = jnp.asarray(np.concatenate([outputs, outputs[:num_padded]]))
    batch = {"mask": jnp.asarray(np.concatenate([masks, masks[:num_padded]]))}
    return jax.device_get(jax.jit(task.metric_sums)(more, batch, jnp.asarray(is_real)))


def test_overlaps_are_those_of_scikit_learn():
    task, (outputs, masks) = Segmentation(), random_outputs(np.random.default_rng(0), 7, 4)
    masks[masks == 3] = 0
    sums = measured(task, outputs, masks, num_padded=2)
    found = task.metrics(sums, len(outputs))
    is_known = masks != IGNORED
    are, said = masks[is_known], outputs.argmax(-1)[is_known]
    each = sklearn.metrics.jaccard_score(are, said, labels=range(4), average=None)
    assert each[3] == 0  # said, and not there
    np.testing.assert_allclose(task.class_metrics(sums, 7)["iou"], each, atol=1e-7)
    assert found["mean_iou"] == pytest.approx(each.mean())
    assert found["foreground_iou"] == pytest.approx(sklearn.metrics.jaccard_score(are > 0, said > 0))
    assert found["pixel_accuracy"] == pytest.approx(sklearn.metrics.accuracy_score(are, said))
    probabilities = np.exp(outputs) / np.exp(outputs).sum(-1, keepdims=True)
    losses = [
        sklearn.metrics.log_loss(mask[mask != IGNORED], each[mask != IGNORED], labels=range(4))
        for mask, each in zip(masks, probabilities, strict=True)
    ]
    assert found["loss"] == pytest.approx(np.mean(losses), rel=1e-5)


def test_more_pixels_than_32_bits_count_add_up():
    task = Segmentation()
    sums = measured(task, *random_outputs(np.random.default_rng(0), 2, 3))
    large = sums._replace(confusion=np.array([[2**30, 0, 0], [0, 2**20, 0], [0, 2**20, 0]], np.int32))
    metrics = task.metrics(total_of(task, [large] * 3, 6), 6)
    assert metrics["mean_iou"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert metrics["pixel_accuracy"] > 0.99


def test_a_class_that_is_nowhere_is_left_out_of_the_mean():
    outputs = np.zeros((1, *SHAPE, 3), np.float32)
    outputs[..., 0] = 1
    masks = np.zeros((1, *SHAPE), np.uint8)
    masks[0, 0, 0] = 1
    sums = measured(Segmentation(), outputs, masks)
    num = masks.size
    assert Segmentation().metrics(sums, 1)["mean_iou"] == pytest.approx(((num - 1) / num + 0) / 2)
    assert np.isnan(Segmentation().class_metrics(sums, 1)["iou"][2])


def test_scores_are_the_overlaps_of_each_image():
    outputs, masks = random_outputs(np.random.default_rng(1), 5, 3)
    found = jax.jit(Segmentation().scores)(jnp.asarray(outputs), {"mask": jnp.asarray(masks)})
    expected = [
        sklearn.metrics.jaccard_score(
            mask[mask != IGNORED],
            said[mask != IGNORED],
            labels=np.unique([*mask[mask != IGNORED], *said.ravel()]),
            average="macro",
        )
        for mask, said in zip(masks, outputs.argmax(-1), strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_an_image_of_which_all_is_left_out_is_none_of_the_worst():
    outputs, masks = random_outputs(np.random.default_rng(1), 2, 3)
    masks[1] = IGNORED
    found = jax.jit(Segmentation().scores)(jnp.asarray(outputs), {"mask": jnp.asarray(masks)})
    assert found[0] < found[1] == 1


def test_dice_by_hand():
    """Two pixels of probability .75 for what they are, the third one left out: 2 * 1.5 / (1.5 + .5 + 2) = .75."""
    logits = np.log(np.array([[[[0.75, 0.25], [0.25, 0.75], [0.5, 0.5]]]], np.float32))
    masks = np.array([[[0, 1, IGNORED]]], np.uint8)
    assert jax.jit(soft_dice)(jnp.asarray(logits), jnp.asarray(masks))[0] == pytest.approx(0.25)
    cross_entropy = -np.log(0.75)
    loss = jax.jit(Segmentation(dice=2.0).loss)(jnp.asarray(logits), {"mask": jnp.asarray(masks)})
    assert loss[0] == pytest.approx(cross_entropy + 2 * 0.25, rel=1e-6)


def test_pixels_that_are_left_out_have_no_gradient():
    outputs, masks = random_outputs(np.random.default_rng(2), 2, 3)

    def loss(outputs):
        return Segmentation(dice=1.0, label_smoothing=0.1).loss(outputs, {"mask": jnp.asarray(masks)}).sum()

    gradient = np.asarray(jax.jit(jax.grad(loss))(jnp.asarray(outputs)))
    assert (gradient[masks == IGNORED] == 0).all()
    assert (gradient[masks != IGNORED] != 0).all()


@pytest.mark.parametrize(
    "augmentation", [Augmentation(pad=2, flip=True, flip_vertically=True), Augmentation(pad=1, flip=True, cutout=2)]
)
def test_masks_move_with_their_images(augmentation):
    """A pixel's value says its class: so it does afterwards, and what came from outside is left out."""
    masks = np.random.default_rng(0).integers(0, 3, (64, *SHAPE), dtype=np.uint8)
    batch = {"image": 10 + 50 * masks[..., None], "mask": masks}
    task = Segmentation()
    moved = task.augment(batch, task.draw(jax.random.key(0), 64, augmentation), augmentation)
    image, mask = np.asarray(moved["image"])[..., 0], np.asarray(moved["mask"])
    is_covered = image == 128
    assert is_covered.any() == bool(augmentation.cutout)
    np.testing.assert_array_equal(mask[~is_covered], np.where(image == 0, IGNORED, (image - 10) // 50)[~is_covered])
    assert (mask == IGNORED).any()
    assert (mask != masks).any()


def test_it_shows_what_was_predicted_and_what_is_right():
    task, spec = Segmentation(), dataset().spec
    assert isinstance(task, Showing)
    assert isinstance(task, Classwise)
    example = {name: array[0] for name, array in dataset().test.items()}
    alone = task.show({"image": example["image"]}, np.zeros(SHAPE, np.uint8), spec)
    assert alone.lines == ("background  100.0 % of the pixels",)
    factor = alone.picture.shape[0] // SHAPE[0]
    np.testing.assert_array_equal(alone.picture[::factor, ::factor, 0], example["image"][..., 0])  # nothing laid over
    both = task.show(example, example["mask"], spec)
    assert both.picture.shape[0] == alone.picture.shape[0]
    assert both.picture.shape[1] > 3 * alone.picture.shape[1]
    assert [line.rpartition(" ")[2] for line in both.lines[1:]] == ["1.000"] * 3
    width = alone.picture.shape[1]
    np.testing.assert_array_equal(both.picture[:, -width:], both.picture[:, -2 * width - 6 : -width - 6])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mask": np.full((4, *SHAPE), 3, np.uint8)}, r"train: a mask has the value 3; pixels must be 0..2"),
        ({"mask": np.full((4, *SHAPE), IGNORED, np.uint8)}, "train: all pixels of the masks are 255"),
        (
            {"mask": 255 * np.eye(*SHAPE, dtype=np.uint8)[None].repeat(4, axis=0)},
            "train: all pixels of the masks are 0 or 255, .* in masks of 0 and 255, write 1 for 255",
        ),
        ({"mask": np.zeros((4, 3, 3), np.uint8)}, r"there must be an array 'mask', uint8 \[n, 6, 5\]"),
        ({"mask": np.zeros((4, *SHAPE), np.int32)}, "it is int32"),
    ],
)
def test_masks_that_fit_nothing_are_refused_in_one_line(changes, message):
    with pytest.raises(ValueError, match=message) as error:
        Problem(Segmentation(), dataset(**changes))
    assert "\n" not in str(error.value)


def test_a_class_without_a_pixel_is_noted():
    masks = np.tile(np.array([0, 1], np.uint8), 60).reshape(4, *SHAPE)
    notes = Problem(Segmentation(), dataset(mask=masks)).notes
    assert "no pixel of the train masks is of the class edge" in notes
