"""Reads the file `log.csv` of a run."""

import csv
from io import StringIO
from pathlib import Path

from fcn.data.image_io import read_file
from fcn.errors import DataError

COLUMNS = (
    "step",
    "loss",
    "learning_rate",
    "images_per_second",
    "elapsed_seconds",
    "pixel_accuracy",
    "mean_accuracy",
    "mean_iou",
    "frequency_weighted_iou",
    "val_loss",
)
"""Columns of the log; a cell is empty where nothing was measured at that step.

`loss` is the mean over the last steps of their loss; `val_loss` is the mean over the validation images of the
same loss of each whole image. Older versions did not write `val_loss`.
"""


def read_log(path: Path) -> list[dict[str, str]]:
    """Returns the rows of a log as text by column name; none where there is no log.

    Rows that a crash cut short or damaged are left out. Columns that an older version did not write are
    empty; unknown columns are left out.

    Args:
        path: A CSV file; it need not exist.

    Raises:
        DataError: If the file is there but cannot be read.

    Example:
        >>> read_log(Path("no such folder") / "log.csv")
        []
    """
    if not path.exists():
        return []
    text = read_file(path).decode(errors="replace")
    whole = text[: text.rfind("\n") + 1]  # a row without its end may have lost digits
    reader = csv.reader(StringIO(whole, newline=""))
    try:
        header = next(reader, list(COLUMNS))
        place = header.index("step")
        rows = [cells for cells in reader if len(cells) == len(header) and cells[place].isdecimal()]
    except (csv.Error, ValueError) as error:
        raise DataError(
            f"{path}: is not a log of a training ({error}). Expected CSV with the columns "
            f"{', '.join(COLUMNS)}. Move the file away; a training resumes without it."
        ) from error
    found = [dict(zip(header, cells, strict=True)) for cells in rows]
    if header == list(COLUMNS):  # a long log is read often while the net is trained
        return found
    return [{column: row.get(column, "") for column in COLUMNS} for row in found]


def scored_steps(path: Path) -> set[int]:
    """Returns the steps for which a log has scores.

    Raises:
        DataError: If the file is there but cannot be read.
    """
    return {int(row["step"]) for row in read_log(path) if row["pixel_accuracy"]}
