"""Writes the log of a training: a CSV for programs, TensorBoard events and other loggers for people."""

import csv
import math
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
from fcn.system.files import sync, write_durably
from fcn.training.loggers.external import ExternalLoggers


class TrainingLog:
    """Appends one row at a time to the log and to TensorBoard's events.

    Args:
        log_path: The CSV file.
        events_path: The folder of TensorBoard's event files; None for none.
        start_step: Rows after this step are dropped: a resumed training writes them again.
        loggers: Also get the rows and the pictures.

    Raises:
        OutputError: If the log cannot be written.
    """

    def __init__(
        self,
        log_path: Path,
        events_path: Path | None,
        start_step: int = 0,
        loggers: ExternalLoggers | None = None,
    ) -> None:
        self.log_path = log_path
        self.loggers = loggers
        rows = [row for row in read_log(log_path) if int(row["step"]) <= start_step]
        self.elapsed_seconds = max((float(row["elapsed_seconds"] or 0) for row in rows), default=0.0)
        text = StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_durably(log_path, text.getvalue())
        with self._writing():
            self._events = None if events_path is None else EventFileWriter(str(events_path))
            if self._events and start_step:
                # It makes TensorBoard drop what an earlier session wrote for later steps.
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
            with self.log_path.open("a", newline="", encoding="utf-8") as file:
                csv.DictWriter(file, COLUMNS, lineterminator="\n").writerow(known)
            scalars = {
                f"{_group(key)}/{key.removeprefix('val_')}": float(row[key])
                for key in known.keys() - {"step", "elapsed_seconds"}
            }
            values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
            self._write(int(row["step"]), values)
        if self.loggers:
            self.loggers.add_scalars(int(row["step"]), scalars)

    @property
    def shows_images(self) -> bool:
        """Whether anything shows pictures."""
        return bool(self._events or self.loggers)

    def add_images(self, step: int, images: Mapping[str, Pixels]) -> None:
        """Shows pictures in TensorBoard and other loggers, under "predictions" and their names.

        Args:
            step: Of the weights they were made with.
            images: `uint8[H, W, 3]`, RGB, by name.

        Raises:
            OutputError: If the events cannot be written.
        """
        encoded = {f"predictions/{name}": encode_png(image) for name, image in images.items()}
        values = [
            Summary.Value(
                tag=tag,
                image=Summary.Image(
                    height=image.shape[0],
                    width=image.shape[1],
                    colorspace=3,  # RGB
                    encoded_image_string=png,
                ),
            )
            for (tag, png), image in zip(encoded.items(), images.values(), strict=True)
        ]
        with self._writing():
            self._write(step, values)
        if self.loggers:
            self.loggers.add_images(step, encoded)

    def force_to_disk(self) -> None:
        """Waits until every row is on the disk.

        Raises:
            OutputError: If the disk refuses.
        """
        with self._writing():
            sync(self.log_path)

    def close(self) -> None:
        """Closes the event file; errors were raised when the rows were added."""
        if self._events:
            with suppress(Exception):
                self._events.close()

    def _write(self, step: int, values: Sequence[Summary.Value]) -> None:
        if self._events:
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
