"""The trial log: round trip, repair of a torn end, one writer."""

import dataclasses
import errno
import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nas_jax.errors import UserError
from nas_jax.store import TrialStore, read_trials
from nas_jax.trial import Prediction, Trial

TRIAL = Trial(0, ("conv3x3-16", ("nested", 1, 0.5), "fc-32"), "conv3x3-16, fc-32", "search", seed=7)
DONE = dataclasses.replace(
    TRIAL, status="finished", metrics={"val_accuracy": 0.5}, seconds={"compile": 1.0, "train": 2.0}
)
FINAL = dataclasses.replace(DONE, id=1, stage="final", predictions=(Prediction(0.6, 0.1),))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "trials.jsonl"


def fill(path, *trials):
    with TrialStore(path) as store:
        store.put(*trials)


def test_trials_come_back_as_they_were_and_the_last_line_of_an_id_counts(path):
    fill(path, TRIAL, DONE, FINAL)
    with TrialStore(path) as store:
        assert store.repaired is None
        assert store.trials() == [DONE, FINAL]
        assert store.trials("final") == [FINAL]
        assert store.next_id() == 2
    assert read_trials(path) == [DONE, FINAL]


def test_a_line_holds_the_documented_keys(path):
    fill(path, TRIAL)
    record = json.loads(path.read_text())
    assert {"id", "genome", "description", "status", "stage", "metrics", "seconds", "seed"} <= record.keys()
    assert record["metrics"] is None


def test_a_last_line_that_lacks_its_end_alone_is_kept(path):
    fill(path, TRIAL, FINAL)
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    assert read_trials(path) == [TRIAL, FINAL]
    with TrialStore(path) as store:
        assert store.repaired is None
        assert store.trials() == [TRIAL, FINAL]
        store.put(DONE)
    assert path.read_bytes().startswith(content)
    assert read_trials(path) == [DONE, FINAL]


@pytest.mark.parametrize("num_missing", [2, 3, 30])
def test_a_torn_last_line_is_cut_off_and_reported(path, num_missing):
    fill(path, TRIAL, FINAL)
    content = path.read_bytes()
    path.write_bytes(content[:-num_missing])
    assert read_trials(path) == [TRIAL]
    with TrialStore(path) as store:
        assert "cut off" in store.repaired
        assert store.trials() == [TRIAL]
        store.put(FINAL)
    assert read_trials(path) == [TRIAL, FINAL]
    assert path.read_bytes().count(b"\n") == 2


@pytest.mark.parametrize("place", [1, 2])
@pytest.mark.parametrize("damaged", ["{oops}\n", '{"id": 7}\n', "\n"])
def test_a_damaged_whole_line_is_named_and_nothing_is_cut_off(path, place, damaged):
    fill(path, TRIAL, FINAL)
    lines = path.read_text().splitlines(keepends=True)
    lines.insert(place, damaged)
    path.write_text("".join(lines))
    with pytest.raises(UserError, match=f"line {place + 1}"):
        TrialStore(path)
    assert path.read_text() == "".join(lines)


def test_a_second_process_is_refused_and_the_first_one_leaves_the_lock_behind_when_it_dies(path):
    program = f"""
from pathlib import Path
from nas_jax.errors import UserError
from nas_jax.store import TrialStore
try:
    TrialStore(Path({str(path)!r}))
except UserError as error:
    print(error)
else:
    print("opened")
"""

    def second_process():
        return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    with TrialStore(path):
        assert "another process is working in" in second_process()
    assert second_process() == "opened\n"


def test_a_workdir_that_cannot_be_written_is_a_user_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="choose another folder"):
        TrialStore(tmp_path / "file" / "trials.jsonl")


def test_a_file_system_without_locks_is_a_user_error(path, monkeypatch):
    def refuse(file, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(UserError, match=r"is on a file system without locks \(No locks available\)"):
        TrialStore(path)


def test_a_store_in_memory(tmp_path):
    store = TrialStore()
    store.put(TRIAL, FINAL)
    store.put(DONE)
    assert store.trials("search") == [DONE]


def test_a_log_that_is_no_longer_there_is_one_line_and_takes_nothing_more(path, tmp_path):
    """Removed with its folder, replaced by another file, below a file, and moved away; what was moved can come back."""
    elsewhere = tmp_path / "elsewhere"
    with TrialStore(path) as store:
        store.put(TRIAL)
        content = path.read_bytes()
        path.parent.rename(elsewhere)
        for replace in (lambda: None, path.parent.touch, lambda: (path.parent.unlink(), fill(path, FINAL))):
            replace()
            with pytest.raises(UserError, match=f"{path} was removed, moved or replaced") as error:
                store.put(DONE)
            assert "\n" not in str(error.value)
            assert store.trials() == [TRIAL]
            assert (elsewhere / path.name).read_bytes() == content
        assert read_trials(path) == [FINAL]
        shutil.rmtree(path.parent)
        elsewhere.rename(path.parent)
        store.put(DONE)
        shutil.rmtree(path.parent)
        with pytest.raises(UserError, match="was removed, moved or replaced"):
            store.put(FINAL)
        assert store.trials() == [DONE]


def test_a_log_is_found_from_another_folder(tmp_path, monkeypatch):
    """A program may change its folder while it searches."""
    monkeypatch.chdir(tmp_path)
    with TrialStore(Path("run") / "trials.jsonl") as store:
        store.put(TRIAL)
        monkeypatch.chdir("/")
        store.put(FINAL)
    assert read_trials(tmp_path / "run" / "trials.jsonl") == [TRIAL, FINAL]


def test_a_full_disk_is_one_line_and_leaves_the_log_as_it_was(tmp_path):
    """A limit on the size of files stands in for the disk: a process must not be able to write a part of a line."""
    program = (
        "import resource, signal, sys\nfrom pathlib import Path\nfrom nas_jax.errors import UserError\n"
        "from nas_jax.store import TrialStore\nfrom nas_jax.trial import Trial\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "with TrialStore(Path(sys.argv[1])) as store:\n"
        "    try:\n        for id in range(100):\n            store.put(Trial(id, ('a',), 'a', 'search', 0))\n"
        "    except UserError as error:\n        print(len(store.trials()), error)\n"
    )
    path = tmp_path / "trials.jsonl"
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    num_stored, _, message = done.stdout.partition(" ")
    assert "what was measured is kept" in message
    assert str(path) in message
    assert path.read_bytes().endswith(b"}\n")
    assert len(read_trials(path)) == int(num_stored) > 1


def fill_up(store):
    for id in range(1000):
        store.put(dataclasses.replace(TRIAL, id=id))


@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="only root may mount a file system")
def test_a_disk_that_is_full_in_fact(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", disk], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        with TrialStore(disk / "trials.jsonl") as store, pytest.raises(UserError, match="no space is left"):
            fill_up(store)
        assert len(read_trials(disk / "trials.jsonl")) == len(store.trials()) > 10
    finally:
        subprocess.run(["umount", disk], check=True)
