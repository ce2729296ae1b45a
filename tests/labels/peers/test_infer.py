"""datumaro and labelme read what `infer` writes, with labels equal to the pixel."""

import json
import shutil
from pathlib import Path
from typing import Any

import datumaro_program
import numpy as np
import pytest
from labeled_samples import NAMES, make_labels
from peers import run_peer
from PIL import Image

from fcn.classes import Classes
from fcn.data.image_io import Pixels, encode_png
from fcn.inference.engines.engine import Floats, Labeled
from fcn.inference.predictor import Predictor
from fcn.jobs.job import open_job

pytestmark = pytest.mark.slow

FORMS = {"polygons": "coco_instances", "rle": "coco_instances", "cvat": "cvat"}


class Engine:
    """A net that reads the class of a pixel from its brightness."""

    classes = Classes.named(NAMES)
    name, precision, bits = "brightness", "float32", 16

    def label(self, images: Pixels) -> Labeled:
        return Labeled(images[..., 0] // 64, np.ones(images.shape[:3], np.float32))

    def logits(self, images: Pixels) -> Floats:
        return (images[..., :1] // 64 == np.arange(4)).astype(np.float32)


@pytest.fixture(scope="module")
def labeled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images in "in", and a folder of outputs for each kind."""
    folder: Path = tmp_path_factory.mktemp("labeled")
    for place, label in make_labels(void=False).items():
        path = folder / "in" / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode_png(np.stack([label * 64] * 3, axis=-1)))
    for kind in (*FORMS, "labelme"):
        settings: Any = {"model": "brightness"}
        with open_job(folder / kind, [folder / "in"], settings, [kind]) as job:
            job.run(Predictor.from_engine(Engine()))
    return folder


def test_datumaro_reads_coco_and_cvat(labeled: Path) -> None:
    tasks = []
    for kind, form in FORMS.items():
        folder = labeled / "datumaro" / kind
        shutil.copytree(labeled / "in", folder / "images")
        if form == "cvat":
            shutil.copy(labeled / kind / "cvat.xml", folder / "annotations.xml")
        else:
            (folder / "annotations").mkdir()
            shutil.copy(labeled / kind / "coco.json", folder / "annotations" / "instances_default.json")
        tasks.append({"read": form, "folder": folder, "output": labeled / f"{kind}.npz"})
    path = labeled / "tasks.json"
    path.write_text(json.dumps(tasks, default=str))
    run_peer("python", datumaro_program.__file__, path, folder=labeled)
    for kind in FORMS:
        with np.load(labeled / f"{kind}.npz") as content:
            found = dict(content)
        names = found.pop(datumaro_program.NAMES).tolist()
        table = np.array([*(NAMES.index(name) if name in NAMES else 254 for name in names), 0], np.uint8)
        labels = make_labels(void=False)
        assert {name.partition("/")[2] for name in found} == set(labels), kind
        for name, label in found.items():
            np.testing.assert_array_equal(table[label], labels[name.partition("/")[2]], err_msg=kind)


@pytest.mark.parametrize("place", ["train/a", "val/x"])
def test_labelme_draws_its_documents_and_finds_their_images(labeled: Path, place: str) -> None:
    output = labeled / "drawn" / place
    output.parent.mkdir(parents=True, exist_ok=True)
    document = labeled / "labelme" / f"{place}.json"
    run_peer("labelme_export_json", document, "--out", output, folder=labeled)
    names = (output / "label_names.txt").read_text().splitlines()
    table = np.array([{"_background_": 0}.get(name, -1) for name in names])
    table = np.array([NAMES.index(name) if old < 0 else old for name, old in zip(names, table, strict=True)])
    label = table[np.array(Image.open(output / "label.png"))]
    expected = make_labels(void=False)[place]
    np.testing.assert_array_equal(label, expected)
    shown = np.array(Image.open(output / "img.png").convert("RGB"))
    np.testing.assert_array_equal(shown[..., 0] // 64, expected)
