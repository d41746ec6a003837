"""Training one network: against closed forms, and for what must not depend on how it is run."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
from flax import linen as nn

from nas_jax.data.synthetic import Synthetic
from nas_jax.errors import UserError
from nas_jax.evaluators.base import attempt
from nas_jax.layers import ConvBlock
from nas_jax.tasks.base import load_problem
from nas_jax.tasks.classification import Classification
from nas_jax.train.checkpoint import load_variables, save_variables
from nas_jax.train.evaluation import compile_validation, measure
from nas_jax.train.feeding import Resident
from nas_jax.train.fit import NonFiniteLossError, fit, fit_seeds, prepare, train
from nas_jax.train.parallel.placement import one_device
from nas_jax.train.recipe import Recipe, make_optimizer
from nas_jax.train.resident import training_arrays
from nas_jax.train.schedules import make_schedule
from nas_jax.train.step import (
    initial_state,
    layout_of,
    make_eval_step,
    make_forward,
    make_train_step,
)
from nas_jax.train.variables import initialize
from nas_jax.train.whole import compile_steps
from nas_jax.trial import Trial

pytestmark = pytest.mark.usefixtures("compiled_once")

PROBLEM = load_problem(Classification(), Synthetic(num_train=96, num_val=50, num_test=30, pad=1, flip=True))
DATASET = PROBLEM.dataset
RECIPE = Recipe(num_epochs=3, batch_size=32, learning_rate=0.05)


class Small(nn.Module):
    """A convolution with batch normalisation, and a classifier."""

    num_outputs: int = 4

    @nn.compact
    def __call__(self, x, train=False):
        x = ConvBlock(8, 3)(x, train)
        return nn.Dense(self.num_outputs)(x.reshape(x.shape[0], -1))


@pytest.mark.parametrize("is_full", [True, False])
def test_a_full_disk_under_a_checkpoint_is_no_lack_of_memory(tmp_path, monkeypatch, is_full):
    """TensorStore calls it exhausted resources, as XLA calls a device without memory."""
    said = (
        "RESOURCE_EXHAUSTED: Error writing file: No space left on device [os_error_code='28']" if is_full else "other"
    )

    def refuse(self, path, variables):
        raise ValueError(said)

    monkeypatch.setattr(ocp.StandardCheckpointer, "save", refuse)

    def measure(trial, report):
        save_variables(tmp_path / "finalists" / "3", {"params": {}})

    pending = Trial(3, (), "", "final", 0)
    if is_full:
        with pytest.raises(UserError, match=r"cannot write to .*finalists/3: .*what was measured is kept"):
            attempt(measure, pending)
    else:
        assert attempt(measure, pending).error == "ValueError: other"


def leaves_equal(a, b):
    return jax.tree.all(jax.tree.map(lambda x, y: bool(np.array_equal(x, y)), a, b))


def make_state(recipe=RECIPE, seed=0):
    optimizer = make_optimizer(recipe)
    return optimizer, initial_state(initialize(Small(), DATASET.spec.image_shape, seed), optimizer, seed)


LAYOUT = layout_of(initialize(Small(), DATASET.spec.image_shape, 0))


def make_step(optimizer, recipe=RECIPE, problem=PROBLEM):
    return make_train_step(Small(), LAYOUT, problem, recipe, optimizer)


def make_run(step, state, batches_shape, is_scanned=False, rate=0.05):
    """`(state, batches) -> (state, losses)`, with one learning rate."""
    run = compile_steps(step, one_device(), state, DATASET.train, batches_shape, is_scanned=is_scanned)
    feed = Resident(jax.tree.map(jnp.asarray, DATASET.train))
    return lambda state, batches: run(state, feed, batches, np.full(len(batches), rate, np.float32))


def assert_close(first, second, atol=1e-5):
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=atol), first, second)


def test_initial_variables_have_the_shapes_of_flax_and_the_variance_that_layers_say():
    class Wide(nn.Module):
        @nn.compact
        def __call__(self, x, train=False):
            return nn.Dense(400)(ConvBlock(200, 3)(x, train))

    ours = initialize(Wide(), (8, 8, 3), seed=0)
    theirs = Wide().init(jax.random.key(0), jnp.zeros((1, 8, 8, 3)), train=False)
    assert jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype), ours) == jax.tree.map(
        lambda leaf: (leaf.shape, leaf.dtype), theirs
    )
    # He's for ours, LeCun's for Flax's own.
    for module, variance in (("ConvBlock_0", 2 / 27), ("Dense_0", 1 / 200)):
        kernel = np.asarray(ours["params"][module]["kernel"])
        assert kernel.var() == pytest.approx(variance, rel=0.05)
        assert abs(kernel.mean()) < 3 * np.sqrt(variance / kernel.size)
    np.testing.assert_array_equal(ours["params"]["ConvBlock_0"]["BatchNorm_0"]["scale"], 1.0)
    np.testing.assert_array_equal(ours["batch_stats"]["ConvBlock_0"]["BatchNorm_0"]["var"], 1.0)


@pytest.mark.parametrize("is_packed", [False, True])
def test_steps_are_those_of_optax_and_weight_decay_is_of_kernels_only(is_packed):
    """Three steps beside optax's own stochastic gradient descent, which decays what its mask says."""
    recipe = replace(RECIPE, weight_decay=0.1, momentum=0.8)
    optimizer, rng = make_optimizer(recipe), np.random.default_rng(0)
    params = initialize(Small(), DATASET.spec.image_shape, 0)["params"]
    theirs = params
    mask = jax.tree_util.tree_map_with_path(lambda path, _: path[-1].key == "kernel", params)
    reference = optax.chain(optax.add_decayed_weights(0.1, mask), optax.sgd(0.05, momentum=0.8, nesterov=True))
    reference_state = reference.init(theirs)
    pack, unpack = (LAYOUT.params.pack, LAYOUT.params.unpack) if is_packed else (lambda tree: tree,) * 2
    ours, state = pack(params), optimizer.start(pack(params))
    for _ in range(3):
        gradients = jax.tree.map(lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), params)
        ours, state = optimizer.step(pack(gradients), state, ours, jnp.float32(0.05))
        updates, reference_state = reference.update(gradients, reference_state, theirs)
        theirs = optax.apply_updates(theirs, updates)
    assert_close(unpack(ours), theirs, atol=1e-6)


