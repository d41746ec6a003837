"""Config sections to objects, and what a user reads when that fails."""

import json
import sys

import gpjax
import pytest
from fakes import Numbers

from nas_jax.build import build, section_of
from nas_jax.errors import UserError
from nas_jax.spaces.categorical import Categorical
from nas_jax.spaces.chain import Chain
from nas_jax.surrogates.calibrated import Calibrated
from nas_jax.surrogates.gaussian_process import GaussianProcess

SHAPE = {"image_shape": (8, 8, 1), "num_outputs": 10}


def test_a_section_names_a_module_and_its_fields():
    space = build("nas_jax.spaces", {"name": "chain", "conv_filters": (8,)}, **SHAPE)
    assert space == Chain((8, 8, 1), 10, conv_filters=(8,))


@pytest.mark.parametrize(
    ("package", "part"),
    [
        ("nas_jax.spaces", Chain((8, 8, 1), 10, conv_filters=(8,), min_feature_layers=1)),
        (
            "nas_jax.spaces",
            Categorical(genes={"op": ["a", "b"], "on": [True, False], "n": [2, 1]}, allowed=[("a", True, 1)]),
        ),
        ("nas_jax.surrogates", GaussianProcess(groups=("a", "a", "b"), kernel="rbf")),
        ("nas_jax.surrogates", Calibrated("random_forest")),
    ],
    ids=lambda part: part if isinstance(part, str) else type(part).__name__,
)
def test_a_part_becomes_a_section_that_makes_an_equal_one(package, part):
    section = section_of(package, part)
    assert build(package, json.loads(json.dumps(section))) == part
    assert build(package, section | {"name": f"{package}.{section['name']}"}) == part
    left_out = next(name for name in section if name != "name")
    assert left_out not in section_of(package, part, provided=(left_out,))


def test_what_is_no_plain_data_stands_there_by_its_class():
    assert section_of("nas_jax.spaces", Numbers(7)) == {"name": "fakes.Numbers", "num": 7}
    kernel = section_of("nas_jax.surrogates", GaussianProcess(kernel=gpjax.kernels.PoweredExponential()))["kernel"]
    assert "PoweredExponential" in json.dumps(kernel)


def test_lists_become_tuples_so_that_parts_hash():
    section = {"name": "chain", "conv_filters": [8, 16]}
    assert hash(build("nas_jax.spaces", section, **SHAPE)) == hash(Chain((8, 8, 1), 10, conv_filters=(8, 16)))


def test_what_the_part_does_not_want_is_not_handed_over():
    assert build("nas_jax.spaces", {"name": "chain"}, source=object(), **SHAPE) == Chain((8, 8, 1), 10)


def test_a_dotted_name_is_a_module_elsewhere(tmp_path, monkeypatch):
    (tmp_path / "my_lab.py").write_text(
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Mine:\n    size: int = 3\nmake = Mine\n"
    )
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "mine.py").write_text((tmp_path / "my_lab.py").read_text())
    monkeypatch.syspath_prepend(str(tmp_path))
    assert build("nas_jax.spaces", {"name": "lab.mine", "size": 5}, **SHAPE).size == 5
    sys.modules.pop("lab.mine")


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"name": "chian"}, "no part 'nas_jax.spaces.chian'; there are categorical, chain"),
        ({}, "no part 'nas_jax.spaces.None'"),
        ({"name": "base"}, "no part 'nas_jax.spaces.base'; there are categorical, chain"),
        ({"name": ".chain"}, "no part '.chain'"),
        ({"name": "nas_jax.trial.Genome"}, "no part 'nas_jax.trial.Genome'"),
        ({"name": "nowhere.at.all"}, "no part 'nowhere.at.all'"),
        ({"name": "chain", "filters": (8,)}, "'chain' has no field 'filters'; its fields are conv_filters, conv_sizes"),
        ({"name": "chain", "num_outputs": 3}, "has no field 'num_outputs'"),
        ({"name": "chain", "conv_sizes": (2,)}, "spaces 'chain': conv_sizes=.2,.: filter sizes have to be odd"),
    ],
)
def test_mistakes_are_user_errors_that_list_the_choices(section, message):
    with pytest.raises(UserError, match=message):
        build("nas_jax.spaces", section, **SHAPE)


def test_a_missing_value_is_named():
    with pytest.raises(UserError, match="needs a value for 'image_shape'"):
        build("nas_jax.spaces", {"name": "chain"})
