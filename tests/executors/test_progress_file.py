"""Progress by way of a file: each whole line once, whatever a killed process or a full disk has left of others."""

import json
import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_jax.evaluators.base import Progress
from nas_jax.executors.progress_file import ProgressReader, append_progress

EPOCHS = [Progress(3, epoch, {"val_loss": 1 / epoch, "val_accuracy": 0.5}) for epoch in (1, 2, 3)]


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "progress")


def test_each_line_comes_once(path):
    reader = ProgressReader(path)
    assert reader.new() == []
    append_progress(path, EPOCHS[0])
    append_progress(path, EPOCHS[1])
    assert reader.new() == EPOCHS[:2]
    assert reader.new() == []
    append_progress(path, EPOCHS[2])
    assert reader.new() == EPOCHS[2:]


@given(st.lists(st.integers(0, 400), max_size=20))
def test_wherever_a_line_is_torn_its_rest_is_waited_for(tmp_path_factory, cuts):
    path = tmp_path_factory.mktemp("torn") / "progress"
    content = "".join(json.dumps(each._asdict()) + "\n" for each in EPOCHS).encode()
    reader, read = ProgressReader(str(path)), []
    for cut in [*sorted(cuts), len(content)]:
        path.write_bytes(content[:cut])
        read += reader.new()
        assert read == EPOCHS[: content[:cut].count(b"\n")]


def test_a_line_of_which_the_disk_took_a_part_is_left_out(path):
    append_progress(path, EPOCHS[0])
    with open(path, "ab") as file:
        file.write(b'{"trial": 3, "num_ep')
    append_progress(path, EPOCHS[1])
    append_progress(path, EPOCHS[2])
    assert ProgressReader(path).new() == [EPOCHS[0], EPOCHS[2]]


def test_a_full_disk_does_not_end_the_measurement(tmp_path):
    append_progress(str(tmp_path / "no_such_folder" / "progress"), EPOCHS[0])


@pytest.mark.parametrize("seconds", [0.0, 0.01, 0.05])
def test_what_a_killed_process_has_appended_is_read(path, seconds):
    """It is killed at any place of its writing: what is read begins with its first epoch and has no gap."""
    program = (
        "import sys\nfrom nas_jax.evaluators.base import Progress\n"
        "from nas_jax.executors.progress_file import append_progress\n"
        "print('ready', flush=True)\n"
        "for epoch in range(10**6):\n    append_progress(sys.argv[1], Progress(0, epoch, {'x' * 3000: 0.0}))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    with subprocess.Popen(
        [sys.executable, "-c", program, path], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(seconds)
        process.send_signal(signal.SIGKILL)
    epochs = [progress.num_epochs for progress in ProgressReader(path).new()]
    assert epochs == list(range(len(epochs)))
