"""The one exception that a user is meant to read, and which other exceptions become one: those of the system, and those
of code that a user has written.

Everything else that is raised is a bug, and keeps its traceback.
"""

import contextlib
import errno
import site
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path

_FULL = {
    errno.ENOSPC: "no space is left",
    errno.EDQUOT: "the quota is used up",
    errno.EFBIG: "the file would be larger than is allowed",
    errno.EROFS: "it is read-only",
    errno.EIO: "the device does not answer",
}
_PATHS = sysconfig.get_paths()
_LIBRARIES = tuple(
    f"{Path(folder).resolve()}/"
    for folder in {*(_PATHS[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")), *site.getsitepackages()}
)
_OURS = f"{Path(__file__).resolve().parent}/"
_WANTED = "wanted: "  # how the notes of `wanted` begin


class UserError(Exception):
    """Bad input. Its message is one line that says what is wrong and what to do about it.

    The entry points print that line and exit with code 2.
    """


@contextlib.contextmanager
def wanted(text: str) -> Iterator[None]:
    """Within it runs code that a user has written. Where that fails, `text` says what it should have done.

    Raises:
        UserError: the code calls `exit`, or raises what else is no Exception, which would end the program without a
            word.
    """
    try:
        yield
    except (UserError, KeyboardInterrupt, GeneratorExit):
        raise
    except Exception as error:
        error.add_note(_WANTED + text)
        raise
    except BaseException as error:
        error.add_note(_WANTED + text)
        raise UserError(_said(error)) from error


def user_error_of(error: BaseException) -> UserError | None:
    """The error in one line, if it is the user's to mend: bad input, code of their own, a file or a disk; else None."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, OSError) and (problem := storage_problem(error)):
        return UserError(problem)
    if _place_in_user_code(error) is not None or _notes(error):
        return UserError(_said(error))
    if isinstance(error, OSError) and error.filename is not None:
        return UserError(f"{error.filename}: {error.strerror}")
    return None


def _said(error: BaseException) -> str:
    """Where an exception came from, what it is, and what should have been done."""
    place = _place_in_user_code(error)
    said = describe(error) if place is None else f"{place}: {describe(error)}"
    return "; ".join([said, *_notes(error)[:1]])


def _notes(error: BaseException) -> list[str]:
    """Those of `wanted`, the innermost first."""
    return [note.removeprefix(_WANTED) for note in getattr(error, "__notes__", ()) if note.startswith(_WANTED)]


def describe(error: BaseException) -> str:
    """The kind of an exception and what it says, in one line."""
    if isinstance(error, SystemExit):
        return f"it called exit({'' if error.code is None else repr(error.code)})"
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return " ".join(f"{type(error).__name__}: {message}".split()).removesuffix(":")


def storage_problem(error: OSError) -> str | None:
    """One line where the error says that nothing more can be stored, else None."""
    if error.errno not in _FULL:
        return None
    return (
        f"cannot write to {error.filename or 'the disk'}: {_FULL[error.errno]}; mend that, then give the same command "
        "again: what was measured is kept"
    )


def _place_in_user_code(error: BaseException) -> str | None:
    """File and line in code of the user that the error came from, the innermost there is; None if none was running."""
    if isinstance(error, SyntaxError) and error.filename and _is_users(error.filename):
        return f"{error.filename}, line {error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{frame.filename}, line {frame.lineno}" for frame in frames if _is_users(frame.filename)]
    return places[-1] if places else None


def _is_users(filename: str) -> bool:
    """Whether a source is a file, and no part of this package, of a library or of Python.

    What libraries have compiled may name its source by a path that leads nowhere here: `pyarrow/scalar.pxi`.
    """
    path = str(Path(filename).resolve())
    return Path(path).is_file() and not path.startswith((_OURS, *_LIBRARIES))
