"""Imports labels of another tool in one call."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from fcn.labels.importing.choice import Wishes
from fcn.labels.importing.importer import DEFAULT_DIVISION, ImportOptions, Plan, plan_import, write_import
from fcn.labels.importing.place import open_sources
from fcn.labels.importing.text import class_rows, describe_plan, notes, title
from fcn.system.atomic_folder import clear_new_folder
from fcn.system.notebook import html_lines, html_table
from fcn.system.text import counted, printable


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

    It does what `fcn data import` does, and its messages name that command's options: `--map OLD=NEW` is
    `renamed={"OLD": "NEW"}`. Images are hard-linked where that is possible.

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
    wishes = Wishes(tuple(classes), tuple((renamed or {}).items()), tuple(void), background)
    division = None
    if val is not None or group_by is not None:
        share = DEFAULT_DIVISION.val if val is None else val
        division = DEFAULT_DIVISION._replace(val=share, group_by=group_by)
    named = [Path(one) for one in ([sources] if isinstance(sources, str | Path) else sources)]
    with open_sources(named, root) as opened:
        plan = plan_import(opened.paths, ImportOptions(wishes=wishes, division=division))
        plan = plan._replace(sources=tuple(named), notes=[opened.name(note) for note in plan.notes])
        write_import(plan, root)
    return ImportedLabels(root, plan)
