"""Every config: plain data, locked, and each smoke variant builds its parts."""

import dataclasses
import json

import numpy as np
import pytest
from ml_collections import ConfigDict
from run_configs import PATHS, SMOKE_CONFIGS, load_config

from nas_jax.build import find
from nas_jax.config import PARTS, complete
from nas_jax.parts import build_parts


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
@pytest.mark.parametrize("variant", ["full", "smoke"])
def test_is_plain_data_and_documented(path, variant):
    config = load_config(path, variant)
    assert json.loads(json.dumps(config.to_dict()))
    assert f"--config=configs/{path.name}" in path.read_text()


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_an_unknown_variant_lists_the_choices(path):
    with pytest.raises(ValueError, match=r"variant 'huge': choose from full, .*smoke"):
        load_config(path, "huge")


@pytest.mark.parametrize("make_config", SMOKE_CONFIGS)
def test_smoke_variants_build(make_config, tmp_path):
    config = make_config()
    if config.get("data") and config.data.name == "tfds":  # needs a download; the rest is built as it stands
        config.data = ConfigDict({"name": "synthetic", "image_shape": (32, 32, 3), "num_classes": 10})
    sections = complete(config).to_dict()
    parts = build_parts(sections, tmp_path)
    genomes = parts.space.sample(np.random.default_rng(0), 3)
    assert parts.space.encode(genomes).shape[0] == 3


def test_the_numbers_of_the_pipeline_on_cifar10():
    config = complete(load_config(next(path for path in PATHS if path.stem == "cifar10"), "full"))
    assert (config.search.num_trials, config.finalists.num_candidates, config.finalists.num_finalists) == (
        100,
        1000,
        10,
    )


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_no_config_says_again_what_a_part_says_already(path):
    """Of the sections that name a part: a field is there because it differs from the part's own default."""
    config = load_config(path, "full")
    for section, (package, _) in PARTS.items():
        given = config.get(section) or {}
        if given and section != "evaluator" and path.stem != "benchmark_table":
            make = find(package, given.to_dict())
            defaults = {field.name: field.default for field in dataclasses.fields(make)}
            repeated = [name for name, value in given.to_dict().items() if name in defaults and value == defaults[name]]
            assert repeated == [], section
