"""The command line: parses arguments, runs one command and reports its error.

Only this file prints errors and exits; each command has a file beside it.
"""

import argparse
import errno
import io
import os
import re
import sys
import sysconfig
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from fcn.cli import (
    calibrate,
    compare,
    convolutionalize,
    data,
    doctor,
    evaluate,
    export,
    import_weights,
    infer,
    inspect,
    plan,
    serve,
    slim,
    suggest,
    train,
    weights,
)
from fcn.config.file import is_configuration, load_saved_config
from fcn.errors import FcnError
from fcn.runs.folder import RunFolder
from fcn.system.remedies import naming_options
from fcn.system.shell import quoted
from fcn.system.stop_signals import StopSignals
from fcn.system.text import print_notice, printable
from fcn.version import __version__

COMMANDS = (
    train,
    evaluate,
    calibrate,
    infer,
    export,
    serve,
    import_weights,
    convolutionalize,
    inspect,
    compare,
    plan,
    slim,
    suggest,
    data,
    weights,
    doctor,
)
"""The file of each command: `add_parser` adds it and its arguments, `run` does its work."""

_FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS)
_BROKEN_PIPE = 141  # as shells say it: 128 and the number of SIGPIPE
_LOADER_LACKS_MEMORY = ("failed to map segment", "Cannot allocate memory", "cannot allocate memory")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs one command and exits.

    Exit codes: 0 success; 1 partial failure, a loss that is not finite, or an export whose
    labels differ from its net's; 2 a mistake that the user can correct; 130 interrupted; 141 the program that
    reads the output has ended; 143 told to stop.

    Args:
        arguments: The command and its arguments; None for those of this process.
    """
    _escape_unencodable()
    options = build_parser().parse_args(arguments)
    options.command_line = ["fcn", *(sys.argv[1:] if arguments is None else arguments)]
    # Pillow warns of damaged EXIF data; what it could read of them is used.
    warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # a damaged file is reported once, by us
    stop_signals = StopSignals()
    sys.excepthook = _print_traceback
    try:
        with naming_options():
            options.run_command(options)
        sys.stdout.flush()
    except BrokenPipeError:  # what reads the output has ended, as `head` does
        _discard_output()
        sys.exit(_BROKEN_PIPE)
    except (MemoryError, ImportError) as error:
        if not _lacks_memory(error):
            raise
        print_notice(
            "Error: there is not enough memory. Close other programs, raise the limit (ulimit -v), or choose "
            "smaller batches or windows."
        )
        sys.exit(2)
    except FcnError as error:
        first, *more = error.args
        print_notice(f"Error: {first}", *more)
        sys.exit(error.exit_code)
    except OSError as error:
        message = _explain(error, options)
        if message is None:
            raise
        _discard_output()
        print_notice(f"Error: {message}")
        sys.exit(2)
    except KeyboardInterrupt:
        then = getattr(options, "when_interrupted", "")  # of commands that go on where they were stopped
        print_notice(f"Interrupted. What was written so far is intact. {then}".rstrip())
        sys.exit(130)
    finally:
        stop_signals.close()
    sys.exit(stop_signals.exit_code)  # 0, unless something caught what a signal raised


def _escape_unencodable() -> None:
    """Lets Python print what the encoding of stdout cannot hold as escapes, as it does on stderr."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _discard_output() -> None:
    """Lets Python discard what it could not print, which it would try and report again when it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 (it ends with the process)


def _lacks_memory(error: BaseException) -> bool:
    """Returns whether Python or the loader of a package's native code ran out of memory."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in _LOADER_LACKS_MEMORY)


