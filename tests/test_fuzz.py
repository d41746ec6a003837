"""Inputs at random, a few of each kind; experiments/fuzz tries thousands. Each is read, or refused with a message."""

import contextlib
import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nas_jax.best_file import FIELDS
from nas_jax.errors import UserError
from nas_jax.hints import check_type
from nas_jax.json_files import read_json
from nas_jax.pictures import open_picture
from nas_jax.record import read_record
from nas_jax.spaces.names import find_genome
from nas_jax.spaces.nb201 import NasBench201
from nas_jax.store import read_trials

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
SPACE = NasBench201((8, 8, 1), 10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@settings(max_examples=50)
@given(content=st.binary(max_size=50) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_an_object_or_refused(folder, content):
    path = folder / "any.json"
    path.write_bytes(content)
    with contextlib.suppress(UserError):
        assert json.dumps(read_json(path, FIELDS)) == json.dumps(json.loads(content))


@settings(max_examples=50)
@given(
    name=st.sampled_from(("id", "genome", "stage", "status", "metrics", "seconds", "budget", "predictions")),
    value=VALUES,
)
def test_a_trial_has_fields_of_its_types_or_is_refused(folder, name, value):
    record = {"id": 0, "genome": ["a"], "description": "a", "stage": "search", "seed": 1, name: value}
    path = folder / "trials.jsonl"
    path.write_text(json.dumps(record) + "\n")
    with contextlib.suppress(UserError):
        (trial,) = read_trials(path)
        assert isinstance(trial.id, int)
        assert isinstance(trial.genome, tuple)
        assert trial.status in ("pending", "finished", "failed")
        assert trial.metrics is None or isinstance(trial.metrics, dict)


@settings(max_examples=50)
@given(text=st.text(max_size=40) | VALUES.map(json.dumps) | st.just('["none"' + "]" * 300))
def test_any_text_is_a_genome_that_describes_itself_so_or_refused(text):
    with contextlib.suppress(UserError):
        genome = find_genome(SPACE, text, "--genome")
        assert find_genome(SPACE, SPACE.describe(genome), "--genome") == genome


@settings(max_examples=50)
@given(data=st.data())
def test_a_damaged_picture_has_the_right_shape_or_is_refused(folder, data):
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((9, 9)).save(buffer, data.draw(st.sampled_from(("PNG", "TIFF", "JPEG", "GIF"))))
    content = bytearray(buffer.getvalue())
    for _ in range(3):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = folder / "picture"
    path.write_bytes(bytes(content))
    with contextlib.suppress(UserError):
        assert open_picture(path, (5, 4, 3)).pixels.shape == (5, 4, 3)


@pytest.mark.parametrize(
    ("hint", "right", "wrong"),
    [
        (int, [0, -1], [True, 1.0, "1", None]),
        (float, [0.5, 1, float("inf")], [True, "0.5", None, 10**400]),
        (float | None, [None, 0.5], ["x", []]),
        (tuple[int, ...], [(), [1, 2]], [(1, "a"), 5, "12"]),
        (tuple[int, int], [(1, 2)], [(1,), (1, 2, 3)]),
        (dict[str, float], [{}, {"a": 1}], [[], {"a": "b"}]),
    ],
)
def test_types_are_told_apart(hint, right, wrong):
    for value in right:
        check_type(value, hint, "x")
    for value in wrong:
        with pytest.raises(ValueError, match="x: must be "):
            check_type(value, hint, "x")


@pytest.mark.parametrize("name", ["config.json", "environment.json", "best/metrics.json"])
@pytest.mark.parametrize("content", [b'{"seed": ', b"", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_file_of_a_run_is_named(tmp_path, name, content):
    (tmp_path / "best").mkdir()
    for each in ("config.json", "best/metrics.json"):
        (tmp_path / each).write_text("{}")
    (tmp_path / "environment.json").write_text('{"format": 2}')
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=f"{name}' is damaged: .*bring back an earlier copy"):
        read_record(tmp_path)