def test_a_training_begins_where_the_optimiser_says():
    optimizer, state = make_state()
    assert jax.tree.all(jax.tree.map(np.array_equal, optimizer.init(state.params), state.opt_state))


def test_packed_variables_come_back_as_they_were():
    rng = np.random.default_rng(0)
    variables = jax.tree.map(
        lambda leaf: rng.normal(size=leaf.shape).astype(np.float32), initialize(Small(), DATASET.spec.image_shape, 0)
    )
    variables["batch_stats"]["counts"] = {"seen": np.arange(3)}  # of another type
    layout = layout_of(variables)
    state = initial_state(variables, make_optimizer(RECIPE), 0)
    assert leaves_equal(layout.variables(state), variables)
    assert leaves_equal(jax.jit(layout.variables)(state), variables)
    assert len(jax.tree.leaves(state.params)) == 2
    kernels = [leaf.size for path, leaf in jax.tree_util.tree_leaves_with_path(variables) if path[-1].key == "kernel"]
    assert state.params["float32"]["kernel"].size == sum(kernels)


def test_a_step_is_nesterov_momentum_on_the_batch():
    """One step by hand, without augmentation: gradient g, velocity g, update -(momentum * g + g) * rate."""
    problem = load_problem(Classification(), Synthetic(num_train=96, num_val=50, num_test=30, pad=0, flip=False))
    recipe = replace(RECIPE, warmup_epochs=0.0, weight_decay=0.0)
    optimizer, state = make_state(recipe)
    indices = np.arange(32, dtype=np.int32)
    examples, spec = jax.tree.map(jnp.asarray, problem.dataset.train), problem.dataset.spec
    step = make_step(optimizer, recipe, problem)
    after, loss = jax.jit(step)(state, examples, jnp.asarray(indices), jnp.float32(0.05))
    before, after = (jax.tree.map(jnp.asarray, LAYOUT.variables(jax.device_get(each))) for each in (state, after))

    x = (problem.dataset.train["image"][:32] / 255.0 - np.array(spec.mean)) / np.array(spec.std)

    def loss_fn(params):
        variables = {**before, "params": params}
        logits, _ = Small().apply(variables, jnp.asarray(x, jnp.float32), train=True, mutable=["batch_stats"])
        return optax.softmax_cross_entropy_with_integer_labels(logits, examples["label"][:32]).mean()

    expected_loss, gradients = jax.jit(jax.value_and_grad(loss_fn))(before["params"])
    expected = jax.tree.map(lambda p, g: p - 0.05 * 1.9 * g, before["params"], gradients)
    np.testing.assert_allclose(loss, expected_loss, rtol=1e-4)
    assert_close(after["params"], expected)
    assert not leaves_equal(after["batch_stats"], before["batch_stats"])


