"""Training examples in files, for sets that are larger than memory: decoded and written once, then mapped.

A search trains hundreds of networks on the same pictures. So they are decoded once, to arrays on a disk, and not again
by each training. A training reads the rows of its batches while the device computes (`nas_jax.train.feeding`).

A folder of arrays has the name of a digest of all that they depend on: settings, and the files that they come from.
Where any of that changes, another folder is written. One that nobody needs any more may be deleted.
"""

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from nas_jax.data.arrays import Split, Stored, num_examples
from nas_jax.data.pixels import Moments, moments_of
from nas_jax.errors import UserError
from nas_jax.json_files import read_json
from nas_jax.scratch import scratch_folder

_FORM = 1  # of the files; another number makes them anew
_ABOUT = "about.json"
_BLOCK = 1024  # examples

T = TypeVar("T")


class Training(NamedTuple):
    """The training split, in memory or mapped; `stored` says where it is mapped from."""

    split: Split
    stored: Stored | None = None


def training_split(
    items: Sequence[T], read: Callable[[Sequence[T]], Split], stream_dir: str, made_of: Callable[[], Any]
) -> Training:
    """The examples that `read` makes of the items: in memory, or in files.

    Args:
        items: One for each example, such as the paths of its files.
        read: Makes the arrays of some of the items. Each row depends on its item alone.
        stream_dir: A folder to keep the arrays in; empty: they are in memory.
        made_of: Returns what else the arrays depend on, as JSON has it. It is asked for where there is a `stream_dir`.

    Raises:
        UserError: files in `stream_dir` are damaged, or examples differ in shape.
        OSError: they cannot be written.
    """
    if not stream_dir:
        return Training(read(items))
    depends_on = {"form": _FORM, "items": [str(item) for item in items], "made_of": made_of()}
    digest = hashlib.sha256(json.dumps(depends_on, sort_keys=True, default=str).encode()).hexdigest()
    folder = Path(stream_dir).expanduser() / digest[:32]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _locked(folder.parent):  # processes that start together: one writes, the others wait for it
        if not (folder / _ABOUT).exists():
            blocks = (read(items[start : start + _BLOCK]) for start in range(0, len(items), _BLOCK))
            _write(folder, len(items), blocks)
    return Training(read_stored(str(folder)), Stored(str(folder), _moments_in(folder)))


def read_stored(folder: str) -> Split:
    """The arrays in a folder, mapped.

    Raises:
        UserError: they are damaged.
    """
    names = read_json(Path(folder) / _ABOUT, {"arrays": list[str]})["arrays"]
    try:
        return {name: np.load(Path(folder) / f"{name}.npy", mmap_mode="r") for name in names}
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{folder!r} is damaged; delete it, and it will be written anew") from error


def files_in(*paths: Path) -> list[tuple[str, int, int]]:
    """Of each file its path, its size and when it was changed: another content has another one of these."""
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Meanwhile no other process is here with this folder; the system lets it go with the process that holds it."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write(folder: Path, num: int, blocks: Iterable[Split]) -> None:
    """Writes the arrays of `num` examples, so that the folder has all of them or is not there."""
    with scratch_folder("stored", folder.parent) as scratch:
        unfinished = scratch / "arrays"
        unfinished.mkdir()
        arrays = _write_arrays(unfinished, num, blocks)
        moments = moments_of(arrays["image"]) if "image" in arrays else Moments()
        about = {"arrays": list(arrays), "mean": moments.mean, "std": moments.std}
        (unfinished / _ABOUT).write_text(json.dumps(about), encoding="utf-8")
        unfinished.rename(folder)


def _write_arrays(folder: Path, num: int, blocks: Iterable[Split]) -> Split:
    arrays: dict[str, np.memmap] = {}
    start = 0
    for block in blocks:
        stop = start + num_examples(block)
        for name, rows in block.items():
            if not start:
                path, shape = folder / f"{name}.npy", (num, *rows.shape[1:])
                arrays[name] = np.lib.format.open_memmap(path, "w+", dtype=rows.dtype, shape=shape)
            if arrays[name].shape[1:] != rows.shape[1:] or arrays[name].dtype != rows.dtype:
                raise UserError(
                    f"data: {name} of the training examples differ, {list(arrays[name].shape[1:])} and "
                    f"{list(rows.shape[1:])}; with stream_dir all have to have one shape"
                )
            arrays[name][start:stop] = rows
        start = stop
    for array in arrays.values():
        array.flush()
    return dict(arrays)


def _moments_in(folder: Path) -> Moments:
    about = read_json(folder / _ABOUT, {"mean": list[float], "std": list[float]})
    return Moments(tuple(about["mean"]), tuple(about["std"]))
