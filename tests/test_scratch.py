"""Folders for a while: removed at the end, or by the next process where theirs was killed."""

import os
import signal
import subprocess
import sys
import tempfile

import pytest

from nas_jax.scratch import clear_dead_folders, scratch_folder, temporary_files_in

HOLD = """
import sys
from nas_jax.scratch import scratch_folder
with scratch_folder("held") as folder:
    (folder / "data").mkdir()
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with temporary_files_in(tmp_path):
        yield tmp_path


def hold():
    process = subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    return process, process.stdout.readline().strip()


def test_a_folder_is_removed_at_the_end_and_after_a_failure(temporary):
    def fail():
        with scratch_folder("kind") as folder:
            assert folder.parent == temporary
            assert folder.name.startswith("nas_jax_kind_")
            (folder / "deep").mkdir()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(temporary.iterdir()) == []


def test_what_a_killed_process_left_is_cleared_and_what_a_living_one_holds_is_not(temporary):
    killed, left = hold()
    living, held = hold()
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert os.path.isdir(left)
    with scratch_folder("kind") as folder:
        assert sorted(map(str, temporary.iterdir())) == sorted([held, str(folder)])
    living.communicate()
    assert list(temporary.iterdir()) == []


def test_folders_that_hold_no_lock_are_left_alone(temporary):
    (temporary / "nas_jax_my_things").mkdir()
    (temporary / "nas_jax_file_1").write_text("mine")
    clear_dead_folders(temporary)
    assert {path.name for path in temporary.iterdir()} == {"nas_jax_my_things", "nas_jax_file_1"}


def test_two_folders_of_one_process_live_side_by_side(temporary):
    with scratch_folder("kind") as first, scratch_folder("kind") as second:
        assert first != second
        assert first.is_dir()


def test_a_library_s_temporary_files_go_where_they_are_removed(temporary):
    with scratch_folder("kind") as folder, temporary_files_in(folder):
        assert tempfile.mkdtemp().startswith(str(folder))
    assert tempfile.gettempdir() == str(temporary)
    assert list(temporary.iterdir()) == []
