"""Reading through TensorFlow Datasets, from a tiny set that is prepared on the spot, and what can go wrong."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow_datasets
from tiny_images import picture

from nas_jax.data.arrays import split_indices
from nas_jax.data.tfds import Tfds
from nas_jax.errors import UserError

HAS_TENSORFLOW = importlib.util.find_spec("tensorflow") is not None
SHARED = Path(__file__).parents[3] / "shared" / "tensorflow_datasets"


@pytest.mark.parametrize(("config", "channels"), [("plain", 3), ("gray", 1), ("validation", 3)])
def test_every_example_arrives_intact_and_once(tiny_dir, config, channels):
    dataset = Tfds(f"tiny_images/{config}", tiny_dir, num_val=8).load()
    assert dataset.class_names == ("ant", "bee", "cow")
    assert dataset.spec.image_shape == (6, 5, channels)
    indices = [split["image"][:, 0, 0, 0].tolist() for split in (dataset.train, dataset.val, dataset.test)]
    assert [len(part) for part in indices] == [32, 8, 20]
    assert sorted(indices[0] + indices[1]) == list(range(40))
    assert sorted(indices[2]) == list(range(40, 60))
    for split in (dataset.train, dataset.val, dataset.test):
        for image, label in zip(split["image"], split["label"], strict=True):
            np.testing.assert_array_equal(image, picture(image[0, 0, 0], channels))
            assert label == image[0, 0, 0] % 3


def test_another_process_reads_it_from_the_environments_folder_without_tensorflow(tiny_dir):
    program = (
        "import sys; from nas_jax.data.tfds import Tfds; dataset = Tfds('tiny_images/plain', num_val=8).load(); "
        "print(len(dataset.train['label']), 'tensorflow' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TFDS_DATA_DIR": tiny_dir},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.split() == ["32", "False"]
    assert not result.stderr


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dataset": "tiny_images/ragged"}, r"images differ in size, \(\d, 5, 3\) and \(\d, 5, 3\)"),
        ({"dataset": "tiny_images/train_only"}, "has no split test or validation; it has train, extra"),
        ({"dataset": "tiny_images/unsupervised"}, "is no image classification set.* None of pixels, species"),
        ({"dataset": "tiny_images/unlabelled"}, "examples without a label"),
        ({"dataset": "tiny_images/plain", "num_train": 33}, "num_train: 33 asked for, .*; use at most 32"),
        ({"dataset": "tiny_imagse"}, "TensorFlow Datasets has no 'tiny_imagse'; see tiny_images"),
        ({"dataset": "tiny_images/none"}, "'tiny_images/none': ValueError: .*BuilderConfig none not found"),
        ({"dataset": "tiny images"}, "'tiny images': ValueError: Parsing builder name string tiny images failed"),
    ],
)
def test_what_the_user_must_fix_is_one_line(tiny_dir, settings, message):
    with pytest.raises(UserError, match=message) as error:
        Tfds(**{"data_dir": tiny_dir, "num_val": 8, **settings}).load()
    assert "\n" not in str(error.value)


def test_another_file_format_is_the_users_to_fix(tiny_dir, tmp_path):
    shutil.copytree(Path(tiny_dir) / "tiny_images", tmp_path / "tiny_images")
    path = tmp_path / "tiny_images" / "plain" / "1.0.0" / "dataset_info.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "fileFormat": "tfrecord"}))
    with pytest.raises(UserError, match=r"is stored as tfrecord.*--config\.data\.data_dir"):
        Tfds("tiny_images/plain", str(tmp_path), num_val=8).load()


@pytest.mark.skipif(HAS_TENSORFLOW, reason="with TensorFlow the data set would be prepared")
def test_an_unprepared_data_set_names_the_command(tmp_path):
    with pytest.raises(UserError) as error:
        Tfds("tiny_images/never", str(tmp_path)).load()
    assert str(error.value) == (
        f'tiny_images/never is not prepared in {tmp_path}; preparing it needs TensorFlow: run "pip install '
        "'nas_jax[prepare]'\" (from a clone: pip install -e '.[prepare]') and start again, or point "
        "--config.data.data_dir at a prepared copy"
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not HAS_TENSORFLOW, reason="preparing needs TensorFlow")
def test_an_unprepared_data_set_is_prepared(tmp_path):
    assert len(Tfds("tiny_images/never", str(tmp_path), num_val=8).load().train["label"]) == 32


@pytest.mark.skipif(not SHARED.exists(), reason="no prepared CIFAR-10 beside the checkout")
def test_cifar10_as_tfds_itself_decodes_it():
    dataset = Tfds("cifar10", str(SHARED), num_train=64, num_val=32, num_test=32).load()
    assert dataset.spec.image_shape == (32, 32, 3)
    assert dataset.class_names[:3] == ("airplane", "automobile", "bird")
    indices = split_indices(50000, 10000, num_train=64, num_val=5000)
    examples = tensorflow_datasets.data_source("cifar10", split="train", data_dir=str(SHARED))
    for index, image, label in zip(indices.train, dataset.train["image"], dataset.train["label"], strict=True):
        np.testing.assert_array_equal(examples[int(index)]["image"], image)
        assert examples[int(index)]["label"] == label
