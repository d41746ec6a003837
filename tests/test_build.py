"""Config sections to objects, and what a user reads when that fails."""

import sys

import pytest

from nas_jax.build import build
from nas_jax.errors import UserError
from nas_jax.spaces.chain import Chain

SHAPE = {"image_shape": (8, 8, 1), "num_outputs": 10}


def test_a_section_names_a_module_and_its_fields():
    space = build("nas_jax.spaces", {"name": "chain", "conv_filters": (8,)}, **SHAPE)
    assert space == Chain((8, 8, 1), 10, conv_filters=(8,))


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
