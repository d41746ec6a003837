"""What a person should know before a run begins: parts say it themselves."""

from typing import Protocol, runtime_checkable


@runtime_checkable
class HasNotes(Protocol):
    """A part that has something to say: whatever may be meant so, and is likely not."""

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence each, none where all is as one expects."""
        ...
