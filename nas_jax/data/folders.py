"""What lies in a folder of a data set, but for what a system keeps there for itself."""

import os
from pathlib import Path

from nas_jax.errors import UserError


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """Files and folders in the order of their names; hidden ones, and `__MACOSX` of unpacked archives, are a system's.

    Raises:
        UserError: the folder cannot be read, or a link in it leads to nothing.
    """
    try:
        with os.scandir(folder) as found:
            kept = sorted((each for each in found if not _is_of_system(each.name)), key=lambda each: each.name)
    except OSError as error:
        raise UserError(f"data.path: {str(folder)!r} cannot be read: {error.strerror}") from error
    for each in kept:
        if each.is_symlink():
            check_link(Path(each.path))
    return kept


def folders_in(folder: Path) -> list[Path]:
    """Those of `entries` that are folders, or links to such.

    Raises:
        UserError: as `entries`.
    """
    return [Path(each.path) for each in entries(folder) if each.is_dir()]


def check_link(path: Path) -> None:
    """Raises UserError if it is a link that leads to nothing."""
    if path.is_symlink() and not path.exists():
        raise UserError(
            f"data.path: {str(path)!r} is a link to {os.readlink(path)!r}, which is not there; mend it, or take it away"
        )


def _is_of_system(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"
