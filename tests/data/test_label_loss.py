"""Labels stored with loss are refused, or warned of, by the name of the cause."""

from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from conftest import MakeDataset
from PIL import Image

from fcn.classes import VOC_CLASS_NAMES
from fcn.config.sections import DataConfig
from fcn.data.image_io import check_label, encode_label, read_label
from fcn.data.label_loss import looks_lossy, stray_ids
from fcn.errors import DataError
from fcn.training.checked_data import read_checked

Pixels = npt.NDArray[np.uint8]


def draw(seed: int = 0) -> Pixels:
    """A label of a few objects of all sizes, with thin ones."""
    rng = np.random.default_rng(seed)
    label = np.zeros((90, 120), np.uint8)
    for class_id in (15, 9, 20, 3):
        center = rng.integers(10, 80, 2).tolist()
        cv2.circle(label, center, int(rng.integers(4, 25)), class_id, -1)
    cv2.line(label, (0, 5), (119, 80), 7, 1)
    return label


def stored(label: Pixels, kind: str, **options: Any) -> Pixels:
    buffer = BytesIO()
    Image.fromarray(label).save(buffer, kind, **options)
    with Image.open(buffer) as image:
        return np.array(image)


@pytest.mark.parametrize(
    ("kind", "options"),
    [("JPEG", {}), ("WEBP", {"lossless": True}), ("JPEG2000", {}), ("AVIF", {"quality": 100})],
)
def test_a_label_in_a_format_with_loss_is_refused_whatever_its_suffix(
    kind: str, options: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "label.png"
    Image.fromarray(draw()).save(path, kind, **options)
    with pytest.raises(DataError, match=rf"label\.png: is a label stored as {kind}, .*as a PNG"):
        read_label(path)


@pytest.mark.parametrize("quality", [60, 75, 95])
@pytest.mark.parametrize("seed", range(3))
def test_a_png_that_was_a_jpeg_is_recognized(quality: int, seed: int) -> None:
    assert not looks_lossy(draw(seed))
    assert stray_ids(draw(seed)) == [7]
    assert looks_lossy(stored(draw(seed), "JPEG", quality=quality))


@pytest.mark.parametrize("interpolation", [cv2.INTER_LINEAR, cv2.INTER_AREA, cv2.INTER_CUBIC])
def test_a_label_that_was_resized_with_interpolation_is_recognized(interpolation: int) -> None:
    assert looks_lossy(cv2.resize(draw(), (77, 61), interpolation=interpolation).astype(np.uint8))
    nearest = cv2.resize(draw(), (77, 61), interpolation=cv2.INTER_NEAREST).astype(np.uint8)
    assert not looks_lossy(nearest)


def test_the_refusal_of_wrong_ids_names_the_cause(tmp_path: Path) -> None:
    lossy = stored(draw() * 12, "JPEG")
    with pytest.raises(DataError, match=r"seems to have been stored with loss: as a JPEG"):
        check_label(lossy, 21, tmp_path / "a.png")
    with pytest.raises(DataError, match=r"list every class in labels\.txt") as caught:
        check_label(draw() * 12, 21, tmp_path / "a.png")
    assert "loss" not in str(caught.value)


def test_where_all_ids_are_classes_a_training_is_warned(
    make_dataset: MakeDataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["a", "b", "c"]
    splits = {"train": names, "val": ["v"]}
    root = make_dataset(tmp_path, splits, sizes=((90, 120),), class_names=VOC_CLASS_NAMES)
    for number, name in enumerate([*names, "v"]):
        label = draw(number)
        if name not in ("c", "v"):
            label = np.minimum(stored(label, "JPEG"), 20).astype(np.uint8)
        (root / "SegmentationClass" / f"{name}.png").write_bytes(encode_label(label))
    assert len(read_checked(DataConfig(root=root)).train_examples) == 3
    errors = capsys.readouterr().err
    assert errors.count("Warning: 2 labels seem to have been stored with loss: ") == 1
    assert str(root / "SegmentationClass" / "a.png") in errors
    assert "c.png" not in errors
    assert "v.png" not in errors


def test_real_labels_are_not_lossy(voc_root: Path, camvid_root: Path) -> None:
    for root in (voc_root, camvid_root):
        paths = sorted((root / "SegmentationClass").glob("*.png"))
        labels = [read_label(path) for path in paths[:: max(1, len(paths) // 30)]]
        assert not any(looks_lossy(label) for label in labels)
        found = [looks_lossy(stored(label, "JPEG")) for label in labels]
        assert sum(found) > 0.8 * len(found)
