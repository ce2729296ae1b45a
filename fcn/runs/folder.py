"""Names and places of the files in a run folder and an export.

Nothing here imports Keras, which takes seconds.
"""

import zipfile
from pathlib import Path

from fcn.config.file import Config, is_configuration, load_saved_config
from fcn.errors import RunError
from fcn.system.remedies import as_started
from fcn.system.shell import join_words

DIGESTS = "digests.json"
"""Name of the digests of the training data in a run and in an exported version (`fcn.runs.digests`)."""

_WEIGHT_SUFFIXES = (".caffemodel", ".npz", ".pt", ".pth", ".safetensors")
"""Suffixes of weights that `fcn import` reads, and that no model of ours has."""

_COMPUTING = ("saved_model.pb", "fingerprint.pb", "variables", "assets", "openvino", "engines.json")
"""Files and folders of an exported version that are used to label images."""
_TENSORS = ("variables/variables.data-*", "openvino/float32.bin")
"""The index beside the first has a checksum of each tensor; OpenVINO's float32 are the same."""


class RunFolder:
    """The folder of a run, which holds everything that a training writes.

    Attributes:
        path: The folder.
        config: `config.yaml`, every default spelled out.
        last: `checkpoints/last.keras`, to resume from.
        earlier: Pattern of the checkpoints before the last, `checkpoints/step_NNNNNNNN.keras`.
        best: `checkpoints/best.keras`, the checkpoint with the best validation mean IoU.
        log: `log.csv`, a row every few steps.
        events: `events/`, the same for TensorBoard.
        loggers: `loggers/NAME/`, ids and files of other loggers (`train.log`); only where there are any.
        scores: `scores.json`, the scores of the best checkpoint.
        environment: `environment.json`, versions and git hash.
        changes: `changes.json`, what was changed when the training was resumed; only where something was.
        length: `length.json`, the steps that `train.hours` became, and what they were computed from; only
            where a training has hours.
        digests: `digests.json`, digests of the data it is trained and scored on.
        unpacked: `unpacked/`, the pixels of large training images; only until the training is finished.
        splits: `splits/`, lists of the training and the validation images; only where the training chose
            these (`data.val_share`).
        report: `report.html`.
        lock: `.lock`, present while a training writes to the folder, or after one that was killed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.yaml"
        self.last = path / "checkpoints" / "last.keras"
        self.earlier = path / "checkpoints" / "step_*.keras"
        self.best = path / "checkpoints" / "best.keras"
        self.log = path / "log.csv"
        self.events = path / "events"
        self.loggers = path / "loggers"
        self.scores = path / "scores.json"
        self.environment = path / "environment.json"
        self.digests = path / DIGESTS
        self.length = path / "length.json"
        self.changes = path / "changes.json"
        self.unpacked = path / "unpacked"
        self.splits = path / "splits"
        self.report = path / "report.html"
        self.lock = path / ".lock"

    def exists(self) -> bool:
        """Returns whether a run was started here."""
        return self.config.exists()

    def checkpoints(self) -> list[Path]:
        """Returns the checkpoints to resume from, the latest first."""
        earlier = sorted(self.earlier.parent.glob(self.earlier.name), reverse=True)
        return [path for path in (self.last, *earlier) if path.exists()]

    def load_config(self) -> Config:
        """Returns the configuration the run was started with.

        Raises:
            ConfigError: If it cannot be read.
        """
        return load_saved_config(self.config)


def is_exported(path: Path) -> bool:
    """Returns whether a folder is an export: a SavedModel, or a folder of numbered ones and no run."""
    if (path / "saved_model.pb").exists():
        return True
    return bool(exported_versions(path)) and not _holds_checkpoint(path)


def _holds_checkpoint(path: Path) -> bool:
    run = RunFolder(path)
    return run.best.exists() or run.last.exists()


def exported_versions(path: Path) -> list[Path]:
    """Returns the version folders of an export, the oldest first."""
    if not path.is_dir():
        return []
    versions = [
        found for found in path.iterdir() if found.name.isdecimal() and (found / "saved_model.pb").exists()
    ]
    return sorted(versions, key=lambda found: int(found.name))


def exported_version(path: Path) -> Path:
    """Returns the folder of one version of an export: the path itself, or the highest version in it."""
    return path if (path / "saved_model.pb").exists() else exported_versions(path)[-1]


def identifying_files(version: Path, engine: str = "auto") -> list[Path]:
    """Returns the files that differ between versions of an export with different results.

    Files that describe it are left out, and so are formats that are not used. The largest files are left out
    too, if others hold their checksums.

    Args:
        version: Folder of the version.
        engine: Name of the engine that labels. "onnx" and "litert" use the folder of their format.
    """
    return sorted(
        found
        for found in version.rglob("*")
        if found.is_file()
        and found.relative_to(version).parts[0] in (*_COMPUTING, engine)
        and not any(found.match(pattern) for pattern in _TENSORS)
    )


def model_file(path: Path) -> Path:
    """Returns the `.keras` file of a run folder, or the file itself.

    Args:
        path: A run folder, for its best checkpoint or else its last one, or a `.keras` file.

    Raises:
        RunError: If there is none, or the file is by its name a configuration or weights in another form.
    """
    if path.is_dir():
        run = RunFolder(path)
        found = next((file for file in (run.best, run.last) if file.exists()), None)
        if found is None:
            raise RunError(
                f"{path}: holds no model. Expected a run folder with checkpoints, a .keras file or an "
                "exported folder. A training writes its first checkpoint after train.checkpoint_steps."
            )
        return found
    if not path.exists():
        raise RunError(
            f"{path}: no such model. Expected a run folder, a .keras file, an exported folder, or a name "
            f"that {as_started('python -m fcn weights')} lists."
        )
    run_path = f"runs/{path.stem}"
    if is_configuration(path):
        raise RunError(
            f"{path}: is a configuration, and no net yet. Train it first "
            f"({as_started('python -m fcn train')} {join_words([path, '--run', run_path])}), then give the "
            f"run, {run_path}."
        )
    if path.suffix in _WEIGHT_SUFFIXES:
        raise RunError(
            f"{path}: holds weights of another library. Import them first "
            f"({as_started('python -m fcn import')} {join_words([path, '--output', run_path])}), then give "
            f"the run, {run_path}."
        )
    return path


def net_file(path: Path) -> Path:
    """Returns the `.keras` file of a net that can be trained, as `model_file` does, and checks it.

    Args:
        path: A run folder or a `.keras` file.

    Raises:
        RunError: If there is none, or the file is not a `.keras` file.
    """
    if is_exported(path):
        raise RunError(
            f"{path}: is an exported model, which labels images but cannot be trained or exported again. "
            "Give the run folder or the .keras file it came from."
        )
    file = model_file(path)
    if not zipfile.is_zipfile(file):
        raise RunError(
            f"{file}: cannot be read; it is not a .keras file, or only a part of one. "
            "Copy it again, or train the net again. Published weights in HDF5 are imported first: "
            f"{as_started('python -m fcn import')}."
        )
    return file
