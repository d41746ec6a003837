"""What parts know of the files that they were given: lines for a person at the start of a run, and digests."""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class HasNotes(Protocol):
    """A part that has something to say."""

    @property
    def notes(self) -> tuple[str, ...]:
        """One line each, complete: what was found, where, and what it means."""
        ...


@runtime_checkable
class ReadsFiles(Protocol):
    """A part whose results depend on the content of files."""

    @property
    def digests(self) -> Mapping[str, str]:
        """The SHA-256 of each file, by the part's field that names it."""
        ...


def notes_of(*parts: Any) -> tuple[str, ...]:
    """What the parts have to say, each line once."""
    return tuple(dict.fromkeys(note for part in parts if isinstance(part, HasNotes) for note in part.notes))


def digests_of(parts: Mapping[str, Any]) -> dict[str, str]:
    """The digests of all files of the parts, which are by section, by the config's field: "space.path"."""
    readers = {section: part for section, part in parts.items() if isinstance(part, ReadsFiles)}
    return {f"{section}.{field}": digest for section, part in readers.items() for field, digest in part.digests.items()}
