"""Detection: what places learn, what is found, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nas_jax.data.arrays import Dataset
from nas_jax.data.digit_scenes import DigitScenes
from nas_jax.spaces.pyramid import Pyramid
from nas_jax.tasks.base import Classwise, Gathering, Problem, Showing
from nas_jax.tasks.dense_boxes import decode, focal, is_hit, places_of, targets_of
from nas_jax.tasks.detection import Detection
from nas_jax.train.variables import draw_variables, plan_variables

MAPS = [jnp.zeros((1, 8, 12, 6)), jnp.zeros((1, 4, 6, 6))]
PLACES = places_of(MAPS)


@jax.jit
def learned(boxes, labels):
    return targets_of(boxes, labels, PLACES)


def boxes_of(*corners):
    """In shares, of corners in places of the first map."""
    return np.array(corners, np.float32) / np.array([8, 12, 8, 12], np.float32)


def test_places_lie_in_the_middle_of_their_squares():
    assert len(PLACES.levels) == 8 * 12 + 4 * 6
    np.testing.assert_allclose(PLACES.centres[0], [0.5 / 8, 0.5 / 12])
    np.testing.assert_allclose(PLACES.centres[13], [1.5 / 8, 1.5 / 12])
    np.testing.assert_allclose(PLACES.centres[-1], [3.5 / 4, 5.5 / 6])


def test_a_box_is_learned_near_its_centre_on_the_map_of_its_size():
    """One of 2 x 5 places of the fine map; one too large for it, whose centre is at 1.75, 2.75 of the coarse one."""
    boxes = boxes_of((2, 3, 4, 8), (0, 0, 7, 11), (0, 0, 0, 0))
    found = learned(jnp.asarray(boxes), jnp.array([1, 0, -1], jnp.int32))
    labels = np.asarray(found.labels)
    fine, coarse = labels[:96].reshape(8, 12), labels[96:].reshape(4, 6)
    expected = np.full((8, 12), -1)
    expected[2:4, 4:7] = 1
    np.testing.assert_array_equal(fine, expected)
    expected = np.full((4, 6), -1)
    expected[0:3, 1:4] = 0
    np.testing.assert_array_equal(coarse, expected)
    np.testing.assert_array_equal(found.boxes[:96][fine.ravel() == 1], np.tile(boxes[0], (6, 1)))


def test_of_two_boxes_a_place_learns_the_smaller_one():
    """The larger one is learned at three times three places around its centre, less the four of the smaller one."""
    boxes = boxes_of((2, 2, 6.4, 6.4), (3, 3, 5, 5))
    found = learned(jnp.asarray(boxes), jnp.array([0, 1], jnp.int32))
    fine = np.asarray(found.labels)[:96].reshape(8, 12)
    expected = np.full((8, 12), -1)
    expected[3:6, 3:6] = 0
    expected[3:5, 3:5] = 1
    np.testing.assert_array_equal(fine, expected)


@pytest.mark.parametrize("side", [0.2, 0.6])
def test_the_smallest_box_has_a_place(side):
    rng = np.random.default_rng(0)
    for top, left in rng.uniform(0, 7, (30, 2)):
        boxes = boxes_of((top, left, top + side, left + side))
        found = learned(jnp.asarray(boxes), jnp.zeros(1, jnp.int32))
        assert (np.asarray(found.labels) >= 0).sum() >= 1


def test_what_is_learned_decodes_to_its_box():
    boxes = boxes_of((2, 3, 4, 7))
    found = learned(jnp.asarray(boxes), jnp.zeros(1, jnp.int32))
    place = int(np.flatnonzero(np.asarray(found.labels) == 0)[0])
    centre, side = np.tile(PLACES.centres[place], 2), np.tile(PLACES.sides[place], 2)
    distances = np.abs(boxes[0] - centre) / side
    raw = np.zeros((1, len(PLACES.levels), 4), np.float32)
    raw[0, place] = np.log(distances / 2)
    np.testing.assert_allclose(decode(jnp.asarray(raw), PLACES)[0, place], boxes[0], atol=1e-6)


def test_focal_loss_by_hand():
    """At a probability of .9 for what is there: .25 * .1**2 * -ln .9; for what is not: .75 * .9**2 * -ln .1."""
    logit = jnp.log(jnp.asarray(9.0))
    assert float(focal(logit, jnp.asarray(1.0))) == pytest.approx(0.25 * 0.01 * -np.log(0.9), rel=1e-5)
    assert float(focal(logit, jnp.asarray(0.0))) == pytest.approx(0.75 * 0.81 * -np.log(0.1), rel=1e-5)


def outputs_for(boxes, labels, num_classes):
    """Maps of a network that is sure of these boxes of each image."""
    logits = np.full((len(boxes), len(PLACES.levels), num_classes + 4), -9.0, np.float32)
    for image, (each, own) in enumerate(zip(boxes, labels, strict=True)):
        found = learned(jnp.asarray(each), jnp.asarray(own))
        for place in np.flatnonzero(np.asarray(found.labels) >= 0):
            centre, side = np.tile(PLACES.centres[place], 2), np.tile(PLACES.sides[place], 2)
            logits[image, place, int(found.labels[place])] = 4.0
            distances = np.abs(np.asarray(found.boxes[place]) - centre) / side
            logits[image, place, -4:] = np.log(np.maximum(distances, 1e-3) / 2)
    fine, coarse = logits[:, :96], logits[:, 96:]
    num = num_classes + 4
    return [jnp.asarray(fine.reshape(-1, 8, 12, num)), jnp.asarray(coarse.reshape(-1, 4, 6, num))]


def test_a_network_that_is_right_finds_each_box_once():
    boxes = np.stack(
        [boxes_of((1, 1, 4, 5), (3, 6, 7, 9), (0, 0, 0, 0)), boxes_of((0, 0, 8, 12), (0, 0, 0, 0), (0, 0, 0, 0))]
    )
    labels = np.array([[0, 1, -1], [1, -1, -1]], np.int32)
    task, outputs = Detection(max_detections=5), outputs_for(boxes, labels, 2)
    found = jax.device_get(jax.jit(task.predict)(outputs))
    assert (found["labels"] >= 0).sum(axis=1).tolist() == [2, 1]
    batch = {"boxes": jnp.asarray(boxes), "labels": jnp.asarray(labels)}
    scores, metric_sums = jax.jit(task.scores), jax.jit(task.metric_sums)
    np.testing.assert_allclose(scores(outputs, batch), 1)
    rows = jax.device_get(metric_sums(outputs, batch, jnp.ones(2, bool)))
    metrics = task.metrics(task.gather([rows, rows], 3), 3)
    assert metrics["map_50"] == metrics["map"] == 1
    np.testing.assert_array_equal(task.class_metrics(rows, 2)["ap_50"], [1, 1])
    wrong = {**batch, "labels": jnp.where(batch["labels"] >= 0, 1 - batch["labels"], -1)}
    np.testing.assert_allclose(scores(outputs, wrong), 0)


def test_hits_take_each_box_once():
    boxes = np.tile(boxes_of((1, 1, 4, 5)), (3, 1))
    hits = is_hit(jnp.asarray(boxes), jnp.array([0, 0, 1]), jnp.asarray(boxes[:2]), jnp.array([0, -1]))
    assert hits.tolist() == [True, False, False]


def test_a_few_scenes_are_learned_by_heart():
    data = DigitScenes("detection", 32, 2, 2, num_train=8, num_val=1, num_test=1).load()
    task, spec = Detection(), data.spec
    space = Pyramid(spec.image_shape, task.num_outputs(spec))
    network = space.network((8, 2, "conv", 3, 1, 4, 2, "add", 16, "shared", 1))
    batch = jax.tree.map(jnp.asarray, dict(data.train))
    inputs = task.inputs(batch, spec, jnp.float32)
    variables = jax.tree.map(jnp.asarray, draw_variables(plan_variables(network, inputs[:1]), 0))
    optimizer = optax.adam(0.01)

    def loss_fn(params, statistics):
        outputs, updated = network.apply({"params": params, **statistics}, inputs, True, mutable=["batch_stats"])
        return task.loss(outputs, batch).mean(), dict(updated)

    @jax.jit
    def step(params, statistics, state):
        (loss, statistics), gradients = jax.value_and_grad(loss_fn, has_aux=True)(params, statistics)
        updates, state = optimizer.update(gradients, state)
        return optax.apply_updates(params, updates), statistics, state, loss

    params, statistics = variables["params"], {"batch_stats": variables["batch_stats"]}
    state, losses = optimizer.init(params), []
    for _ in range(120):
        params, statistics, state, loss = step(params, statistics, state)
        losses.append(float(loss))
    assert losses[-1] < 0.3 * losses[0]

    @jax.jit
    def measure(params, statistics):
        outputs = network.apply({"params": params, **statistics}, inputs)
        return task.metric_sums(outputs, batch, jnp.ones(8, bool))

    rows = jax.device_get(measure(params, statistics))
    assert task.metrics(rows, 8)["map_50"] > 0.8


def dataset(**changes):
    image = np.random.default_rng(0).integers(0, 256, (2, 8, 12, 3), dtype=np.uint8)
    split = {"image": image, "boxes": np.stack([boxes_of((1, 1, 4, 5))] * 2), "labels": np.zeros((2, 1), np.int32)}
    return Dataset("cells", *[split | changes] * 3, class_names=("cell", "other"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"boxes": np.stack([boxes_of((4, 1, 1, 5))] * 2)}, "train: a box has no area; boxes are ymin, xmin"),
        ({"boxes": np.stack([8 * boxes_of((1, 1, 4, 5))] * 2)}, "boxes must be in shares"),
        ({"labels": np.full((2, 1), 2, np.int32)}, r"labels must lie in 0\.\.1"),
        ({"labels": np.full((2, 1), -1, np.int32)}, "no image has a box"),
        ({"labels": np.zeros((2, 2), np.int32)}, r"there must be an array 'labels', int32 \[n, 1\]"),
    ],
)
def test_boxes_that_cannot_be_learned_are_refused_in_one_line(changes, message):
    with pytest.raises(ValueError, match=message) as error:
        Problem(Detection(), dataset(**changes))
    assert "\n" not in str(error.value)


def test_it_shows_boxes_with_names():
    task, data = Detection(), dataset()
    assert isinstance(task, Showing)
    assert isinstance(task, Classwise)
    assert isinstance(task, Gathering)
    assert "no box of the val images is of the class other" in Problem(task, data).notes
    example = {name: array[0] for name, array in data.test.items()}
    prediction = {"boxes": example["boxes"], "scores": np.array([0.9], np.float32), "labels": np.zeros(1, np.int32)}
    assert task.describe(prediction, data.spec) == ["cell  0.90  rows 1 to 4 of 8, columns 1 to 5 of 12"]
    shown = task.show(example, prediction, data.spec)
    assert shown.lines[1] == "1 of 1 boxes found, and 0 that are not there"
    alone = task.show({"image": example["image"]}, {**prediction, "scores": np.array([0.1], np.float32)}, data.spec)
    assert alone.lines == ("nothing found",)
    factor = alone.picture.shape[0] // 8
    np.testing.assert_array_equal(alone.picture[::factor, ::factor], example["image"])
    assert shown.picture.shape[1] > 2 * alone.picture.shape[1]
