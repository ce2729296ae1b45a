"""Tests of labeling one image."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from job_program import Brightness
from PIL import Image

from fcn.data.image_io import Pixels
from fcn.errors import DataError, ImageTooLargeError, RunError
from fcn.inference.engines.engine import Labeled
from fcn.inference.predictor import Predictor
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


def test_an_image_of_pillow_is_read_as_its_file_is(
    predictor: Predictor, image: npt.NDArray[np.uint8], tmp_path: Path
) -> None:
    path, exif = tmp_path / "turned.png", Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(image).convert("P").save(path, exif=exif)
    with Image.open(path) as opened:
        prediction = predictor.predict(opened)
    expected = predictor.predict(path)
    assert expected.label.shape == image.shape[1::-1]  # turned by a quarter
    np.testing.assert_array_equal(prediction.image, expected.image)
    np.testing.assert_array_equal(prediction.label, expected.label)
    with pytest.raises(ValueError, match=r"8 bits a channel.*mode I;16.*path"):
        predictor.predict(Image.fromarray(np.zeros((4, 5), np.uint16)))


def test_scores_give_the_same_label_and_confidence(
    predictor: Predictor, image: npt.NDArray[np.uint8]
) -> None:
    plain, scored = predictor.predict(image), predictor.predict(image, with_logits=True)
    assert plain.logits is None
    assert scored.logits is not None
    np.testing.assert_array_equal(scored.label, plain.label)
    assert scored.mean_confidence == pytest.approx(plain.mean_confidence, rel=1e-5)
    np.testing.assert_array_equal(scored.probabilities(), predictor.probabilities(image))


class Small(Brightness):
    """Takes two images of at most 100 pixels at once, and none that begins with white."""

    def label(self, images: Pixels) -> Labeled:
        count, height, width, _ = images.shape
        if height * width > 100:
            raise ImageTooLargeError("is too large")
        if count > 2:
            raise MemoryError
        if (images[:, 0, 0] == 255).any():
            raise KeyError("a fault of the engine")
        return super().label(images)


def test_images_of_one_size_are_labeled_at_once_and_each_fails_alone() -> None:
    engine = Small()
    predictor = Predictor.from_engine(engine)
    images = [np.full((*size, 3), value, np.uint8) for value, size in enumerate([(4, 5), (9, 8), (4, 5)])]
    found = predictor.predict_each(images)
    assert [shape[:2] for shape in engine.batches] == [(2, 4), (1, 9)]
    assert [one.image[0, 0, 0] for one in found if not isinstance(one, Exception)] == [0, 1, 2]
    engine.batches.clear()
    first, large, *rest = predictor.predict_each(
        [images[0], np.zeros((20, 20, 3), np.uint8), images[0], images[0]]
    )
    assert isinstance(large, ImageTooLargeError)
    assert not any(isinstance(one, Exception) for one in (first, *rest))
    assert [shape[0] for shape in engine.batches] == [1, 1, 1]  # three at once were too many
    with pytest.raises(KeyError):  # a fault of the engine is no property of an image
        predictor.predict_each([np.full((4, 5, 3), 255, np.uint8)])


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
