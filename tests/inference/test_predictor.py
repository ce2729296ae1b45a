"""Tests of labeling one image."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from fcn.classes import VOC_CLASS_NAMES, Classes
from fcn.errors import DataError, RunError
from fcn.inference.predictor import Prediction, Predictor
from fcn.models.fcn import FCN


@pytest.fixture(scope="module")
def predictor(net: FCN) -> Predictor:
    return Predictor(net)


@pytest.fixture
def image(rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    coarse = rng.integers(0, 256, (6, 8, 3), np.uint8)
    return cv2.resize(coarse, (61, 45), interpolation=cv2.INTER_CUBIC).astype(np.uint8)


def test_the_label_is_the_class_with_the_largest_logit(
    predictor: Predictor, net: FCN, image: npt.NDArray[np.uint8]
) -> None:
    prediction = predictor.predict(image)
    expected = net.predict_on_batch(image[np.newaxis].astype(np.float32)).argmax(axis=-1)[0]
    assert prediction.label.dtype == np.uint8
    assert len(np.unique(expected)) > 1
    # Graph and eager kernels may round a tie to different sides.
    assert (prediction.label == expected).mean() > 0.999
    assert prediction.classes == predictor.classes == net.classes


def test_bytes_paths_and_pixels_agree(
    predictor: Predictor, image: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(cv2.imencode(".png", image[..., ::-1])[1].tobytes())
    label = predictor.predict(image).label
    for given in (path, str(path), path.read_bytes()):
        np.testing.assert_array_equal(predictor.predict(given).label, label)


def test_a_net_as_a_file_says_the_same(
    predictor: Predictor, model_path: Path, image: npt.NDArray[np.uint8]
) -> None:
    label = predictor.predict(image).label
    for given in (model_path, str(model_path)):
        loaded = Predictor(given)
        assert loaded.classes == predictor.classes
        np.testing.assert_array_equal(loaded.predict(image).label, label)


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (33, 2), (70, 71)])
def test_the_label_has_the_size_of_the_image(predictor: Predictor, size: tuple[int, int]) -> None:
    assert predictor.predict(np.zeros((*size, 3), np.uint8)).label.shape == size


def test_a_photograph_is_labeled_at_its_own_size(predictor: Predictor, voc_root: Path) -> None:
    path = sorted((voc_root / "JPEGImages").glob("*.jpg"))[0]
    height, width = cv2.imread(str(path)).shape[:2]
    assert predictor.predict(path).label.shape == (height, width)


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 5, 3), np.float32),
        np.zeros((4, 5), np.uint8),
        np.zeros((4, 5, 4), np.uint8),
        np.zeros((1, 4, 5, 3), np.uint8),
        np.zeros((0, 5, 3), np.uint8),
    ],
    ids=lambda pixels: f"{pixels.dtype}{pixels.shape}",
)
def test_pixels_of_another_type_or_shape_are_refused(
    predictor: Predictor, pixels: npt.NDArray[np.uint8]
) -> None:
    with pytest.raises(ValueError, match=r"Expected pixels uint8\[H, W, 3\]. Received: ") as caught:
        predictor.predict(pixels)
    assert f"{pixels.dtype}{list(pixels.shape)}" in str(caught.value)


def test_an_image_that_cannot_be_read_is_refused(predictor: Predictor, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.jpg"):
        predictor.predict(tmp_path / "none.jpg")
    with pytest.raises(DataError, match="not an image"):
        predictor.predict(b"no image")
    with pytest.raises(DataError, match="empty"):
        predictor.predict(b"")


def test_a_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such model"):
        Predictor(tmp_path / "none")


def test_areas_are_shares_of_the_image(predictor: Predictor, image: npt.NDArray[np.uint8]) -> None:
    prediction = predictor.predict(image)
    areas = prediction.areas()
    assert sum(areas.values()) == pytest.approx(1)
    for name, share in areas.items():
        class_id = predictor.classes.names.index(name)
        assert share == pytest.approx((prediction.label == class_id).mean())
        assert share > 0


def test_areas_by_hand() -> None:
    label = np.array([[0, 15, 15, 15], [15, 0, 20, 15]], np.uint8)
    areas = Prediction(label, Classes.named(VOC_CLASS_NAMES), 1.0).areas()
    assert areas == {"background": 2 / 8, "person": 5 / 8, "tvmonitor": 1 / 8}
    assert list(areas) == ["background", "person", "tvmonitor"]