def test_one_batch_can_be_learned_by_heart_in_one_compilation():
    recipe = Recipe(num_epochs=60, batch_size=32, warmup_epochs=0.0, learning_rate=0.1, weight_decay=0.0)
    optimizer, state = make_state(recipe)
    step = make_step(optimizer, recipe)
    num_traces = 0

    def counted(*arguments):
        nonlocal num_traces
        num_traces += 1
        return step(*arguments)

    run = make_run(counted, state, (60, 32), rate=0.1)
    _, losses = run(state, np.tile(np.arange(32, dtype=np.int32), (60, 1)))
    assert num_traces == 1
    assert losses[0] > 1.0
    assert losses[-1] < 0.1


def test_scanning_an_epoch_is_looping_over_it():
    results = []
    for is_scanned in (False, True):
        optimizer, state = make_state()
        run = make_run(make_step(optimizer), state, (3, 32), is_scanned)
        results.append(run(state, np.arange(96, dtype=np.int32).reshape(3, 32)))
    (looped, losses), (scanned, other_losses) = results
    np.testing.assert_allclose(losses, other_losses, rtol=1e-5)
    assert_close(looped.params, scanned.params)
    assert_close(looped.statistics, scanned.statistics)


@pytest.mark.parametrize("is_scanned", [False, True])
@pytest.mark.parametrize("num", [1, 256, 300])
def test_evaluation_is_exact_for_any_number_of_examples(num, is_scanned):
    problem = load_problem(Classification(), Synthetic(num_train=32, num_val=num, num_test=30))
    val, spec = problem.dataset.val, problem.dataset.spec
    variables = initialize(Small(), spec.image_shape, 0)
    x = (val["image"] / 255.0 - np.array(spec.mean)) / np.array(spec.std)
    logits = Small().apply(variables, jnp.asarray(x, jnp.float32), train=False)
    forward = make_forward(Small(), problem, RECIPE)
    step = make_eval_step(forward, problem.task)
    metrics = compile_validation(step, problem, variables, one_device(), is_scanned=is_scanned)(variables)
    (measured,) = measure(forward, [variables], problem, "val")
    hits = np.argmax(np.asarray(logits), -1) == val["label"]
    losses = np.asarray(optax.softmax_cross_entropy_with_integer_labels(logits, val["label"]))
    np.testing.assert_array_equal(measured.scores, hits)
    for found in (metrics, measured.metrics):
        assert found == {"val_accuracy": pytest.approx(hits.mean()), "val_loss": pytest.approx(losses.mean(), rel=1e-4)}


def test_fit_learns_reports_each_epoch_and_repeats_itself():
    recipe = Recipe(num_epochs=6, batch_size=16, learning_rate=0.1)
    first, second, other = (fit(Small(), PROBLEM, recipe, seed) for seed in (1, 1, 2))
    assert first.metrics["val_accuracy"] > 0.9
    assert {name: len(values) for name, values in first.metrics["curve"].items()} == dict.fromkeys(
        ("train_loss", "val_loss", "val_accuracy"), 6
    )
    assert first.metrics["curve"]["val_accuracy"][-1] == first.metrics["val_accuracy"]
    assert first.metrics == second.metrics
    assert leaves_equal(first.variables, second.variables)
    assert first.metrics != other.metrics
    (again,) = measure(make_forward(Small(), PROBLEM, recipe), [first.variables], PROBLEM, "val")
    assert again.metrics == pytest.approx(
        {name: first.metrics[name] for name in ("val_accuracy", "val_loss")}, rel=1e-5
    )


def test_each_epoch_is_told_as_soon_as_it_has_ended():
    told = []
    fits = train(prepare(Small(), PROBLEM, RECIPE), [4, 5], lambda *epoch: told.append(epoch))
    assert told == [
        (i + 1, {name: values[i] for name, values in fitted.metrics["curve"].items()})
        for fitted in fits
        for i in range(3)
    ]


def test_a_diverging_network_is_an_error_with_the_epoch():
    with pytest.raises(NonFiniteLossError, match=r"train_loss is (nan|inf) in epoch 1 of 3 with seed 5"):
        fit(Small(), PROBLEM, replace(RECIPE, learning_rate=1e30, warmup_epochs=0.0), seed=5)


@pytest.fixture(scope="module")
def single_fits():
    """Of the seeds 4, 5 and 6, one by one."""
    return [fit(Small(), PROBLEM, RECIPE, seed) for seed in (4, 5, 6)]


@pytest.fixture(scope="module")
def prepared():
    return prepare(Small(), PROBLEM, RECIPE)


def test_seeds_share_a_compilation_and_give_what_each_gives_alone(prepared, single_fits):
    together = train(prepared, [4, 5, 6])
    for alone, fitted in zip(single_fits, together, strict=True):
        assert fitted.metrics == alone.metrics
        assert leaves_equal(fitted.variables, alone.variables)
        assert fitted.seconds["compile"] > prepared.seconds / 3
    assert sum(fitted.seconds["compile"] for fitted in together) < 1.5 * prepared.seconds


