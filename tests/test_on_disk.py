"""What is written before a folder gets its name is on the disk."""

import os

from nas_jax.on_disk import to_disk


def test_every_file_and_folder_is_brought_to_the_disk(tmp_path, monkeypatch):
    paths = [tmp_path, tmp_path / "a", tmp_path / "b", tmp_path / "b" / "c"]
    paths[2].mkdir()
    for path in (paths[1], paths[3]):
        path.write_text("x")
    brought = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: brought.append(os.fstat(descriptor).st_ino))
    assert to_disk(tmp_path) == tmp_path
    assert sorted(brought) == sorted(path.stat().st_ino for path in paths)
    brought.clear()
    to_disk(paths[1])
    assert brought == [paths[1].stat().st_ino]
