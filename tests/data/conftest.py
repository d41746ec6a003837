"""The tiny data set, prepared once for all tests."""

import pytest
from tiny_images import TinyImages, TinyScenes

from nas_jax.scratch import scratch_folder, temporary_files_in


@pytest.fixture(scope="session")
def tiny_dir(tmp_path_factory):
    """A data folder with every config prepared, except for "never"."""
    folder = str(tmp_path_factory.mktemp("tfds"))
    with scratch_folder("tfds") as scratch, temporary_files_in(scratch):
        for builder in (TinyImages, TinyScenes):
            for config in builder.BUILDER_CONFIGS:
                if config.name != "never":
                    builder(config=config, data_dir=folder).download_and_prepare(file_format="array_record")
    return folder
