"""The names of the classes of a data set: from its own list, or else only where they are certain."""

from collections.abc import Callable, Sequence
from pathlib import Path

from fcn.classes import VOC_CLASS_NAMES, Color
from fcn.data.class_list import CLASS_DOCUMENTS, CLASS_LISTS, DOUBTFUL_CLASS_LISTS, ClassList, read_class_list
from fcn.data.split_list import is_voc_name
from fcn.errors import DataError
from fcn.system.files import is_there

CLASS_LIST = "labels.txt"

_SHOWN_NAMES = 4


def find_names(
    root: Path,
    images: Callable[[], Sequence[str]],
    configured: str | None,
    run_names: tuple[str, ...] | None,
) -> ClassList:
    """Returns the names of the classes of a data set, and their colors where its list has some.

    Without `labels.txt` the names are those of the run, or else Pascal VOC's if the configuration says so or
    all images are named as VOC's; never if the list of another tool names others. Where a file of another
    tool may name classes among other things, only the configuration counts.

    Args:
        root: The data set.
        images: Returns the names of its images.
        configured: `data.classes` of the configuration: "voc" or None.
        run_names: Class names of a run that is resumed.

    Raises:
        DataError: If the names are not known, or the list cannot be used; see `read_class_list`.
    """
    path = find_class_list(root)
    if path is not None:
        return read_class_list(path)
    if run_names is not None:
        return ClassList(run_names, None)
    other = next((path for path in _other_lists(root) if _names_in(path) != VOC_CLASS_NAMES), None)
    named = images()
    stranger = next((name for name in named if not is_voc_name(name)), None)
    if other is not None:
        raise DataError(_explain_other_list(root, other))
    if configured == "voc":
        return ClassList(VOC_CLASS_NAMES, None)
    document = next((path for name in CLASS_DOCUMENTS if is_there(path := root / name)), None)
    if document is not None:
        raise DataError(_explain_document(root, document))
    if named and stranger is None:
        return ClassList(VOC_CLASS_NAMES, None)
    example = f". Received: {stranger!r}" if stranger else ""
    raise DataError(
        f"{root}: has no {CLASS_LIST}, so it is not known which classes its ids mean. Only images that are "
        f"all named as those of Pascal VOC, such as 2007_000032, have its classes{example}. Write "
        f"{root / CLASS_LIST}, one class name a line in the order of the ids, from id 0 on. If the ids are "
        "those of Pascal VOC's 21 classes, set data.classes=voc instead."
    )


def find_class_list(root: Path) -> Path | None:
    """Returns the class list of a data set, whatever the case of its name; None without one."""
    path = root / CLASS_LIST
    if is_there(path):
        return path
    return next((found for found in sorted(root.iterdir()) if found.name.lower() == CLASS_LIST), None)


def read_list_colors(root: Path) -> tuple[Color, ...] | None:
    """Returns the colors that the class list of a data set gives to its classes; None where it has none.

    Raises:
        DataError: If the list cannot be used.
    """
    path = find_class_list(root)
    return None if path is None else read_class_list(path).colors


def _other_lists(root: Path) -> list[Path]:
    names = [name for name in (*CLASS_LISTS, *DOUBTFUL_CLASS_LISTS) if name != CLASS_LIST]
    return [path for name in names if is_there(path := root / name)]


def _names_in(path: Path) -> tuple[str, ...] | None:
    try:
        return read_class_list(path).names
    except DataError:
        return None


def _explain_other_list(root: Path, path: Path) -> str:
    names = _names_in(path)
    shown = ""
    if names:
        more = ", ..." if len(names) > _SHOWN_NAMES else ""
        shown = f" ({len(names)} classes: {', '.join(names[:_SHOWN_NAMES])}{more})"
    return (
        f"{root}: has no {CLASS_LIST}, so it is not known which classes its ids mean. {path.name} lies "
        f"there, which may be the list of another tool{shown}. If it is, copy it to {root / CLASS_LIST}. If "
        "not, write that file, one class name a line in the order of the ids, from id 0 on."
    )


def _explain_document(root: Path, path: Path) -> str:
    return (
        f"{root}: has no {CLASS_LIST}, so it is not known which classes its ids mean. {path.name} lies "
        f"there, in which another tool may name them. Write {root / CLASS_LIST}, one class name a line in "
        "the order of the ids, from id 0 on. If the ids are those of Pascal VOC's 21 classes, set "
        "data.classes=voc instead."
    )
