"""Picture files of many kinds become images of a data set."""

from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from nas_jax.data.arrays import ArraySpec, Spec
from nas_jax.data.tokens import make_vocabulary
from nas_jax.errors import UserError
from nas_jax.export import Predictor
from nas_jax.predict import check_text, continuation, read_picture


def saved(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("shape", [(8, 6, 1), (8, 6, 3), (8, 6, 4)])
def test_an_image_of_the_data_set_comes_back_as_it_was(shape, tmp_path):
    image = noise(*shape)
    path = saved(tmp_path / "a.png", image.squeeze())
    np.testing.assert_array_equal(read_picture(path, shape), image)


def test_channels_are_converted(tmp_path):
    grey = noise(8, 6)
    path = saved(tmp_path / "grey.png", grey)
    np.testing.assert_array_equal(read_picture(path, (8, 6, 3)), np.stack([grey] * 3, axis=-1))
    coloured = np.zeros((8, 6, 3), np.uint8)
    coloured[..., 1] = 200  # green, of which luma has the share 0.587 (ITU-R 601-2)
    path = saved(tmp_path / "green.png", coloured)
    np.testing.assert_allclose(read_picture(path, (8, 6, 1)), 0.587 * 200, atol=1)


def test_other_sizes_are_resized_over_the_whole_picture(tmp_path):
    """Halving averages all of the picture, with no pixel left out as nearest neighbours would."""
    checkers = np.indices((32, 24)).sum(axis=0) % 2 * np.uint8(255)
    image = read_picture(saved(tmp_path / "a.png", checkers.astype(np.uint8)), (8, 6, 1))
    assert image.shape == (8, 6, 1)
    np.testing.assert_allclose(image, 127.5, atol=8)


def test_16_bits_are_scaled_and_not_clipped(tmp_path):
    grey = noise(8, 6)
    path = saved(tmp_path / "deep.png", grey.astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_picture(path, (8, 6, 1))[..., 0], grey)


def test_what_is_transparent_becomes_white(tmp_path):
    image = noise(8, 6, 4)
    image[..., 3] = 255
    image[:4, :, 3] = 0
    seen = read_picture(saved(tmp_path / "a.png", image), (8, 6, 3))
    np.testing.assert_array_equal(seen[:4], 255)
    np.testing.assert_array_equal(seen[4:], image[4:, :, :3])


def test_a_camera_held_sideways_is_turned_upright(tmp_path):
    image = noise(8, 6, 3)
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: to be turned clockwise by 90 degrees
    path = saved(tmp_path / "a.png", image, exif=exif)
    np.testing.assert_array_equal(read_picture(path, (6, 8, 3)), np.rot90(image, -1))


def test_files_that_are_no_pictures_are_named_with_the_reason(tmp_path):
    (tmp_path / "text.png").write_text("hello")
    whole = saved(tmp_path / "whole.png", noise(64, 64)).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    for name, reason in (
        ("text.png", "cannot be read"),
        ("cut.png", "cannot be read"),
        ("none.png", "there is no file"),
    ):
        with pytest.raises(UserError, match=f"{reason}.*{name}|{name}.*{reason}"):
            read_picture(tmp_path / name, (8, 8, 1))
    with pytest.raises(UserError, match="2 channels"):
        read_picture(tmp_path / "whole.png", (8, 8, 2))


@pytest.fixture
def parrot():
    """Stands for a language model: what follows is the token after the last one in the vocabulary."""
    vocabulary = make_vocabulary(["abcd"], "characters")
    spec = Spec("letters", {"tokens": ArraySpec((3,), "int32")}, vocabulary=vocabulary)
    following = np.eye(len(vocabulary), k=1, dtype=np.float32)
    predictor = Mock(spec=Predictor, input=spec.arrays["tokens"], predict=lambda tokens: following[tokens])
    predictor.spec = spec
    return predictor


def test_a_prompt_is_shown_as_the_network_gets_it(parrot):
    rng = np.random.default_rng(0)
    assert continuation(parrot, "Жab", 2, rng, temperature=0.01) == "[?]abcd"
    assert continuation(parrot, "bZa", 0, rng) == "b[?]a"


def test_a_text_that_is_no_unicode_is_refused_in_one_line():
    check_text("naïve 北京")
    with pytest.raises(UserError, match=r"is not in UTF-8, see its character 2"):
        check_text("a\udcff")
