"""Lines for a person about what a part was given: nothing that stops a run, but something to know at its start."""

from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class HasNotes(Protocol):
    """A part that has something to say."""

    @property
    def notes(self) -> tuple[str, ...]:
        """One line each, complete: what was found, where, and what it means."""
        ...


def notes_of(*parts: Any) -> tuple[str, ...]:
    """What the parts have to say, each line once."""
    return tuple(dict.fromkeys(note for part in parts if isinstance(part, HasNotes) for note in part.notes))
