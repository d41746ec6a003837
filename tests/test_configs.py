"""Every config: plain data, locked, and each smoke variant builds its parts."""

import dataclasses
import json
import time

import numpy as np
import pytest
from ml_collections import ConfigDict
from run_configs import PATHS, SMOKE_CONFIGS, load_config

from nas_jax.build import find
from nas_jax.config import PARTS, complete
from nas_jax.parts import build_parts
from nas_jax.spaces.chain import Chain

CIFAR10 = next(path for path in PATHS if path.stem == "cifar10")


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
    config, one_shot = (complete(load_config(CIFAR10, variant)) for variant in ("full", "one_shot"))
    assert config.search.max_cost == one_shot.search.num_trials == 100
    assert (config.finalists.num_candidates, config.finalists.num_finalists) == (1000, 10)
    assert config.finalists == one_shot.finalists


def test_the_wide_space_is_quick_to_count_to_draw_from_and_to_describe():
    """By hand: a number of genomes that no enumeration could give in the time, and the reference's costs."""
    config = load_config(CIFAR10, "wide")
    fields = {name: value for name, value in config.space.to_dict().items() if name != "name"}
    space = Chain((32, 32, 3), 10, **fields)
    assert space.num_genomes == 4 * sum(num_feature_chains(num) for num in range(5, 11)) == 38_991_680
    reference = space.parse(config.finalists.reference)
    assert len(reference) == space.max_feature_layers
    convs = [(3, 64, 32), (64, 128, 32), (128, 256, 16), (256, 256, 16), (256, 256, 8), (256, 256, 8), (256, 256, 4)]
    flops = sum(2 * 9 * channels * filters * side**2 for channels, filters, side in convs) + 2 * 16 * 256 * 10
    assert space.cost(reference).flops == flops
    start = time.perf_counter()
    genomes = space.sample(np.random.default_rng(0), 1000)
    assert len(set(genomes)) == 1000
    assert np.isfinite(space.encode(genomes)).all()
    assert time.perf_counter() - start < 20  # measured: 0.1 s


def num_feature_chains(num: int, side: int = 32) -> int:
    """Chains of `num` layers: three convolutions, and two pools where the map is not yet a pixel.

    The last one is no average pool of a map whose side is a multiple of 8.
    """
    if num == 0:
        return 1
    pooled = num_feature_chains(num - 1, side // 2) if side > 1 else 0
    num_pools = 1 if num == 1 and side % 8 == 0 else 2
    return 3 * num_feature_chains(num - 1, side) + num_pools * pooled


@pytest.mark.parametrize(
    ("path", "variant"),
    [*(pytest.param(path, "full", id=path.stem) for path in PATHS), pytest.param(CIFAR10, "wide", id="cifar10-wide")],
)
def test_no_config_says_again_what_a_part_says_already(path, variant):
    """Of the sections that name a part: a field is there because it differs from the part's own default."""
    config = load_config(path, variant)
    for section, (package, _) in PARTS.items():
        given = config.get(section) or {}
        if given and section != "evaluator" and path.stem not in ("benchmark_table", "benchmark_curves"):
            make = find(package, given.to_dict())
            defaults = {field.name: field.default for field in dataclasses.fields(make)}
            repeated = [name for name, value in given.to_dict().items() if name in defaults and value == defaults[name]]
            assert repeated == [], section
