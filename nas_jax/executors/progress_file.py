"""Progress on its way from one process to another: lines of JSON in a file, which one appends and the other reads.

A process that is killed while it writes leaves a torn last line, which nobody reads, and holds no lock. A search that
thinks for long delays no training, as it could if the two shared a pipe.
"""

import contextlib
import json

from nas_jax.evaluators.base import Progress


def append_progress(path: str, progress: Progress) -> None:
    """Appends a line. If the disk is full, what could not be written is lost, and the measurement goes on."""
    line = json.dumps(progress._asdict()) + "\n"
    with contextlib.suppress(OSError), open(path, "ab", buffering=0) as file:
        file.write(line.encode())


class ProgressReader:
    """Reads what `append_progress` appends to the file at `path`, which need not be there yet."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._num_read = 0  # bytes

    def new(self) -> list[Progress]:
        """The progress of all whole lines that have come since the last call."""
        try:
            with open(self._path, "rb") as file:
                file.seek(self._num_read)
                content = file.read()
        except FileNotFoundError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        self._num_read += len(whole)
        return [progress for line in whole.splitlines() if (progress := _parsed(line)) is not None]


def _parsed(line: bytes) -> Progress | None:
    """None for a line of which a part is missing."""
    try:
        return Progress(**json.loads(line))
    except (ValueError, TypeError):
        return None