def _print_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Prints the traceback of a bug, whose message may quote what is in a file."""
    print_notice(*"".join(traceback.format_exception(kind, error, trace)).rstrip("\n").split("\n"))


def _explain(error: OSError, options: argparse.Namespace) -> str | None:
    """Returns the message for an error of the operating system that the user can correct; None for a bug.

    The user can free space on a full disk and correct what is wrong with a file that they named. Another file
    that the system refuses to open, such as a temporary one, needs other permissions, unless it is installed
    with this package or Python. All else is a bug.

    Args:
        error: The error.
        options: Arguments of the command.
    """
    # An error names a path, the number of an open file, or nothing.
    is_path = isinstance(error.filename, (str, bytes, os.PathLike))
    path = os.fsdecode(error.filename) if is_path else ""
    if error.errno in _FULL_DISK:
        return (
            f"{path}{': ' if path else ''}{error.strerror}. Free space, then run the same command again. The "
            "environment variable TMPDIR can move temporary files to another disk."
        )
    if not path or _is_installed(path):
        return None
    if error.errno not in _REFUSED and not _is_named_by_user(path, options):
        return None
    return f"{path}: {error.strerror}. Check the path and its permissions."


def _is_installed(path: str) -> bool:
    """Returns whether a file is in this package, in Python or in another installed package."""
    places = sysconfig.get_paths()
    installed = [str(Path(__file__).parents[1]), *(places[name] for name in ("stdlib", "purelib", "platlib"))]
    return any(_is_below(_spellings(path), _spellings(folder)) for folder in installed)


def _is_named_by_user(path: str, options: argparse.Namespace) -> bool:
    """Returns whether the user named a file, a folder it lies in, or something below it."""
    spellings = _spellings(path)
    return any(
        _is_below(spellings, named) or _is_below(named, spellings)
        for named in map(_spellings, _named_paths(options))
    )


def _is_below(paths: set[Path], folders: set[Path]) -> bool:
    return any(path.is_relative_to(folder) for path in paths for folder in folders)


def _spellings(path: str | Path) -> set[Path]:
    """Returns a path without and with the targets of its links."""
    return {Path(os.path.abspath(path)), Path(os.path.realpath(path))}


def _named_paths(options: argparse.Namespace) -> list[Path]:
    """Returns what may be a path in the arguments of a command and in the configurations they name."""
    values = [value for name, value in vars(options).items() if name != "command_line"]
    each = [one for value in values for one in (value if isinstance(value, (list, tuple)) else [value])]
    texts = [str(one) for one in each if isinstance(one, (str, Path))]
    found = [Path(text) for text in (*texts, *(text.rpartition("=")[2] for text in texts)) if text]
    for path in tuple(found):
        # Quietly: the command itself gave the hint about an older name.
        with suppress(FcnError, OSError):
            config = load_saved_config(path if is_configuration(path) else RunFolder(path).config)
            found += [config.data.root, Path(config.model.weights)]
    return found


class _Parser(argparse.ArgumentParser):
    """Parser of the command line, and of each command."""

    _words: Sequence[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parses words as argparse does, and keeps them for `error`."""
        self._words = sys.argv[1:] if args is None else args
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Reports a wrong argument, which may be the name of a file, and exits."""
        if re.search(r"unrecognized arguments: (.* )?[a-z]+\.[a-z_]+=", message):
            message += "; each SECTION.KEY=VALUE needs its own --set: --set A=1 --set B=2"
        if message.startswith("unrecognized arguments: ") and any(map(_is_part, _settings(self._words))):
            example = quoted("loss.terms={focal: 1, dice: 2}")
            message += f"; a value with spaces or braces needs quotes: --set {example}"
        super().error(printable(message))


def _settings(words: Sequence[str]) -> Iterator[str]:
    """Yields what follows each --set."""
    for option, word in pairwise(("", *words)):
        if option == "--set":
            yield word
        elif word.startswith("--set="):
            yield word.removeprefix("--set=")


def _is_part(setting: str) -> bool:
    r"""Returns whether a setting is the first part of one that a shell divided: at spaces, or at its braces.

    Example:
        >>> [_is_part(one) for one in ("a={b:", "a=[1,", "a=bc:1", "a={b: 1}", "a=[1,2]", r"a=C:\x")]
        [True, True, True, False, False, False]
    """
    opened = any(setting.count(left) > setting.count(right) for left, right in ("{}", "[]"))
    return opened or re.search(r"=\w{2,}:", setting) is not None  # `=C:` is a drive


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line, with all commands."""
    parser: argparse.ArgumentParser = _Parser(
        prog="fcn",
        description="Fully convolutional networks for semantic segmentation on Keras.",
        epilog="fcn COMMAND --help shows an example of each.",
    )
    parser.add_argument("--version", action="version", version=f"fcn {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    return parser
