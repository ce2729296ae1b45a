"""labelme's own converter draws what is exported, and what is imported, with labels equal to the pixel.

labelme is under the GPL: it is run as a program, and nothing of it is imported.
"""

import base64
import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from labeled_samples import NAMES, make_labels, write_root
from peers import run_peer
from PIL import Image

from fcn.classes import VOID
from fcn.cli.main import main
from fcn.data.class_table import IGNORE, LABELME_BACKGROUND
from fcn.labels.importing.readers import labelme

pytestmark = pytest.mark.slow


def converted(document: Path, folder: Path) -> tuple[np.ndarray, list[str]]:
    """Returns the label that labelme makes of a document, and the names of its values."""
    output = folder / document.stem
    run_peer("labelme_export_json", document, "--out", output, folder=folder)
    names = (output / "label_names.txt").read_text().splitlines()
    return np.array(Image.open(output / "label.png")), names


def test_labelme_draws_what_is_exported(tmp_path: Path) -> None:
    write_root(tmp_path / "root")
    with pytest.raises(SystemExit):
        main(
            [
                "data",
                "export",
                str(tmp_path / "root"),
                "--format",
                "labelme",
                "--output",
                str(tmp_path / "out"),
            ]
        )
    ids = {name: number for number, name in enumerate(NAMES)} | {LABELME_BACKGROUND: 0, IGNORE: VOID}
    labels = make_labels()
    for place in ("train/a", "val/x"):
        found, names = converted(tmp_path / "out" / f"{place}.json", tmp_path)
        table = np.array([ids[name] for name in names], np.uint8)
        np.testing.assert_array_equal(table[found], labels[place], err_msg=place)


def make_shape(kind: str, rng: np.random.Generator, size: tuple[int, int]) -> dict[str, object]:
    """Returns a shape at random coordinates, also beyond the image."""
    count = {"polygon": int(rng.integers(3, 9)), "linestrip": 4, "point": 1}.get(kind, 2)
    points = rng.uniform(-5, np.array(size[::-1]) + 5, (count, 2)).round(3)
    mask = None
    if kind == "rectangle":
        points = np.sort(points, axis=0)  # this version of labelme draws no others
    if kind == "mask":
        height, width = rng.integers(3, 9, 2).tolist()
        corner = rng.integers(0, np.array(size[::-1]) - 9)
        points = np.array([corner, corner + np.array([width - 1, height - 1])], float)
        buffer = BytesIO()
        Image.fromarray(rng.integers(0, 2, (height, width)).astype(np.uint8) * 255).save(buffer, "PNG")
        mask = base64.b64encode(buffer.getvalue()).decode()
    label = str(rng.choice(["cat", "dog", "tree trunk"]))
    return {"label": label, "points": points.tolist(), "shape_type": kind, "flags": {}, "mask": mask}


def test_all_kinds_of_shapes_are_drawn_as_labelme_draws_them(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    size = (120, 150)
    kinds = ("polygon", "rectangle", "circle", "mask", "line", "linestrip", "point") * 6
    Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)).save(tmp_path / "a.png")
    document = {
        "version": "5.11.4",
        "flags": {},
        "shapes": [make_shape(kind, rng, size) for kind in kinds],
        "imagePath": "a.png",
        "imageData": None,
        "imageHeight": size[0],
        "imageWidth": size[1],
    }
    (tmp_path / "a.json").write_text(json.dumps(document))
    drawn, names = converted(tmp_path / "a.json", tmp_path)
    source = labelme.read(tmp_path)
    (item,) = source.items
    keys = {one.name: key for key, one in source.classes.items()} | {LABELME_BACKGROUND: 0}
    table = np.array([keys[name] for name in names], np.int32)
    np.testing.assert_array_equal(item.read_keys(size), table[drawn])
