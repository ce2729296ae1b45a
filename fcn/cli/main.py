"""The command line: reads arguments, runs one command, says what went wrong.

The only place that prints an error or exits; the other files of this folder hold the commands.
"""

import argparse
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import NoReturn

from fcn.cli import (
    compare,
    convolutionalize,
    data,
    evaluate,
    export,
    import_weights,
    infer,
    inspect,
    serve,
    train,
)
from fcn.errors import FcnError
from fcn.version import __version__

COMMANDS = (
    train,
    evaluate,
    infer,
    export,
    serve,
    import_weights,
    convolutionalize,
    inspect,
    compare,
    data,
)
"""The file of each command: `add_parser` adds it and its arguments, `run` does its work."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs one command and exits.

    Exit codes: 0 success; 1 partial failure, a loss that is not finite or an export that labels
    otherwise than its net; 2 a mistake the user can mend; 130 interrupted; 143 told to stop.

    Args:
        arguments: The command and its arguments; None for those of this process.
    """
    options = _parser().parse_args(arguments)
    options.command_line = ["fcn", *(sys.argv[1:] if arguments is None else arguments)]
    # Pillow complains about damaged EXIF data, which nobody here needs.
    warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")  # what it finds in a damaged file is said once, here
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        options.run_command(options)
    except FcnError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.filename is None:
            raise
        print(
            f"Error: {error.filename}: {error.strerror}. Check the path and its permissions.", file=sys.stderr
        )
        sys.exit(2)
    except KeyboardInterrupt:
        print("Interrupted. What was written so far is intact.", file=sys.stderr)
        sys.exit(130)
    sys.exit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fcn",
        description="Fully convolutional networks for semantic segmentation on Keras.",
        epilog="fcn COMMAND --help shows an example of each.",
    )
    parser.add_argument("--version", action="version", version=f"fcn {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add_parser(commands)
    return parser
