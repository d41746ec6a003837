"""W&B's files of offline runs, read back record by record."""

import json
import struct

import pytest
from tracked_runs import (
    CLASHING,
    best_until_each,
    clashing_trials,
    later_trials,
    track,
    trials,
    trials_by_budgets,
    write_front_of,
)
from waiting import wait_for

from nas_jax.trackers.wandb import WandB

pb2 = pytest.importorskip("wandb.proto.wandb_internal_pb2")
DecodeError = pytest.importorskip("google.protobuf.message").DecodeError

TRIALS = list(trials())
TRACKERS = {"wandb": WandB(mode="offline")}
_BLOCK = 32768


def records(path):
    """The records of a .wandb file: a header of 7 bytes, then LevelDB's log format in blocks."""
    content, start, parts = path.read_bytes(), 7, []
    while start + 7 <= len(content):
        if _BLOCK - start % _BLOCK < 7:
            start += _BLOCK - start % _BLOCK
            continue
        _, size, kind = struct.unpack_from("<IHB", content, start)
        parts.append(content[start + 7 : start + 7 + size])
        start += 7 + size
        if kind in (1, 4):  # a whole record, or the last part of one
            yield pb2.Record.FromString(b"".join(parts))
            parts = []


def is_whole(path):
    """Whether the file of a run has its last record: W&B's own process writes it, after the run was closed here."""
    try:
        return [record.WhichOneof("record_type") for record in records(path)][-1:] == ["exit"]
    except (DecodeError, struct.error):
        return False


def read(workdir):
    """The rows and the ids of all offline runs."""
    rows, ids = [], set()
    for path in sorted(workdir.glob("wandb/offline-run-*/*.wandb")):
        wait_for(lambda path=path: is_whole(path))
        for record in records(path):
            if record.WhichOneof("record_type") == "run":
                ids.add(record.run.run_id)
            if record.WhichOneof("record_type") == "history":
                items = record.history.item
                rows.append({item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items})
    return rows, ids


@pytest.fixture(autouse=True)
def no_account(tmp_path, monkeypatch):
    for name in ("WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")


def test_each_trial_is_a_row_and_a_resumed_run_writes_none_again(tmp_path):
    track(TRACKERS, tmp_path, told=TRIALS[:3])
    track(TRACKERS, tmp_path, told=TRIALS[3:], is_complete=True)
    track(TRACKERS, tmp_path, is_complete=True)
    rows, ids = read(tmp_path)
    assert ids == {(tmp_path / "tracking_id").read_text().strip()}
    searched = [row for row in rows if "search/trial" in row]
    assert [row["search/trial"] for row in searched] == list(range(6))
    assert [row["search/best_val_accuracy"] for row in searched] == best_until_each()
    assert [row["_step"] for row in rows] == list(range(1, len(rows) + 1))
    assert (searched[1]["search/gene: width"], searched[1]["search/gene: operation"]) == (16, "pool")
    assert searched[1]["surrogate/val_accuracy/tau"] == 0.5
    (tables,) = [row for row in rows if any(name.startswith("trials") for name in row)]
    table = json.loads(next(tmp_path.glob("wandb/offline-run-*/files/media/table/trials*.json")).read_text())
    assert [row[0] for row in table["data"]] == list(range(7))
    assert any(name.startswith("curves") for name in tables)


def test_a_search_that_goes_on_after_its_end_is_the_same_run(tmp_path):
    track(TRACKERS, tmp_path, told=TRIALS, is_complete=True)
    track(TRACKERS, tmp_path, told=list(later_trials()), is_complete=True)
    track(TRACKERS, tmp_path, is_complete=True)
    rows, ids = read(tmp_path)
    assert len(ids) == 1
    assert [row["search/trial"] for row in rows if "search/trial" in row] == [*range(6), 7]
    assert len([row for row in rows if any(name.startswith("trials") for name in row)]) == 2


def test_a_budget_and_what_goes_on_are_told(tmp_path):
    track(TRACKERS, tmp_path, told=list(trials_by_budgets()))
    rows, _ = read(tmp_path)
    assert [row["search/budget"] for row in rows] == [1, 1, 2]
    assert [row.get("search/continues") for row in rows] == [None, None, 0]


def test_an_end_that_fails_is_told_again(tmp_path, monkeypatch):
    import wandb

    log = wandb.Run.log

    def refuse(self, row, step=None, commit=None):
        if step is None:
            raise ConnectionError("the server is away")
        log(self, row, step=step, commit=commit)

    with monkeypatch.context() as patch:
        patch.setattr(wandb.Run, "log", refuse)
        track(TRACKERS, tmp_path, told=TRIALS, is_complete=True)
    assert not json.loads((tmp_path / "wandb/told.json").read_text())["is_complete"]
    track(TRACKERS, tmp_path, is_complete=True)
    rows, _ = read(tmp_path)
    assert len([row for row in rows if any(name.startswith("trials") for name in row)]) == 1


def test_the_front_of_several_objectives_is_a_table(tmp_path):
    write_front_of(tmp_path, 1, 4)
    track(TRACKERS, tmp_path, told=TRIALS, is_complete=True)
    (path,) = tmp_path.glob("wandb/offline-run-*/files/media/table/front*.json")
    assert [row[0] for row in json.loads(path.read_text())["data"]] == [4, 1]  # the most accurate one first


def test_a_metric_that_is_called_like_another_series_has_one_of_its_own(tmp_path):
    track(TRACKERS, tmp_path, told=list(clashing_trials()), objectives=CLASHING)
    rows, _ = read(tmp_path)
    later = [row for row in rows if row.get("search/trial", 0) > 0]
    assert [row["search/best_score"] for row in later] == [0.5, 0.5]
    assert [row["search/metric: best_score"] for row in later] == [7.0, 9.0]
