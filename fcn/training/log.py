"""Writes the log of a training: a CSV for programs, TensorBoard events for people."""

import csv
import math
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import Any

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from fcn.data.image_io import Pixels, encode_png
from fcn.errors import OutputError
from fcn.runs.log import COLUMNS, read_log
from fcn.system.files import write_durably


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
        write_durably(log_path, text.getvalue())
        with self._writing():
            self._events = EventFileWriter(str(events_path))
            if start_step:  # makes TensorBoard drop what an earlier session wrote for later steps
                again = SessionLog(status=SessionLog.START)
                self._events.add_event(Event(wall_time=time.time(), step=start_step + 1, session_log=again))

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
            values = [
                Summary.Value(tag=f"{_group(key)}/{key.removeprefix('val_')}", simple_value=float(row[key]))
                for key in known.keys() - {"step", "elapsed_seconds"}
            ]
            self._write(int(row["step"]), values)

    def add_images(self, step: int, images: Mapping[str, Pixels]) -> None:
        """Shows pictures in TensorBoard, under "predictions" and their names.

        Args:
            step: Of the weights they were made with.
            images: `uint8[H, W, 3]`, RGB, by name.

        Raises:
            OutputError: If the events cannot be written.
        """
        values = [
            Summary.Value(
                tag=f"predictions/{name}",
                image=Summary.Image(
                    height=image.shape[0],
                    width=image.shape[1],
                    colorspace=3,  # RGB
                    encoded_image_string=encode_png(image),
                ),
            )
            for name, image in images.items()
        ]
        with self._writing():
            self._write(step, values)

    def force_to_disk(self) -> None:
        """Waits until every row is on the disk.

        Raises:
            OutputError: If the disk refuses.
        """
        with self._writing(), self.log_path.open("rb") as file:
            os.fsync(file.fileno())

    def close(self) -> None:
        """Closes the event file; errors were raised when the rows were added."""
        with suppress(Exception):
            self._events.close()

    def _write(self, step: int, values: Sequence[Summary.Value]) -> None:
        self._events.add_event(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))
        self._events.flush()

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


def _group(column: str) -> str:
    is_score = column.startswith("val_") or column.endswith(("accuracy", "iou"))
    return "validation" if is_score else "training"
