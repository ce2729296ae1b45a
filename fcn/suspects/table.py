"""What is suspicious, as a CSV file."""

import csv
import io

from fcn.suspects.document import suspects_document
from fcn.suspects.search import Suspects
from fcn.system.text import csv_text

COLUMNS = (
    "kind",
    "rank",
    "image",
    "label",
    "fold",
    "quality",
    "given",
    "predicted",
    "doubt",
    "pixels",
    "top",
    "left",
    "height",
    "width",
    "given_probability",
    "predicted_probability",
)
"""The columns: those of images and of regions; what a row has not is empty."""

_PATHS, _NAMES = ("image", "label"), ("given", "predicted")


def suspects_table(suspects: Suspects) -> str:
    """Returns a row for each image, then for each region, the most doubted first.

    Paths are relative to the data set. A spreadsheet takes no cell for a formula.
    """
    document = suspects_document(suspects)
    file = io.StringIO()
    rows = csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n")
    rows.writeheader()
    for kind in ("image", "region"):
        for one in document[f"{kind}s"]:
            row = {"kind": kind, **one}
            row |= zip(("top", "left", "height", "width"), row.pop("box", ()), strict=False)
            rows.writerow({key: _cell(key, value) for key, value in row.items()})
    return file.getvalue()


def _cell(column: str, value: object) -> object:
    if column in _PATHS:
        return csv_text(str(value), "./")
    if column in _NAMES:
        return csv_text(str(value))
    return f"{value:.6f}" if isinstance(value, float) else value