def test_several_seeds_are_fitted_in_one_go(single_fits):
    fits = fit_seeds(Small(), PROBLEM, RECIPE, [4, 5])
    assert [fitted.metrics for fitted in fits] == [fitted.metrics for fitted in single_fits[:2]]
    with pytest.raises(ValueError, match="at least one"):
        fit_seeds(Small(), PROBLEM, RECIPE, [])


def test_the_program_of_a_training_depends_on_neither_seed_nor_schedule():
    optimizer, state = make_state(seed=3)
    longer, other = make_state(replace(RECIPE, num_epochs=40, learning_rate=0.3, warmup_epochs=2.0), seed=4)
    assert optimizer is longer
    step = jax.jit(make_step(optimizer))
    arguments = (jax.tree.map(jnp.asarray, DATASET.train), jnp.arange(32))
    texts = [step.lower(each, *arguments, jnp.float32(rate)).as_text() for each, rate in ((state, 0.1), (other, 0.3))]
    assert texts[0] == texts[1]
    same_variables = other._replace(params=state.params, statistics=state.statistics)
    losses = [step(each, *arguments, jnp.float32(0.1))[1] for each in (state, same_variables)]
    assert losses[0] != losses[1]  # images are moved otherwise


def test_what_fills_no_batch_is_trained_on_if_it_is_not_dropped():
    """Two batches of 40 and one of 16, by hand with plain steps."""
    recipe = replace(RECIPE, num_epochs=1, batch_size=40, warmup_epochs=0.0, drop_last=False)
    fitted = fit(Small(), PROBLEM, recipe, seed=2)
    optimizer, state = make_state(recipe, seed=2)
    step, rates = jax.jit(make_step(optimizer, recipe)), make_schedule(recipe, steps_per_epoch=3)
    order = np.random.default_rng((2, 0)).permutation(96)
    examples, total = jax.tree.map(jnp.asarray, DATASET.train), 0.0
    for number, indices in enumerate(np.split(order, [40, 80])):
        state, loss = step(state, examples, jnp.asarray(indices, jnp.int32), jnp.float32(rates(number)))
        total += float(loss) * len(indices)
    assert_close(fitted.variables, LAYOUT.variables(state))
    assert fitted.metrics["train_loss"] == pytest.approx(total / 96, rel=1e-5)


def test_one_device_is_not_several(single_fits):
    with pytest.raises(UserError, match=r"parallel=jit of the recipe: .*set execution=in_process for several"):
        fit(Small(), PROBLEM, replace(RECIPE, parallel="jit"), seed=4)
    explicit = fit(Small(), PROBLEM, replace(RECIPE, parallel="pmap", num_devices=1), seed=4)
    assert_close(explicit.variables, single_fits[0].variables)


def test_the_training_split_stays_on_the_device_from_one_training_to_the_next(prepared):
    training_arrays.cache_clear()
    train(prepared, [1])
    train(prepared, [2])
    assert training_arrays.cache_info().misses == 1
    jax.tree.map(np.testing.assert_array_equal, training_arrays(DATASET, one_device().replicated), DATASET.train)


def test_checkpoints_come_back_as_they_were_and_replace_each_other(tmp_path):
    first, second = (initialize(Small(), DATASET.spec.image_shape, seed) for seed in (0, 1))
    save_variables(tmp_path / "network", first)
    assert leaves_equal(load_variables(tmp_path / "network"), first)
    save_variables(tmp_path / "network", second)
    assert leaves_equal(load_variables(tmp_path / "network"), second)
    with pytest.raises(
        UserError, match=r"nowhere is gone, where a network that this run has trained was; bring it back"
    ):
        load_variables(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_epochs", 0),
        ("batch_size", 0),
        ("warmup_epochs", 3.0),
        ("learning_rate", float("nan")),
        ("momentum", 1.0),
        ("compute_dtype", "float8"),
        ("parallel", "threads"),
        ("num_devices", 2),  # of parallel="none"
        ("compilation", "never"),
    ],
)
def test_impossible_recipes_are_refused(field, value):
    with pytest.raises(ValueError, match=field):
        replace(RECIPE, **{field: value})


def test_bfloat16_trains_with_float32_parameters():
    trained = fit(Small(), PROBLEM, replace(RECIPE, compute_dtype="bfloat16"), seed=0)
    assert {leaf.dtype for leaf in jax.tree.leaves(trained.variables)} == {np.dtype(np.float32)}
    assert np.isfinite(trained.metrics["val_loss"])
