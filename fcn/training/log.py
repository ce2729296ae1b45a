"""What a training writes down as it goes: a CSV for programs, TensorBoard events for people."""

import csv
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import Any

from tensorboard.summary import Writer

from fcn.errors import OutputError
from fcn.files import write_text
from fcn.log_file import COLUMNS, read_log


class TrainingLog:
    """Appends one row at a time to the log and to TensorBoard's events.

    Args:
        log_path: The CSV file.
        events_path: The folder of TensorBoard's event files.
        start_step: Rows after this step are dropped: a resumed training writes them again.

    Raises:
        OutputError: If the log cannot be written.
    """

    def __init__(self, log_path: Path, events_path: Path, start_step: int = 0) -> None:
        self.log_path = log_path
        rows = [row for row in read_log(log_path) if int(row["step"]) <= start_step]
        self.elapsed_seconds = max((float(row["elapsed_seconds"] or 0) for row in rows), default=0.0)
        text = StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_text(log_path, text.getvalue())
        with self._writing():
            self._events = Writer(str(events_path))

    def add(self, row: Mapping[str, Any]) -> None:
        """Appends a row: `step` and any of the other columns; NaN is left empty.

        Raises:
            OutputError: If the log cannot be written.
        """
        known = {
            key: value for key, value in row.items() if not (isinstance(value, float) and math.isnan(value))
        }
        with self._writing():
            with self.log_path.open("a", newline="") as file:
                csv.DictWriter(file, COLUMNS, lineterminator="\n").writerow(known)
            for key in known.keys() - {"step", "elapsed_seconds"}:
                group = "validation" if key.endswith(("accuracy", "iou")) else "training"
                self._events.add_scalar(f"{group}/{key}", float(row[key]), int(row["step"]))
            self._events.flush()

    def close(self) -> None:
        """Closes the event file; what cannot be written any more was reported when it was added."""
        with suppress(Exception):
            self._events.close()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # where TensorFlow is installed, TensorBoard raises TensorFlow's errors
            reason = error.strerror if isinstance(error, OSError) else error
            raise OutputError(
                f"{self.log_path}: the log or TensorBoard's events beside it cannot be written ({reason}). "
                "Free space or choose a folder you may write to."
            ) from error
