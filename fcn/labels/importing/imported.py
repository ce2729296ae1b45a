"""Imports labels of another tool in one call."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from fcn.errors import FcnError
from fcn.labels.importing.choice import ClassOptions
from fcn.labels.importing.importer import DEFAULT_DIVISION, ImportOptions, Plan, plan_import, write_import
from fcn.labels.importing.place import open_sources
from fcn.labels.importing.text import class_rows, describe_plan, notes, title
from fcn.system.atomic_folder import clear_new_folder
from fcn.system.notebook import html_lines, html_table
from fcn.system.text import counted, printable

_ARGUMENTS = {
    "--classes": "classes",
    "--map": "renamed",
    "--merge": "renamed",
    "--void": "void",
    "--background": "background",
    "--val": "val",
    "--group-by": "group_by",
}
"""Arguments of `import_labels` by the option of the command."""
_OPTIONS = re.compile(rf"(?<!\S)({'|'.join(_ARGUMENTS)})\b(?!-)(?: or --merge)?")
_OTHERS = re.compile(r"(?<!\S)--[a-z][a-z-]+")
_COMMAND = re.compile(r"\bfcn data export\b[^)]*")
"""A whole command in a message, in parentheses: its options are its own."""


class ImportedLabels(NamedTuple):
    """A data set that was made of the labels of another tool.

    Attributes:
        root: The data set, in VOC layout.
        plan: What was read, and what became of it.
    """

    root: Path
    plan: Plan

    def __str__(self) -> str:
        """Returns the classes as a table, with what was read above it and notes below."""
        return "\n".join(map(printable, [*describe_plan(self.plan), self._written()]))

    def _repr_html_(self) -> str:
        """Returns the same for notebooks."""
        below = html_lines([*notes(self.plan), self._written()])
        return html_lines([title(self.plan)]) + html_table(class_rows(self.plan)) + below

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        """Prints the table in IPython, in place of all that is in it."""
        printer.text(str(self))

    def _written(self) -> str:
        return f"Wrote {self.root}/: {counted(len(self.plan.names), 'image')} with labels, in VOC layout."


def import_labels(
    sources: Path | str | Sequence[Path | str],
    root: Path | str,
    *,
    classes: Sequence[str] = (),
    renamed: Mapping[str, str] | None = None,
    void: Sequence[str] = (),
    background: str | None = None,
    val: float | None = None,
    group_by: str | None = None,
) -> ImportedLabels:
    """Imports images with the labels of another tool, as a data set in VOC layout.

    It does what `fcn data import` does, and its messages name that command's options beside the arguments:
    `--map OLD=NEW` is `renamed={"OLD": "NEW"}`. Images are hard-linked where that is possible.

    Args:
        sources: Folders of images and labels in any known form, archives of them, or files of labels.
        root: A new folder.
        classes: Names of the classes, in the order of their ids; empty for those of the source.
        renamed: New names of classes of the source; those with the same one become one class.
        void: Classes of the source that are neither learned nor scored.
        background: The class of the source that gets the id 0; None for the source's own.
        val: Share of the images to score on; None for the splits of the source, or else 0.2.
        group_by: Pattern; images in whose names it matches the same stay in one split.

    Raises:
        ConfigError: If the share or the pattern does not fit.
        DataError: If the labels cannot be used.
        OutputError: If `root` holds something, or cannot be written to.
    """
    root = Path(root)
    clear_new_folder(root)
    class_options = ClassOptions(tuple(classes), tuple((renamed or {}).items()), tuple(void), background)
    division = None
    if val is not None or group_by is not None:
        share = DEFAULT_DIVISION.val if val is None else val
        division = DEFAULT_DIVISION._replace(val=share, group_by=group_by)
    named = [Path(one) for one in ([sources] if isinstance(sources, str | Path) else sources)]
    with _naming_arguments(), open_sources(named, root) as opened:
        plan = plan_import(opened.paths, ImportOptions(classes=class_options, division=division))
        shown = [name_arguments(opened.name(note)) for note in plan.notes]
        plan = plan._replace(sources=tuple(named), notes=shown)
        write_import(plan, root)
    return ImportedLabels(root, plan)


@contextmanager
def _naming_arguments() -> Iterator[None]:
    """Makes errors of the block name arguments beside options."""
    try:
        yield
    except FcnError as error:
        error.args = tuple(name_arguments(str(text)) for text in error.args)
        raise


def name_arguments(message: str) -> str:
    """Returns a message of `fcn data import` that names the arguments of `import_labels` beside options.

    Args:
        message: It names options alone. One without an argument stays, and where it can be given is added.

    Example:
        >>> name_arguments("--map or --merge: the source has no class 'dog'.")
        "renamed (--map or --merge): the source has no class 'dog'."
        >>> name_arguments("Leave them out with --fit skip.")
        'Leave them out with --fit skip. Only `python -m fcn data import` has --fit.'
    """
    named = _OPTIONS.sub(lambda found: f"{_ARGUMENTS[found[1]]} ({found[0]})", message)
    options = dict.fromkeys(_OTHERS.findall(_COMMAND.sub("", message)))
    others = [option for option in options if option not in _ARGUMENTS]
    return f"{named} Only `python -m fcn data import` has {', '.join(others)}." if others else named
