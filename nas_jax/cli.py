"""How a command of this package starts and ends: bad input is one line and exit code 2, never a traceback."""

import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

from absl import app, flags

from nas_jax.errors import UserError, storage_problem

BAD_INPUT = 2  # exit code


class Interrupted(KeyboardInterrupt):
    """The user or the system has asked for an end, by the signal `number`."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def start(main: Callable[[Sequence[str]], None], before: Callable[[Sequence[str]], list[str]] = list) -> None:
    """Parses the flags, calls `main` and exits. What `before` makes of the arguments is what is parsed.

    Exit codes: 0 done, 2 bad input or a full disk, 130 interrupted by the user, 143 by the system (SIGTERM). Any other
    exception is a bug and keeps its traceback. A second signal ends the process at once.
    """

    def guarded(argv: Sequence[str]) -> int:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, _interrupt)
        sys.unraisablehook = _interrupt_again
        try:
            main(argv)
        except UserError as error:
            return _fail(error)
        except OSError as error:
            if problem := storage_problem(error):
                return _fail(UserError(problem))
            raise
        except Interrupted as interrupted:
            print("\nInterrupted. The same command goes on from here.", file=sys.stderr)
            return 128 + interrupted.number
        return 0

    app.run(guarded, flags_parser=lambda argv: _parse(argv, before))


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    for each in (signal.SIGINT, signal.SIGTERM):
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


def _fail(error: Exception) -> int:
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    return BAD_INPUT


def refuse_arguments(argv: Sequence[str]) -> None:
    """Raises UserError if `argv` has more than the command's name: what is left after the flags."""
    if argv[1:]:
        raise UserError(f"{argv[1]!r} is no flag; a field of the config is set by --config.{argv[1].lstrip('-')}")


def _parse(argv: Sequence[str], before: Callable[[Sequence[str]], list[str]]) -> Sequence[str]:
    """As absl's parser, with errors of a config's fields reported like those of any other flag."""
    try:
        if {"--help", "-h", "--helpshort", "--helpfull"} & set(argv):
            return app.parse_flags_with_usage(list(argv))
        return _parse_strictly(before(argv))
    except UserError as error:
        sys.exit(_fail(error))


def _parse_strictly(argv: Sequence[str]) -> Sequence[str]:
    words = [word.strip("-") for flag in argv for word in flag.split("=", 1)]
    config = words[words.index("config") + 1].partition(":")[0] if "config" in words[:-1] else None
    if config is not None and not Path(config).is_file():
        raise UserError(f"--config: there is no file {config!r}; see configs/ for some")
    try:
        rest = flags.FLAGS(list(argv))
    except AttributeError as error:  # ml_collections: an override of a field that the config does not have
        if "get_config" in str(error):
            raise UserError(f"--config: {config!r} has no function get_config; see configs/ for examples") from error
        raise UserError(f"the config has no such field: {_innermost(error)}") from error
    except (flags.Error, KeyError, TypeError, ValueError) as error:
        # An error within a config's own code comes with its traceback, the message in the last line.
        raise UserError(str(error).strip().splitlines()[-1]) from error
    if "config" in flags.FLAGS and flags.FLAGS["config"].value is None:
        raise UserError("--config is missing; try --config=configs/quickstart.py")
    return rest


def _innermost(error: BaseException) -> str:
    """The message of an exception that was raised with another exception as its message."""
    message = error.args[0] if error.args else error
    return _innermost(message) if isinstance(message, BaseException) else str(message)
