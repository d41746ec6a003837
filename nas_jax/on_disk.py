"""Files that are on the disk, and not only in memory, before their name says that they are complete."""

import os
from pathlib import Path


def to_disk(path: Path) -> Path:
    """The file, or the folder with all that is in it, once a power cut cannot take it any more."""
    for each in [path, *path.rglob("*")] if path.is_dir() else [path]:
        descriptor = os.open(each, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return path
