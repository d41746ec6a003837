"""What settings of data sources have in common."""

import dataclasses
import os
from pathlib import Path
from typing import Any

from nas_jax.data.arrays import Augmentation
from nas_jax.errors import UserError


def augmentation_of(source: Any) -> Augmentation:
    """What the settings of a source say of it, each in the field of the same name.

    Raises:
        ValueError: as `Augmentation`.
    """
    return Augmentation(**shared_fields(Augmentation, source))


def path_of(path: str) -> Path:
    """The setting `path` of a source; `~` at its front is the user's home.

    Raises:
        UserError: there can be no such path, or its name is no text.
    """
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise UserError(f"data.path: {path!r} is no UTF-8; rename it") from error
    if "\0" in path:
        raise UserError(f"data.path: {path!r} is no path: it has a character 0")
    return Path(os.path.expanduser(path))


def check_seed(seed: int) -> None:
    """Raises ValueError unless NumPy and JAX can both start from `seed`."""
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed={seed}: has to be at least 0 and below 2**32")


def check_shares(**shares: float) -> None:
    """Raises ValueError unless each share of the training examples leaves most of them; given by their fields."""
    for name, share in shares.items():
        if not 0 < share < 0.5:
            raise ValueError(f"{name}={share}: has to lie between 0 and 0.5")


def check_sizes(**sizes: int | None) -> None:
    """Raises ValueError unless each size is at least 1, or None; given by their fields."""
    for name, size in sizes.items():
        if size is not None and size < 1:
            raise ValueError(f"{name}={size}: has to be at least 1; leave it out to take all")


def shared_fields(source: type, other: Any) -> dict[str, Any]:
    """What `other` has in the fields of the dataclass `source`: both are settings of data sources."""
    given = {field.name for field in dataclasses.fields(other)}
    return {field.name: getattr(other, field.name) for field in dataclasses.fields(source) if field.name in given}
