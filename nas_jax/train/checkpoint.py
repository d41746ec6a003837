"""The variables of a trained network on disk, in Orbax's format, and in what type of numbers it was trained."""

import os
import re
import shutil
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp

from nas_jax.errors import UserError
from nas_jax.train.variables import Variables

_DTYPE = "compute_dtype.txt"
_OS_ERROR = re.compile(r"os_error_code='(\d+)'")


def save_variables(path: Path, variables: Variables) -> None:
    """Writes `variables` to the folder `path`; what was there before is replaced.

    Raises:
        OSError: they cannot be written, as where the disk is full.
    """
    if path.exists():
        shutil.rmtree(path)
    try:
        with ocp.StandardCheckpointer() as checkpointer:
            checkpointer.save(path.absolute(), jax.tree.map(np.asarray, variables))
    except ValueError as error:  # TensorStore says it so, and calls a full disk exhausted resources
        if (code := _OS_ERROR.search(str(error))) is None:
            raise
        raise OSError(int(code[1]), os.strerror(int(code[1])), str(path)) from error


def load_variables(path: Path) -> Variables:
    """The variables in the folder `path`, as NumPy arrays.

    Raises:
        UserError: there is no such folder.
    """
    if not path.is_dir():
        raise UserError(
            f"{path} is gone, where a network that this run has trained was; bring it back, or run again in another "
            "--workdir"
        )
    with ocp.StandardCheckpointer() as checkpointer:
        return checkpointer.restore(path.absolute())


def save_dtype(folder: Path, dtype: np.dtype) -> None:
    """Notes in `folder`, beside the variables, what the networks there computed in: only who trained them knows."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _DTYPE).write_text(f"{dtype.name}\n")


def read_dtype(folder: Path) -> str | None:
    """What `save_dtype` noted; None of networks of an earlier version."""
    path = folder / _DTYPE
    return path.read_text().strip() if path.exists() else None
