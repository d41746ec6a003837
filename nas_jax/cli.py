"""How a command of this package starts and ends: bad input is one line and exit code 2, never a traceback.

A command's module begins with `nas_jax.signals.end_at_once`, before its other imports, and ends with `start`.
"""

import codecs
import io
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from absl import app, flags

from nas_jax.errors import UserError, user_error_of
from nas_jax.signals import INTERRUPTED, NUMBERS, end_at_once

BAD_INPUT = 2  # exit code

flags.DEFINE_bool("debug", False, "Whether the traceback is printed too when bad input is reported.")
flags.disclaim_key_flags()  # what `define_path` defines belongs to the command that calls it, in whose help it stands


class Interrupted(KeyboardInterrupt):
    """The user or the system has asked for an end, by the signal `number`."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def start(main: Callable[[Sequence[str]], None], before: Callable[[Sequence[str]], list[str]] = list) -> None:
    """Parses the flags, calls `main` and exits. What `before` makes of the arguments is what is parsed.

    Exit codes: 0 done, 2 bad input or a full disk, 130 interrupted by the user, 143 by the system (SIGTERM). What the
    user is to mend, their own code included, is one line (`errors.user_error_of`), with `--debug` behind its traceback.
    Any other exception is a bug and keeps its traceback. A second signal ends the process at once.
    """

    def guarded(argv: Sequence[str]) -> int:
        for number in NUMBERS:
            signal.signal(number, _interrupt)
        sys.unraisablehook = _interrupt_again
        try:
            main(argv)
        except Interrupted as interrupted:
            print(f"\n{INTERRUPTED}", file=sys.stderr)
            return 128 + interrupted.number
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # code of a user may call exit
            return _fail(error)
        end_at_once()
        return 0

    end_at_once()
    _write_any_character()
    app.run(guarded, flags_parser=lambda argv: _parse(argv, before))


def define_path(name: str, default: str | None, help: str, *, required: bool = False) -> flags.FlagHolder:
    """A flag that is a path; `~` at its front is the user's home, whatever the shell has made of it."""
    return flags.DEFINE(_PathParser(), name, default, help, required=required)


def define_paths(name: str, help: str) -> flags.FlagHolder:
    """A flag that is a path and has to be given, once or more often."""
    return flags.DEFINE_multi(_PathParser(), flags.ArgumentSerializer(), name, None, help, required=True)


def expand(path: str) -> Path:
    """A path as a user writes it.

    Raises:
        UserError: there can be no such path.
    """
    if "\0" in path:
        raise UserError(f"{path!r} is no path: it has a character 0")
    return Path(os.path.expanduser(path))


class _PathParser(flags.ArgumentParser):
    """Reads a path as text."""

    syntactic_help = "a path"

    def parse(self, argument: str) -> str:
        return str(expand(argument)) if argument else ""


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    for each in NUMBERS:
        signal.signal(each, signal.SIG_DFL)
    raise Interrupted(number)


def _interrupt_again(ignored: "sys.UnraisableHookArgs") -> None:
    """An exception in a destructor is printed and else ignored; one that shall end the program is raised once more.

    An alarm does it, as what this function raises is ignored too.
    """
    interrupted = ignored.exc_value
    if isinstance(interrupted, Interrupted):
        number = interrupted.number
        signal.signal(signal.SIGALRM, lambda _, frame: _interrupt(number, frame))
        signal.setitimer(signal.ITIMER_REAL, 0.01)
    else:
        sys.__unraisablehook__(ignored)


def _fail(error: BaseException) -> int:
    """Prints the line of an error that is the user's to mend, and raises any other one."""
    mendable = user_error_of(error)
    if mendable is None:
        raise error
    if any(re.fullmatch("--?debug(=(true|t|1|yes|y))?", word, re.IGNORECASE) for word in sys.argv[1:]):
        traceback.print_exception(error)
    print(f"error: {' '.join(str(mendable).split())}", file=sys.stderr)
    return BAD_INPUT


def refuse_arguments(argv: Sequence[str]) -> None:
    """Raises UserError if `argv` has more than the command's name: what is left after the flags."""
    if argv[1:]:
        raise UserError(f"{argv[1]!r} is no flag; a field of the config is set by --config.{argv[1].lstrip('-')}")


def _parse(argv: Sequence[str], before: Callable[[Sequence[str]], list[str]]) -> Sequence[str]:
    """As absl's parser, with errors of a config's fields reported like those of any other flag."""
    try:
        left = before(argv)
        if {"--help", "-h", "--helpshort", "--helpfull"} & set(left):
            return app.parse_flags_with_usage(list(left))
        return parse_strictly(left)
    except Exception as error:
        sys.exit(_fail(error))


def parse_strictly(argv: Sequence[str], flag_values: flags.FlagValues = flags.FLAGS) -> Sequence[str]:
    """What is left of the arguments after the flags.

    Raises:
        UserError: a flag, a config or an override of one of its fields is wrong.
    """
    try:
        rest = flag_values(list(argv))
    except UserError:
        raise
    except AttributeError as error:  # ml_collections: an override of a field that the config does not have
        raise UserError(f"the config has no such field: {_innermost(error)}") from error
    except Exception as error:  # absl's own and whatever ml_collections raises while it reads an override
        raise UserError(str(error).strip().splitlines()[-1] if str(error).strip() else repr(error)) from error
    if "config" in flag_values and flag_values["config"].value is None:
        raise UserError("--config is missing; try --config=configs/quickstart.py")
    return rest


def _innermost(error: BaseException) -> str:
    """The message of an exception that was raised with another exception as its message."""
    message = error.args[0] if error.args else error
    return _innermost(message) if isinstance(message, BaseException) else str(message)


_PLAIN = {"\N{PLUS-MINUS SIGN}": "+-", "\N{SUPERSCRIPT TWO}": "2", "\N{MULTIPLICATION SIGN}": "x", "…": "..."}


def _write_any_character() -> None:
    """Lets a terminal or a file that has only some characters get the others in another form, and no exception."""

    def replace(error: UnicodeError) -> tuple[str, int]:
        assert isinstance(error, UnicodeEncodeError)
        characters = error.object[error.start : error.end]
        return "".join(_PLAIN.get(character, "?") for character in characters), error.end

    codecs.register_error("nas_jax", replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="nas_jax")
