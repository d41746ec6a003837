"""The tiny data set, prepared once for all tests."""

import pytest
from tiny_images import TinyImages


@pytest.fixture(scope="session")
def tiny_dir(tmp_path_factory):
    """A data folder with every config prepared, except for "never"."""
    folder = str(tmp_path_factory.mktemp("tfds"))
    for config in TinyImages.BUILDER_CONFIGS:
        if config.name != "never":
            TinyImages(config=config, data_dir=folder).download_and_prepare(file_format="array_record")
    return folder
