"""Folders for a while, in the system's temporary directory. What a killed process leaves, the next one clears.

A folder holds a file that its process has locked. The system releases the lock when the process dies, however it does,
so a folder whose lock is free belongs to nobody.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "nas_jax_"
_LOCK = ".lock"


@contextlib.contextmanager
def scratch_folder(kind: str, parent: Path | None = None) -> Iterator[Path]:
    """A new folder `nas_jax_<kind>_…`, removed at the end. Folders of dead processes of this user are removed before.

    Args:
        kind: a word without an underscore.
        parent: where it is made; in the system's temporary directory, unless given.

    Raises:
        OSError: no folder can be made there.
    """
    parent = Path(tempfile.gettempdir()) if parent is None else parent.absolute()
    clear_dead_folders(parent)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{kind}_", dir=parent))
    try:
        with _locked(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def temporary_files_in(folder: Path) -> Iterator[None]:
    """Meanwhile `tempfile` makes its files in `folder`: for libraries that leave some behind."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


def clear_dead_folders(parent: Path) -> None:
    """Removes the scratch folders in `parent` that are of this user and whose processes have ended."""
    for folder in parent.glob(f"{_PREFIX}*_*"):
        with contextlib.suppress(OSError):  # another process may be removing it, or have made it just now
            if folder.is_dir() and not folder.is_symlink() and folder.stat().st_uid == os.getuid():
                with (folder / _LOCK).open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Holds the lock of a folder, as long as this process lives. A process that it starts does not hold it."""
    # Locked under another name: a file of the right name is locked from its first moment on.
    unfinished = folder / f"{_LOCK}.partial"
    with unfinished.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        unfinished.rename(folder / _LOCK)
        yield
