"""Programs against the networks that they were made of."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from exported import random_variables
from jax import export
from spaces_of_all_kinds import IMAGE_SHAPE, example_spaces

from nas_jax.data.arrays import ArraySpec, Spec
from nas_jax.portable import make_predict, program_bytes
from nas_jax.spaces.chain import Chain
from nas_jax.tasks.classification import Classification

pytestmark = pytest.mark.usefixtures("compiled_quickly")

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)


def images(num, image_shape=IMAGE_SHAPE):
    return np.random.default_rng(num).integers(0, 256, (num, *image_shape), np.uint8)


def check(space, genome, image_shape):
    """The program answers what the network does to pixels that NumPy has normalised, whatever the batch."""
    network = space.network(genome, np.dtype(np.float32))
    variables = random_variables(network, image_shape)
    spec = Spec("images", {"image": ArraySpec(image_shape, "uint8")}, mean=MEAN, std=STD)
    predict = partial(make_predict(network, Classification(), spec), variables)
    program = export.deserialize(program_bytes(predict, spec.arrays["image"]))
    forward = jax.jit(partial(network.apply, train=False))
    for num in (1, 5):
        batch = images(num, image_shape)
        inputs = ((batch / 255 - np.array(MEAN)) / np.array(STD)).astype(np.float32)
        logits = forward(variables, jnp.asarray(inputs))
        assert np.ptp(logits) > 0.1  # otherwise any network would do
        np.testing.assert_allclose(program.call(batch), jax.nn.softmax(logits), atol=1e-5)
    return program


@pytest.mark.parametrize("name", ["chain", "nb201", "macro"])
def test_a_program_is_its_network_for_any_number_of_images(name, tmp_path):
    space = example_spaces(tmp_path)[name]
    program = check(space, space.sample(np.random.default_rng(2), 1)[0], IMAGE_SHAPE)
    assert program.platforms == ("cpu", "cuda")
    with pytest.raises(ValueError, match="uint8"):
        program.call(images(1).astype(np.float32))


@pytest.mark.parametrize("name", ["chain", "macro"])
def test_what_an_accelerator_exports_is_the_same_on_a_cpu(name, tmp_path, monkeypatch):
    """Layers take another form where the default device is no CPU."""
    space = example_spaces(tmp_path)[name]
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    check(space, space.sample(np.random.default_rng(2), 1)[0], IMAGE_SHAPE)


def test_filters_larger_than_the_map():
    """On a CPU their convolution is a matrix product of patches, whose shapes the unknown batch is part of."""
    space = Chain((4, 4, 3), 5, conv_sizes=(5,), conv_filters=(4,), fc_units=(8,))
    check(space, ("max", "conv5x5-4", "fc-8"), (4, 4, 3))


def test_filters_so_many_that_training_would_take_another_form():
    space = Chain((8, 8, 3), 5, conv_sizes=(3,), conv_filters=(32,), fc_units=(8,))
    check(space, ("conv3x3-32", "conv3x3-32", "fc-8"), (8, 8, 3))
