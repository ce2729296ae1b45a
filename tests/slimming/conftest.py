import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fcn.config.file import Config
from fcn.data.leaks import digest_images
from fcn.data.voc import read_split
from fcn.models.fcn import FCN
from fcn.runs.digests import DataRecord, SplitDigests, TrainingImages, write_record
from fcn.runs.folder import RunFolder
from fcn.runs.licenses import WeightLicense, write_licenses
from fcn.runs.model_file import save_model

WriteRun = Callable[..., Path]


@pytest.fixture
def write_run(dataset: Path, thin_net: Callable[..., FCN], tmp_path: Path) -> WriteRun:
    """Writes a run as a training does, with random weights."""

    def write(**model: Any) -> Path:
        options = {"width": 1 / 16, "fc_channels": 32, "dropout": 0.5} | model
        path = tmp_path / "run"
        run = RunFolder(path)
        values = {
            "data": {"root": str(dataset)},
            "augmentation": {"crop_size": [24, 24]},
            "model": {"net": "fcn8s", **options},
            "train": {"steps": 2, "learning_rate": 1e-3, "log": []},
        }
        save_model(thin_net(8, class_names=("ground", "cat", "dog"), **options), run.best)
        run.config.write_text(Config.model_validate_json(json.dumps(values)).to_yaml())
        images = tuple(digest_images(read_split(dataset, "train")))
        write_record(run.digests, DataRecord(TrainingImages("", "train", images), "val", SplitDigests()))
        write_licenses(path, (WeightLicense("fcn8s-voc", "some", "no", "https://example.org"),))
        return path

    return write
