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
        ({**CONFIG, "seed": False}, r"\(seed: 0 there, False here\)"),
    ],
)
def test_another_config_is_refused_and_changes_nothing(tmp_path, config, message):
    claim_workdir(tmp_path, CONFIG)
    before = (tmp_path / "config.json").read_bytes()
    with pytest.raises(UserError, match=message):
        claim_workdir(tmp_path, config)
    assert (tmp_path / "config.json").read_bytes() == before


def test_what_an_earlier_version_did_not_have_counts_as_its_default(tmp_path):
    claim_workdir(tmp_path, CONFIG)
    later = {"seed": 0, "space": {**CONFIG["space"], "width": 2}}

    def completed(before):
        return {**before, "space": {"width": 1, **before["space"]}}

    with pytest.raises(UserError, match=r"\(space.width: 1 there, 2 here\)"):
        claim_workdir(tmp_path, later, completed=completed)
    later["space"]["width"] = 1
    claim_workdir(tmp_path, later, completed=completed)
    assert json.loads((tmp_path / "config.json").read_text())["space"]["width"] == 1


@pytest.mark.parametrize("wrap", [lambda value: [["r", value]], lambda value: [{"r": value}]])
def test_true_is_not_one_at_any_depth(tmp_path, wrap):
    claim_workdir(tmp_path, {"genes": wrap([0, 1, 2.0])})
    claim_workdir(tmp_path, {"genes": wrap([0, 1, 2])})
    with pytest.raises(UserError, match=r"genes: .*\[0, 1, 2\].* there, .*\[False, True, 2\].* here"):
        claim_workdir(tmp_path, {"genes": wrap([False, True, 2])})


def test_the_environment_says_what_made_the_numbers(tmp_path):
    claim_workdir(tmp_path, CONFIG)
    environment = json.loads((tmp_path / "environment.json").read_text())
    assert environment["versions"]["jax"]
    assert environment["devices"]
    assert {"git_revision", "command", "python", "platform", "num_cpus"} <= environment.keys()


def table_config(path):
    return {"seed": 0, "space": {"path": path}, "evaluator": {"path": path}, "finalists": {"evaluator": {}}}


def digests(*values):
    return dict(zip(("space.path", "evaluator.path", "finalists.evaluator.path"), values, strict=True))


def test_a_file_has_to_stay_the_same_and_may_move(tmp_path):
    claim_workdir(tmp_path, table_config("a.csv"), digests=digests("1", "1", "1"))
    claim_workdir(tmp_path, table_config("b.csv"), digests=digests("1", "1", "1"))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert json.loads(before["config.json"])["space"]["path"] == "b.csv"
    with pytest.raises(UserError, match=r"^'b.csv' has changed since the run in .* began with it"):
        claim_workdir(tmp_path, table_config("b.csv"), digests=digests("2", "2", "2"))
    with pytest.raises(UserError, match=r"evaluator.path: b.csv there, c.csv here; space.path"):
        claim_workdir(tmp_path, table_config("c.csv"), digests=digests("2", "2", "2"))
    with pytest.raises(UserError, match=r"^what finalists.evaluator.path stands for has changed"):
        claim_workdir(tmp_path, table_config("b.csv"), digests=digests("1", "1", "2"))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    claim_workdir(tmp_path, table_config("b.csv"), ("finalists",), digests("1", "1", "2"))
    claim_workdir(tmp_path, table_config("b.csv"), digests=digests("1", "1", "2"))


def test_damaged_digests_are_refused_in_one_line(tmp_path):
    claim_workdir(tmp_path, table_config("a.csv"), digests=digests("1", "1", "1"))
    (tmp_path / "files.json").write_text('{"space.pa')
    with pytest.raises(UserError, match=r"files.json' is damaged: .*; bring back an earlier copy"):
        claim_workdir(tmp_path, table_config("a.csv"), digests=digests("1", "1", "1"))


def test_a_field_may_be_changeable_and_not_its_section(tmp_path):
    claim_workdir(tmp_path, {"finalists": {"choice": "knee", "num_finalists": 3}})
    claim_workdir(tmp_path, {"finalists": {"choice": "min cost", "num_finalists": 3}}, ["finalists.choice"])
    with pytest.raises(UserError, match=r"finalists\.num_finalists: 3 there, 4 here"):
        claim_workdir(tmp_path, {"finalists": {"choice": "knee", "num_finalists": 4}}, ["finalists.choice"])
