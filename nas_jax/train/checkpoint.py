"""The variables of a trained network on disk, in Orbax's format."""

import shutil
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp

from nas_jax.train.variables import Variables


def save_variables(path: Path, variables: Variables) -> None:
    """Writes `variables` to the folder `path`; what was there before is replaced."""
    if path.exists():
        shutil.rmtree(path)
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(path.absolute(), jax.tree.map(np.asarray, variables))


def load_variables(path: Path) -> Variables:
    """The variables in the folder `path`, as NumPy arrays."""
    with ocp.StandardCheckpointer() as checkpointer:
        return checkpointer.restore(path.absolute())
