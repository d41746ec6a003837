"""Training one network: against closed forms, and for what must not depend on how it is run."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from nas_jax.data.arrays import load
from nas_jax.data.synthetic import Synthetic
from nas_jax.layers import ConvBlock
from nas_jax.tasks import classification
from nas_jax.train.checkpoint import load_variables, save_variables
from nas_jax.train.fit import NonFiniteLossError, compile_epoch, compile_evaluation, fit, measure
from nas_jax.train.recipe import Recipe, make_optimizer, make_schedule
from nas_jax.train.step import TrainState, initialize, make_train_step

DATASET = load(Synthetic(num_train=96, num_val=50, num_test=30, pad=1, flip=True))
RECIPE = Recipe(num_epochs=3, batch_size=32, learning_rate=0.05)


class Small(nn.Module):
    """A convolution with batch normalisation, and a classifier."""

    num_classes: int = 4

    @nn.compact
    def __call__(self, x, train=False):
        x = ConvBlock(8, 3)(x, train)
        return nn.Dense(self.num_classes)(x.reshape(x.shape[0], -1))


def leaves_equal(a, b):
    return jax.tree.all(jax.tree.map(lambda x, y: bool(np.array_equal(x, y)), a, b))


def make_state(recipe=RECIPE, seed=0):
    optimizer = make_optimizer(recipe, steps_per_epoch=3)
    variables = initialize(Small(), DATASET.image_shape, seed)
    state = TrainState(jnp.zeros((), jnp.int32), variables, optimizer.init(variables["params"]))
    return optimizer, state


def test_initial_variables_have_the_shapes_of_flax_and_the_variance_of_he():
    class Wide(nn.Module):
        @nn.compact
        def __call__(self, x, train=False):
            return nn.Dense(400)(ConvBlock(200, 3)(x, train))

    ours = initialize(Wide(), (8, 8, 3), seed=0)
    theirs = Wide().init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)), train=False)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), ours) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), theirs
    )
    for module, fan_in in (("ConvBlock_0", 27), ("Dense_0", 200)):
        kernel = np.asarray(ours["params"][module]["kernel"])
        assert kernel.var() == pytest.approx(2 / fan_in, rel=0.05)
        assert abs(kernel.mean()) < 3 * np.sqrt(2 / fan_in / kernel.size)
    np.testing.assert_array_equal(ours["params"]["ConvBlock_0"]["BatchNorm_0"]["scale"], 1.0)
    np.testing.assert_array_equal(ours["batch_stats"]["ConvBlock_0"]["BatchNorm_0"]["var"], 1.0)


def test_learning_rate_rises_linearly_and_falls_as_a_cosine():
    schedule = make_schedule(Recipe(num_epochs=10, learning_rate=0.4, warmup_epochs=2.0), steps_per_epoch=5)
    np.testing.assert_allclose([schedule(step) for step in (0, 5, 10, 30, 50)], [0, 0.2, 0.4, 0.2, 0], atol=1e-6)


def test_weight_decay_shrinks_kernels_only():
    recipe = replace(RECIPE, weight_decay=0.1, warmup_epochs=0.0, momentum=0.0)
    optimizer, state = make_state(recipe)
    params = jax.tree.map(jnp.ones_like, state.variables["params"])
    gradients = jax.tree.map(jnp.zeros_like, params)
    updates, _ = optimizer.update(gradients, optimizer.init(params), params)
    for path, leaf in jax.tree_util.tree_leaves_with_path(updates):
        expected = -recipe.learning_rate * 0.1 if path[-1].key == "kernel" else 0.0
        np.testing.assert_allclose(leaf, expected, rtol=1e-6)


def test_smoothed_loss_in_closed_form():
    logits, labels = jnp.array([[2.0, 0.0, -1.0]]), jnp.array([1])
    log_p = np.asarray(jax.nn.log_softmax(logits))[0]
    expected = -(0.9 * log_p[1] + 0.1 * log_p.mean())
    np.testing.assert_allclose(classification.cross_entropy(logits, labels, 0.1)[0], expected, rtol=1e-6)


def test_a_step_is_nesterov_momentum_on_the_batch():
    """One step by hand, without augmentation: gradient g, velocity g, update -(momentum * g + g) * rate."""
    dataset = load(Synthetic(num_train=96, num_val=50, num_test=30, pad=0, flip=False))
    recipe = replace(RECIPE, warmup_epochs=0.0, weight_decay=0.0)
    optimizer, state = make_state(recipe)
    indices = np.arange(32, dtype=np.int32)
    images, labels = dataset.train
    after, loss = make_train_step(Small(), optimizer, recipe, dataset, 0)(
        state, jnp.asarray(images), jnp.asarray(labels), jnp.asarray(indices)
    )

    x = (images[:32] / 255.0 - np.array(dataset.mean)) / np.array(dataset.std)

    def loss_fn(params):
        variables = {**state.variables, "params": params}
        logits, _ = Small().apply(variables, jnp.asarray(x, jnp.float32), train=True, mutable=["batch_stats"])
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels[:32]).mean()

    expected_loss, gradients = jax.value_and_grad(loss_fn)(state.variables["params"])
    expected = jax.tree.map(lambda p, g: p - 0.05 * 1.9 * g, state.variables["params"], gradients)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-4)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), after.variables["params"], expected)
    assert not leaves_equal(after.variables["batch_stats"], state.variables["batch_stats"])


def test_one_batch_can_be_learned_by_heart_in_one_compilation():
    recipe = Recipe(num_epochs=60, batch_size=32, warmup_epochs=0.0, learning_rate=0.1, weight_decay=0.0)
    optimizer, state = make_state(recipe)
    step = make_train_step(Small(), optimizer, recipe, DATASET, 0)
    num_traces = 0

    def counted(*arguments):
        nonlocal num_traces
        num_traces += 1
        return step(*arguments)

    images, labels = map(jnp.asarray, DATASET.train)
    run_epoch = compile_epoch(counted, (state, images, labels), batches_shape=(60, 32), is_scanned=False)
    batches = np.tile(np.arange(32, dtype=np.int32), (60, 1))
    _, first = run_epoch(state, images, labels, batches[:1])
    _, state = make_state(recipe)
    state, _ = run_epoch(state, images, labels, batches)
    _, last = run_epoch(state, images, labels, batches[:1])
    assert num_traces == 1
    assert first > 1.0
    assert last < 0.1


def test_scanning_an_epoch_is_looping_over_it():
    results = []
    for is_scanned in (False, True):
        optimizer, state = make_state()
        step = make_train_step(Small(), optimizer, RECIPE, DATASET, seed=0)
        images, labels = map(jnp.asarray, DATASET.train)
        run_epoch = compile_epoch(step, (state, images, labels), (3, 32), is_scanned)
        results.append(run_epoch(state, images, labels, np.arange(96, dtype=np.int32).reshape(3, 32)))
    (looped, loss), (scanned, other_loss) = results
    assert loss == pytest.approx(other_loss, rel=1e-5)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), looped.variables, scanned.variables)


@pytest.mark.parametrize("num", [1, 50, 256, 300])
def test_evaluation_is_exact_for_any_number_of_examples(num):
    dataset = load(Synthetic(num_train=32, num_val=num, num_test=30))
    variables = initialize(Small(), dataset.image_shape, 0)
    x = (dataset.val.images / 255.0 - np.array(dataset.mean)) / np.array(dataset.std)
    logits = Small().apply(variables, jnp.asarray(x, jnp.float32), train=False)
    measured = compile_evaluation(Small(), RECIPE, dataset, variables)(variables, dataset.val)
    assert measured["accuracy"] == pytest.approx(np.mean(np.argmax(logits, -1) == dataset.val.labels))
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, dataset.val.labels)
    assert measured["loss"] == pytest.approx(float(losses.mean()), rel=1e-4)


def test_fit_learns_reports_each_epoch_and_repeats_itself():
    recipe = Recipe(num_epochs=6, batch_size=16, learning_rate=0.1)
    first, second, other = (fit(Small(), DATASET, recipe, seed) for seed in (1, 1, 2))
    assert first.metrics["val_accuracy"] > 0.9
    assert {name: len(values) for name, values in first.metrics["curve"].items()} == dict.fromkeys(
        ("train_loss", "val_loss", "val_accuracy"), 6
    )
    assert first.metrics["curve"]["val_accuracy"][-1] == first.metrics["val_accuracy"]
    assert first.metrics == second.metrics
    assert leaves_equal(first.variables, second.variables)
    assert first.metrics != other.metrics
    again = measure(Small(), first.variables, DATASET, recipe, "val")
    assert again == {name: first.metrics[name] for name in ("val_accuracy", "val_loss")}


def test_a_diverging_network_is_an_error_with_the_epoch():
    with pytest.raises(NonFiniteLossError, match=r"train_loss is (nan|inf) in epoch 1 of 3"):
        fit(Small(), DATASET, replace(RECIPE, learning_rate=1e30, warmup_epochs=0.0), seed=0)


def test_checkpoints_come_back_as_they_were_and_replace_each_other(tmp_path):
    first, second = (initialize(Small(), DATASET.image_shape, seed) for seed in (0, 1))
    save_variables(tmp_path / "network", first)
    assert leaves_equal(load_variables(tmp_path / "network"), first)
    save_variables(tmp_path / "network", second)
    assert leaves_equal(load_variables(tmp_path / "network"), second)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_epochs", 0),
        ("batch_size", 0),
        ("warmup_epochs", 3.0),
        ("learning_rate", float("nan")),
        ("label_smoothing", 1.0),
        ("momentum", 1.0),
        ("compute_dtype", "float8"),
    ],
)
def test_impossible_recipes_are_refused(field, value):
    with pytest.raises(ValueError, match=field):
        replace(RECIPE, **{field: value})


def test_bfloat16_trains_with_float32_parameters():
    trained = fit(Small(), DATASET, replace(RECIPE, compute_dtype="bfloat16"), seed=0)
    assert {leaf.dtype for leaf in jax.tree.leaves(trained.variables)} == {np.dtype(np.float32)}
    assert np.isfinite(trained.metrics["val_loss"])
