"""Whether a file holds whole weights, where no checksum tells."""

from pathlib import Path

from fcn.errors import RunError
from fcn.system.download.page import PAGE_BYTES, is_page, read_page
from fcn.weights.reader import read_layers, recognize

_SHOWN = 16


def find_flaw(path: Path) -> str | None:
    """Returns why a file does not hold whole weights, as a clause; None if it does.

    All of it is read: a file that was cut off begins as a whole one does.

    Args:
        path: The file.

    Raises:
        OSError: If it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(PAGE_BYTES)
    if is_page(head):
        title = read_page(head, "").title
        return f"it is a web page ({title!r})" if title else "it is a web page"
    try:
        recognize(path)
    except RunError:
        return f"it does not hold weights; it begins with {head[:_SHOWN]!r}"
    try:
        for _ in read_layers(path):
            pass
    except RunError as error:
        return str(error).removeprefix(f"{path}: ").removesuffix(".")
    return None
