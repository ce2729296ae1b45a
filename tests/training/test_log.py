import math
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

import fcn
from fcn.errors import OutputError
from fcn.runs.log import COLUMNS, read_log
from fcn.training.log import TrainingLog


def open_log(folder: Path, start_step: int = 0) -> TrainingLog:
    return TrainingLog(folder / "log.csv", folder / "events", start_step)


def test_writes_rows_that_come_back(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.add({"step": 10, "loss": 0.1, "learning_rate": 1e-3, "elapsed_seconds": 2.0})
    log.add({"step": 10, "mean_iou": 0.25, "pixel_accuracy": math.nan})
    log.close()
    first, second = read_log(tmp_path / "log.csv")
    assert tuple(first) == COLUMNS
    assert (first["step"], float(first["loss"]), first["mean_iou"]) == ("10", 0.1, "")
    assert (second["mean_iou"], second["pixel_accuracy"]) == ("0.25", "")


def test_tensorboard_gets_the_same(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.add({"step": 7, "loss": 0.5, "mean_iou": 0.25, "val_loss": 0.75})
    log.close()
    (file,) = (tmp_path / "events").iterdir()
    found = {
        value.tag: (event.step, value.tensor.float_val[0])
        for event in EventFileLoader(str(file)).Load()
        for value in event.summary.value
    }
    assert found == {
        "training/loss": (7, 0.5),
        "validation/mean_iou": (7, 0.25),
        "validation/loss": (7, 0.75),
    }


def test_tensorboard_shows_pictures_pixel_by_pixel(tmp_path: Path, rng: np.random.Generator) -> None:
    pictures = {name: rng.integers(0, 256, (5, 9, 3), np.uint8) for name in ("a", "b")}
    log = open_log(tmp_path)
    log.add({"step": 7, "loss": 0.5})
    log.add_images(7, pictures)
    log.add_images(9, {"a": pictures["b"]})
    log.close()
    found = EventAccumulator(str(tmp_path / "events")).Reload()
    assert found.Tags()["images"] == ["predictions/a", "predictions/b"]
    first, second = found.Images("predictions/a")
    assert [(image.step, image.height, image.width) for image in (first, second)] == [(7, 5, 9), (9, 5, 9)]
    for image, name in ((first, "a"), (second, "b")):
        decoded = Image.open(BytesIO(image.encoded_image_string))
        assert (np.asarray(decoded) == pictures[name]).all()
    assert found.Scalars("training/loss")[0].value == 0.5


WITHOUT_TENSORFLOW = """
import sys
sys.modules |= {"tensorflow": None, "keras": None}
from pathlib import Path
import numpy as np
from fcn.training.log import TrainingLog
log = TrainingLog(Path(sys.argv[1], "log.csv"), Path(sys.argv[1], "events"))
log.add({"step": 7, "loss": 0.5})
log.add_images(7, {"a": np.full((2, 3, 3), 9, np.uint8)})
log.close()
"""


def test_events_are_written_without_tensorflow(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(fcn.__file__).parents[1])}
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW, str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = EventAccumulator(str(tmp_path / "events")).Reload()
    assert [event.value for event in found.Scalars("training/loss")] == [0.5]
    assert [image.step for image in found.Images("predictions/a")] == [7]


def test_resuming_drops_the_rows_that_will_come_again(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    for step in (10, 20, 30):
        log.add({"step": step, "loss": 1.0, "elapsed_seconds": float(step)})
    log.close()
    with (tmp_path / "log.csv").open("a") as file:
        file.write("40,0.")  # the process died here
    log = open_log(tmp_path, start_step=20)
    log.close()
    assert [row["step"] for row in read_log(tmp_path / "log.csv")] == ["10", "20"]
    assert log.elapsed_seconds == 20


def test_a_log_without_the_column_of_the_validation_loss_goes_on(tmp_path: Path) -> None:
    older = COLUMNS[: COLUMNS.index("val_loss")]
    (tmp_path / "log.csv").write_text(f"{','.join(older)}\n10,1.5,0.1,9,61,,,,\n10,,,,,0.5,0.5,0.4,0.3\n")
    log = open_log(tmp_path, start_step=10)
    assert log.elapsed_seconds == 61
    log.add({"step": 20, "mean_iou": 0.5, "val_loss": 2.5})
    log.close()
    rows = read_log(tmp_path / "log.csv")
    assert [(row["loss"], row["mean_iou"], row["val_loss"]) for row in rows] == [
        ("1.5", "", ""),
        ("", "0.4", ""),
        ("", "0.5", "2.5"),
    ]


def test_a_disk_full_of_events_is_the_users_to_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = open_log(tmp_path)

    class ResourceExhaustedError(Exception):
        """Stands for TensorFlow's error, which is no OSError."""

    def flush() -> None:
        raise ResourceExhaustedError("No space left on device")

    monkeypatch.setattr(log._events, "flush", flush)
    with pytest.raises(OutputError, match=r"log\.csv.*No space left"):
        log.add({"step": 1, "loss": 1.0})
    log.close()


def test_an_unwritable_log_is_the_users_to_mend(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        TrainingLog(tmp_path / "file" / "log.csv", tmp_path / "events")


def test_a_log_that_is_a_link_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "log.csv").symlink_to(tmp_path / "victim")
    log = open_log(tmp_path / "run")
    log.add({"step": 7, "loss": 0.5})
    log.close()
    assert (tmp_path / "victim").read_text() == "mine"
    assert not (tmp_path / "run" / "log.csv").is_symlink()
