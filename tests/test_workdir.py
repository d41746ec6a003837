"""What a run leaves beside its log."""

import json

import pytest

from nas_jax.errors import UserError
from nas_jax.workdir import claim_workdir

CONFIG = {"seed": 0, "space": {"name": "chain", "conv_sizes": (3, 5)}}


def test_the_same_config_may_come_back(tmp_path):
    claim_workdir(tmp_path, CONFIG)
    claim_workdir(tmp_path, CONFIG)
    assert json.loads((tmp_path / "config.json").read_text())["space"]["conv_sizes"] == [3, 5]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({**CONFIG, "seed": 1}, r"\(seed: 0 there, 1 here\)"),
        ({"seed": 0, "space": {"name": "chain", "conv_sizes": (3,)}}, r"space.conv_sizes: \[3, 5\] there, \[3\] here"),
        ({"seed": 0}, "space: .* there, None here"),
    ],
)
def test_another_config_is_refused_and_changes_nothing(tmp_path, config, message):
    claim_workdir(tmp_path, CONFIG)
    before = (tmp_path / "config.json").read_bytes()
    with pytest.raises(UserError, match=message):
        claim_workdir(tmp_path, config)
    assert (tmp_path / "config.json").read_bytes() == before


def test_the_environment_says_what_made_the_numbers(tmp_path):
    claim_workdir(tmp_path, CONFIG)
    environment = json.loads((tmp_path / "environment.json").read_text())
    assert environment["versions"]["jax"]
    assert environment["devices"]
    assert {"git_revision", "command", "python", "platform", "num_cpus"} <= environment.keys()
