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
import platform
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from nas_jax.data.arrays import Split, Stored
from nas_jax.data.pixels import Moments, moments_of
from nas_jax.errors import UserError
from nas_jax.json_files import check_object
from nas_jax.scratch import scratch_folder

_FORM = 2  # of the files; another number makes them anew
_ABOUT = "about.json"
_HINTS: dict[str, Any] = {"arrays": dict[str, list[Any]], "mean": list[float], "std": list[float]}
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
        UserError: files in `stream_dir` are damaged or cannot be written, examples differ in shape, or what they are
            made of changes meanwhile.
    """
    if not stream_dir:
        return Training(read(items))
    # absolute, since workers may run in other folders
    parent, name = Path(os.path.expanduser(stream_dir)).absolute(), _name(items, made_of)
    folder = parent / name
    with _said_of(stream_dir):
        parent.mkdir(parents=True, exist_ok=True)
    with _locked(parent, stream_dir):  # processes that start together: one writes, the others wait for it
        if not (folder / _ABOUT).exists():
            blocks = (read(items[start : start + _BLOCK]) for start in range(0, len(items), _BLOCK))
            with scratch_folder("stored", parent) as scratch:
                unfinished = scratch / "arrays"
                _write(unfinished, len(items), blocks, stream_dir)
                if _name(items, made_of) != name:
                    raise UserError("data: files were changed while they were read; start again when they stay")
                with _said_of(stream_dir):
                    shutil.rmtree(folder, ignore_errors=True)  # it is not complete
                    unfinished.rename(folder)
    return Training(read_stored(str(folder)), Stored(str(folder), _about(folder).moments))


def read_stored(folder: str) -> Split:
    """The arrays in a folder, mapped.

    Raises:
        UserError: they are damaged, or not on this machine.
    """
    about, found = _about(Path(folder)), {}
    for name, expected in about.arrays.items():
        try:
            found[name] = np.load(Path(folder) / f"{name}.npy", mmap_mode="r")
        except (OSError, ValueError, EOFError) as error:
            raise _damaged(folder) from error
        if _kind(found[name]) != expected:
            raise _damaged(folder)
    return found


def files_in(*paths: Path) -> list[tuple[str, int, int]]:
    """Of each file its path, its size and when it was changed: another content has another one of these."""
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]


class _About(NamedTuple):
    """What a folder says of its arrays: the type and the shape of each by its name, and the moments of its images."""

    arrays: dict[str, list[Any]]
    moments: Moments


def _name(items: Sequence[Any], made_of: Callable[[], Any]) -> str:
    depends_on = {"form": _FORM, "items": [str(item) for item in items], "made_of": made_of()}
    return hashlib.sha256(json.dumps(depends_on, sort_keys=True, default=str).encode()).hexdigest()[:32]


@contextlib.contextmanager
def _said_of(stream_dir: str) -> Iterator[None]:
    """Within it an error of the system is the user's to mend, and is said of the folder."""
    try:
        yield
    except OSError as error:
        raise UserError(f"data.stream_dir={stream_dir!r} cannot be used: {error.strerror}") from error


@contextlib.contextmanager
def _locked(folder: Path, stream_dir: str) -> Iterator[None]:
    """Meanwhile no other process is here with this folder; the system lets it go with the process that holds it."""
    with _said_of(stream_dir):
        handle = os.open(folder, os.O_RDONLY)
    try:
        with _said_of(stream_dir):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _write(folder: Path, num: int, blocks: Iterable[Split], stream_dir: str) -> None:
    """Writes the arrays of `num` examples, and then what they are."""
    with _said_of(stream_dir):
        folder.mkdir()
    rows_of: dict[str, list[Any]] = {}  # the type and the shape of a row of each array
    for block in blocks:
        for name, rows in block.items():
            expected = rows_of.get(name)
            if expected not in (None, _kind(rows[0])):
                raise UserError(
                    f"data: {name} of the training examples differ, {expected[1:]} and {list(rows.shape[1:])}; with "
                    "stream_dir all have to have one shape"
                )
            # Through files and not through a map: there a full disk would end the process.
            with _said_of(stream_dir), (folder / f"{name}.npy").open("ab") as file:
                if expected is None:
                    rows_of[name] = _kind(rows[0])
                    header = {"descr": rows.dtype.str, "fortran_order": False, "shape": (num, *rows.shape[1:])}
                    np.lib.format.write_array_header_2_0(file, header)
                file.write(rows.tobytes())
    arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in rows_of}
    moments = moments_of(arrays["image"]) if "image" in arrays else Moments()
    kinds = {name: _kind(array) for name, array in arrays.items()}
    with _said_of(stream_dir), (folder / _ABOUT).open("wb") as file:
        file.write(json.dumps({"arrays": kinds, "mean": moments.mean, "std": moments.std}).encode())
        file.flush()
        os.fsync(file.fileno())  # the folder counts as complete by it


def _about(folder: Path) -> _About:
    if not folder.is_dir():  # on another machine than the one that wrote it, or it was deleted meanwhile
        raise UserError(
            f"data.stream_dir: there is no {str(folder)!r} on {platform.node()}; name a folder that all machines share"
        )
    try:
        record = check_object(json.loads((folder / _ABOUT).read_bytes()), _HINTS, required=tuple(_HINTS))
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(folder) from error
    arrays, moments = record["arrays"], Moments(tuple(record["mean"]), tuple(record["std"]))
    num_channels = arrays["image"][-1] if "image" in arrays else 0
    numbers = np.array([*moments.mean, *moments.std], np.float64)
    are_sound = np.isfinite(numbers).all() and all(std > 0 for std in moments.std)
    if not are_sound or {len(moments.mean), len(moments.std)} != {num_channels}:
        raise _damaged(folder)
    return _About(arrays, moments)


def _damaged(folder: Path | str) -> UserError:
    return UserError(f"{str(folder)!r} is damaged; delete it, and it will be written anew")


def _kind(array: Any) -> list[Any]:
    """The type of an array, and its shape."""
    return [array.dtype.name, *array.shape]
