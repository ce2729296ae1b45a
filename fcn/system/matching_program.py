"""Program of the process of `fcn.system.matching`: reads a regular expression and names, writes what matches.

It is run as a file, without this package, so that it starts at once.
"""

import json
import re
import sys
import warnings


def main() -> None:
    """Answers the request on the standard input, JSON, on the standard output."""
    request = json.load(sys.stdin)
    warnings.simplefilter("ignore")  # about patterns that a later Python reads in another way
    try:
        pattern = re.compile(request["pattern"])
    except (re.error, RecursionError, OverflowError) as error:
        answer: dict[str, object] = {"error": str(error)}
    else:
        answer = {"found": [_found(pattern.search(name)) for name in request["names"]]}
    json.dump(answer, sys.stdout)


def _found(match: re.Match[str] | None) -> str | None:
    if match is None:
        return None
    return match[1] if match.re.groups and match[1] is not None else match[0]


if __name__ == "__main__":
    main()
