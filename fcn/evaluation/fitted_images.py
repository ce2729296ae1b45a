"""Tells where a calibrated net is scored on images that its temperatures were fitted to."""

from pathlib import Path
from typing import Any

from fcn.inference.engines.exported import CALIBRATION
from fcn.runs.calibration_file import read_record
from fcn.runs.folder import exported_version, is_exported, model_file
from fcn.system.json_files import read_json_file
from fcn.system.remedies import as_started


def describe_fitted(model: Path, root: Path, split: str) -> str | None:
    """Returns a note if the temperatures of a net were fitted to half of a split; None if not, or not known.

    Args:
        model: A run folder, a `.keras` file or an export.
        root: The data set; one that was moved since is another.
        split: Name of the split that is scored.
    """
    try:
        record = _read(model)
        fitted_on = Path(record["data"]).resolve(), record["split"]
        if fitted_on != (root.resolve(), split):
            return None
        count = record["fitted_images"]
        return (
            f"Half of these images were fitted to: {model} has its temperatures from {count} images of "
            f"{split} of {root}. So the calibration with temperatures is too good; "
            f"{as_started('python -m fcn calibrate')} reports that of the other half."
        )
    except (OSError, KeyError, TypeError, ValueError):
        return None


def _read(model: Path) -> Any:
    """Returns what the temperatures of a net were fitted on; None if its file does not say.

    Raises:
        OSError: If it is an export that does not say.
        ValueError: If what an export says is damaged.
    """
    if is_exported(model):
        return read_json_file(exported_version(model) / CALIBRATION)
    return read_record(model_file(model))
