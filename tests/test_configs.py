"""Every config: plain data, locked, and each smoke variant builds its parts."""

import json

import numpy as np
import pytest
from run_configs import PATHS, SMOKE_CONFIGS, load_config

from nas_jax.parts import build_parts


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
@pytest.mark.parametrize("variant", ["full", "smoke"])
def test_is_locked_plain_data_and_documented(path, variant):
    config = load_config(path, variant)
    assert config.is_locked
    assert json.loads(json.dumps(config.to_dict()))
    assert f"--config=configs/{path.name}" in path.read_text()


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_an_unknown_variant_lists_the_choices(path):
    with pytest.raises(ValueError, match=r"variant 'huge': choose from full, .*smoke"):
        load_config(path, "huge")


@pytest.mark.parametrize("make_config", SMOKE_CONFIGS)
def test_smoke_variants_build(make_config, tmp_path):
    sections = make_config().to_dict()
    if sections.get("data", {}).get("name") == "tfds":  # needs a download; the rest is built as it stands
        sections["data"] = {"name": "synthetic", "image_shape": (32, 32, 3), "num_classes": 10}
    parts = build_parts(sections, tmp_path)
    genomes = parts.space.sample(np.random.default_rng(0), 3)
    assert parts.space.encode(genomes).shape[0] == 3


def test_the_numbers_of_the_pipeline_on_cifar10():
    config = load_config(next(path for path in PATHS if path.stem == "cifar10"), "full")
    assert (config.search.num_trials, config.finalists.num_candidates, config.finalists.num_finalists) == (
        100,
        1000,
        10,
    )
