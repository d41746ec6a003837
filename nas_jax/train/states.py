"""The state of a training on disk: all that it needs to go on, in this process or another.

A state is any pytree of arrays and numbers. A file holds the leaves, each by its path in the tree, and a checksum; the
tree itself is the program's, which compares. A file is complete or not there, since it is written under another name
first. One that is damaged, or of another training, is as good as none: the training begins again, and gives the same.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

_SUFFIX, _PARTIAL = ".state", ".partial"


class Leaf(NamedTuple):
    """An array of a state, and where it is in the tree."""

    path: str
    value: np.ndarray


class Stopped(NamedTuple):
    """A training between two epochs: how many it has had, what they gave, and what the next one begins with."""

    num_epochs: int
    curve: list[dict[str, float]]  # the metrics of each epoch
    leaves: list[Leaf]


class StateFile(NamedTuple):
    """A file with the state of one seed."""

    path: Path
    seed: int
    num_epochs: int

    @property
    def num_bytes(self) -> int:
        """0 where it is gone."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0


def to_host(state: Any) -> list[Leaf]:
    """Copies of the leaves, which stay when the state is used up."""
    leaves = jax.tree_util.tree_leaves_with_path(state)
    return [Leaf(jax.tree_util.keystr(path), np.array(jax.device_get(value))) for path, value in leaves]


def to_device(leaves: Sequence[Leaf], like: Any) -> Any | None:
    """The state with these leaves, on the devices of the state `like`; None if they are those of another one."""
    expected = jax.tree_util.tree_leaves_with_path(like)
    known = [(jax.tree_util.keystr(path), np.shape(value), _dtype(value)) for path, value in expected]
    if known != [(leaf.path, leaf.value.shape, leaf.value.dtype) for leaf in leaves]:
        return None
    values = [_placed(leaf.value, old) for leaf, (_, old) in zip(leaves, expected, strict=True)]
    return jax.tree.unflatten(jax.tree.structure(like), values)


def _dtype(value: Any) -> np.dtype:
    return value.dtype if isinstance(value, jax.Array) else np.result_type(value)


def _placed(value: np.ndarray, like: Any) -> Any:
    """As `like`: on its devices, or a number of Python or NumPy. Of an array a copy, since steps use it up."""
    if isinstance(like, jax.Array):
        return jax.device_put(np.array(value), like.sharding)
    return np.array(value) if isinstance(like, np.ndarray) else type(like)(value)


def write_state(folder: Path, seed: int, stopped: Stopped, identity: str) -> None:
    """Writes `<seed>-<epochs>.state` into `folder`, which is made within a folder that has to be there.

    Args:
        identity: what the training is of; who reads the file has to say the same.

    Raises:
        OSError: the disk is full, or fails; nothing is left there.
    """
    with contextlib.suppress(FileExistsError):
        folder.mkdir()
    handle, partial = tempfile.mkstemp(_PARTIAL, dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_packed(stopped, identity))
            file.flush()
            os.fsync(file.fileno())
        Path(partial).replace(folder / f"{seed}-{stopped.num_epochs}{_SUFFIX}")
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(partial)
        raise


def read_state(folder: Path, seed: int, max_epochs: int, identity: str) -> Stopped | None:
    """The state of a seed that has come furthest in at most so many epochs; None if there is none that is whole."""
    fitting = [file for file in state_files(folder) if file.seed == seed and file.num_epochs <= max_epochs]
    for file in sorted(fitting, key=lambda file: -file.num_epochs):
        try:
            return _unpacked(file.path.read_bytes(), identity)
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return None


def state_files(folder: Path) -> list[StateFile]:
    """Those in a folder, which need not be there; in the order of their names."""
    return [file for path in sorted(folder.glob(f"*{_SUFFIX}")) if (file := _state_file(path)) is not None]


def remove_partial_files(folder: Path) -> None:
    """Removes what a killed process had begun to write, in `folder` and the folders within."""
    for path in folder.glob(f"**/*{_PARTIAL}"):
        path.unlink(missing_ok=True)


def _state_file(path: Path) -> StateFile | None:
    seed, _, num_epochs = path.stem.partition("-")
    return StateFile(path, int(seed), int(num_epochs)) if seed.isdecimal() and num_epochs.isdecimal() else None


def _packed(stopped: Stopped, identity: str) -> bytes:
    """A checksum, a line that says what there is, and the bytes of the leaves."""
    header = {
        "identity": identity,
        "num_epochs": stopped.num_epochs,
        "curve": stopped.curve,
        "leaves": [[leaf.path, leaf.value.dtype.name, leaf.value.shape] for leaf in stopped.leaves],
    }
    content = [json.dumps(header).encode() + b"\n", *(leaf.value.tobytes() for leaf in stopped.leaves)]
    body = b"".join(content)
    return hashlib.sha256(body).digest() + body


def _unpacked(content: bytes, identity: str) -> Stopped:
    """Raises ValueError if that is not what was written, or of another training."""
    size = hashlib.sha256().digest_size
    body = content[size:]
    if hashlib.sha256(body).digest() != content[:size]:
        raise ValueError("the checksum is another one")
    line, _, arrays = body.partition(b"\n")
    header = json.loads(line)
    if header["identity"] != identity:
        raise ValueError("it is the state of another training")
    return Stopped(header["num_epochs"], header["curve"], list(_leaves(header["leaves"], arrays)))


def _leaves(described: Sequence[Any], arrays: bytes) -> Iterator[Leaf]:
    start = 0
    for path, dtype, shape in described:
        kind = np.dtype(dtype)  # bfloat16 too, which ml_dtypes has registered for JAX
        count = int(np.prod(shape))
        yield Leaf(path, np.frombuffer(arrays, kind, count, start).reshape(shape))
        start += count * kind.itemsize
