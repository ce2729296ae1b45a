"""Text for clients about a version that could not be loaded."""

import re
from pathlib import Path

from fcn.errors import FcnError

_UNEXPECTED = "The version could not be loaded; the log of the server says why."
_ABSOLUTE_PATH = re.compile(r"(?<![\w.:/~])/[^\s:;,'\"()]+(?:/[^\s:;,'\"()]+)+")


def describe_load_error(error: Exception, version: Path) -> str:
    """Returns why a version could not be loaded, without paths of the server. The log has them.

    Args:
        error: The error.
        version: Folder or file of the version.

    Example:
        >>> describe_load_error(FcnError("/srv/voc/3/openvino/int8.xml: is damaged."), Path("/srv/voc/3"))
        'openvino/int8.xml: is damaged.'
    """
    if not isinstance(error, FcnError):  # the text of a library may have any path
        return _UNEXPECTED
    text = str(error)
    places = {str(version), str(version.absolute()), str(version.resolve())}
    for place in sorted(places, key=len, reverse=True):
        if len(Path(place).parts) > 1:
            text = text.replace(f"{place}: ", "").replace(f"{place}/", "").replace(place, "the version")
    return _ABSOLUTE_PATH.sub(lambda match: Path(match[0]).name, text)
