"""The one exception that a user is meant to read, and which failures of the system become one.

Everything else that is raised is a bug, and keeps its traceback.
"""

import errno

_FULL = {
    errno.ENOSPC: "no space is left",
    errno.EDQUOT: "the quota is used up",
    errno.EFBIG: "the file would be larger than is allowed",
    errno.EROFS: "it is read-only",
    errno.EIO: "the device does not answer",
}


class UserError(Exception):
    """Bad input. Its message is one line that says what is wrong and what to do about it.

    The entry points print that line and exit with code 2.
    """


def storage_problem(error: OSError) -> str | None:
    """One line where the error says that nothing more can be stored, else None."""
    if error.errno not in _FULL:
        return None
    return (
        f"cannot write to {error.filename or 'the disk'}: {_FULL[error.errno]}; mend that, then give the same command "
        "again: what was measured is kept"
    )
