"""Tests of averaging over views of an image."""

import warnings
from collections.abc import Callable

import cv2
import keras
import numpy as np
import numpy.typing as npt
import pytest

from fcn.classes import Classes
from fcn.inference.engines.choose import open_engine
from fcn.inference.engines.engine import Engine, Floats, Labeled
from fcn.inference.predictor import Predictor
from fcn.inference.views import MultiScaleEngine, Views, check_scales, multi_scale_engine
from fcn.models.fcn import FCN
from fcn.outputs.probabilities import softmax

Images = npt.NDArray[np.uint8]


class Function:
    """An engine of which a test says what it answers; it keeps what it was shown."""

    name, precision, bits = "function", "float32", 16

    def __init__(self, answer: Callable[[Images], npt.ArrayLike], num_classes: int = 2) -> None:
        self.classes = Classes.named(tuple(f"c{number}" for number in range(num_classes)))
        self.answer = answer
        self.shown: list[Images] = []

    def logits(self, images: Images) -> Floats:
        self.shown.append(images)
        return np.asarray(self.answer(images), np.float32)

    def label(self, images: Images) -> Labeled:
        probabilities = softmax(self.logits(images))
        return Labeled(probabilities.argmax(-1).astype(np.uint8), probabilities.max(-1))


def log_odds(share: npt.ArrayLike) -> Floats:
    """Returns two logits of which the second class gets `share` of the probability."""
    second = np.asarray(share, np.float64)
    return np.log(np.stack([1 - second, second], -1)).astype(np.float32)


@pytest.fixture(scope="module")
def engine(net: FCN) -> Engine:
    return open_engine(net)


@pytest.fixture
def images(rng: np.random.Generator) -> Images:
    coarse = rng.integers(0, 256, (2, 6, 8, 3), np.uint8)
    return np.stack([cv2.resize(one, (43, 37), interpolation=cv2.INTER_CUBIC) for one in coarse])


def test_the_mean_of_two_scales_and_mirrors_by_hand() -> None:
    # A 1 x 2 image at scale 1, and at scale 2, where it is 2 x 4; the answers go from left to right.
    answers = {(1, 2): [[0.9, 0.2]], (2, 4): [[0.1, 0.3, 0.5, 0.8]] * 2}
    engine = Function(lambda images: log_odds([answers[images.shape[1:3]]]))
    image = np.zeros((1, 1, 2, 3), np.uint8)
    # The centers of the two pixels lie half way between those of the first and second, and of the last two.
    both = [(0.9 + 0.2) / 2, (0.2 + 0.65) / 2]
    averaged = MultiScaleEngine(engine, Views(False, (1, 2)))
    np.testing.assert_allclose(softmax(averaged.logits(image))[0, 0, :, 1], both, rtol=1e-5)
    label, confidence = averaged.label(image)
    assert label[0].tolist() == [[1, 0]]
    np.testing.assert_allclose(confidence[0, 0], [0.55, 0.575], rtol=1e-5)
    # The net answers the same from left to right when it sees the mirror image: its answer is turned back.
    mirrored = MultiScaleEngine(engine, Views(True, (1,)))
    np.testing.assert_allclose(softmax(mirrored.logits(image))[0, 0, :, 1], [0.55, 0.55], rtol=1e-5)


def test_probabilities_are_averaged_not_logits() -> None:
    # Certain and wrong once (logit 20), fairly sure three times: logits would be outvoted by the one.
    shares = iter([1 - 1e-8, 0.2, 0.2, 0.2])
    engine = Function(lambda images: np.broadcast_to(log_odds(next(shares)), (*images.shape[:3], 2)))
    label, confidence = MultiScaleEngine(engine, Views(True, (0.5, 1))).label(
        np.zeros((1, 4, 4, 3), np.uint8)
    )
    assert not label.any()
    np.testing.assert_allclose(confidence, 0.6, rtol=1e-5)


def test_what_the_net_is_shown(images: Images) -> None:
    engine = Function(lambda images: np.zeros((*images.shape[:3], 2)))
    MultiScaleEngine(engine, Views(True, (0.5, 1, 1.5))).label(images)
    # 37 and 43 halved end in .5, which is rounded up.
    assert [shown.shape[1:3] for shown in engine.shown] == [(19, 22)] * 2 + [(37, 43)] * 2 + [(56, 65)] * 2
    assert all(shown.dtype == np.uint8 and shown.flags.c_contiguous for shown in engine.shown)
    for plain, mirrored in zip(engine.shown[::2], engine.shown[1::2], strict=True):
        np.testing.assert_array_equal(mirrored, plain[:, :, ::-1])
    np.testing.assert_array_equal(engine.shown[2], images)


def test_shrinking_does_not_turn_stripes_into_wider_ones() -> None:
    engine = Function(lambda images: np.zeros((*images.shape[:3], 2)))
    stripes = np.zeros((1, 32, 32, 3), np.uint8)
    stripes[:, :, ::2] = 200
    MultiScaleEngine(engine, Views(False, (0.25,))).label(stripes)
    assert (engine.shown[0] == 100).all()


def test_the_mean_is_that_of_keras_and_a_loop(net: FCN, engine: Engine, images: Images) -> None:
    views = Views(True, (0.5, 1.0, 1.5))
    expected = []
    for scale in views.scales:
        size = tuple(int(pixels * scale + 0.5) for pixels in images.shape[1:3])
        filtering = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        shown = np.stack([cv2.resize(image, size[::-1], interpolation=filtering) for image in images])
        for turn in (1, -1):
            logits = net.predict_on_batch(shown[:, :, ::turn].astype(np.float32))
            probabilities = keras.ops.softmax(logits)[:, :, ::turn]
            own = keras.ops.image.resize(probabilities, images.shape[1:3], "bilinear")
            expected.append(keras.ops.convert_to_numpy(own))
    mean = np.mean(expected, axis=0, dtype=np.float64)
    averaged = multi_scale_engine(engine, views)
    # Keras' own resizing shares no code with OpenCV's.
    np.testing.assert_allclose(softmax(averaged.logits(images)), mean, atol=1e-4)
    label, confidence = averaged.label(images)
    np.testing.assert_allclose(confidence, mean.max(-1), atol=1e-4)
    top = np.sort(mean, -1)
    clear = top[..., -1] - top[..., -2] > 1e-3
    assert clear.mean() > 0.9
    assert len(np.unique(label)) > 1
    np.testing.assert_array_equal(label[clear], mean.argmax(-1)[clear])
    assert (label.dtype, confidence.dtype) == (np.uint8, np.float32)


def test_one_view_as_it_is_is_the_engine_itself(engine: Engine) -> None:
    assert multi_scale_engine(engine, Views(False, (1.0,))) is engine
    assert multi_scale_engine(engine, Views(False, (1,))) is engine
    for views in (Views(True, (1.0,)), Views(False, (2.0,)), Views(False, (1.0, 2.0))):
        averaged = multi_scale_engine(engine, views)
        assert isinstance(averaged, MultiScaleEngine)
        assert (averaged.classes, averaged.name) == (engine.classes, engine.name)
        assert averaged.precision == engine.precision


def test_the_mirror_image_gets_the_mirrored_label(engine: Engine, images: Images) -> None:
    averaged = MultiScaleEngine(engine, Views(True, (1.0, 1.5)))
    there, back = averaged.logits(images), averaged.logits(images[:, :, ::-1])[:, :, ::-1]
    np.testing.assert_allclose(there, back, atol=1e-4)
    plain = engine.logits(images)
    assert np.abs(plain - engine.logits(images[:, :, ::-1])[:, :, ::-1]).max() > 1e-2


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (33, 2)])
def test_any_size_comes_back(engine: Engine, size: tuple[int, int]) -> None:
    averaged = MultiScaleEngine(engine, Views(True, (0.25, 1.3, 4.0)))
    label, confidence = averaged.label(np.zeros((1, *size, 3), np.uint8))
    assert label.shape == confidence.shape == (1, *size)


def test_engines_wrap_each_other() -> None:
    engine = Function(lambda images: np.zeros((*images.shape[:3], 1)), num_classes=1)
    twice = MultiScaleEngine(MultiScaleEngine(engine, Views(True, (1.0,))), Views(False, (0.5, 1.5)))
    label, confidence = twice.label(np.zeros((1, 8, 6, 3), np.uint8))
    assert not label.any()
    np.testing.assert_allclose(confidence, 1)
    assert len(engine.shown) == 4


def test_certainty_stays_a_number() -> None:
    engine = Function(lambda images: np.broadcast_to(np.float32([300, -300]), (*images.shape[:3], 2)))
    averaged = MultiScaleEngine(engine, Views(True, (0.7, 1.0, 1.9)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        logits = averaged.logits(np.zeros((1, 9, 7, 3), np.uint8))
    assert np.isfinite(logits).all()
    assert averaged.label(np.zeros((1, 9, 7, 3), np.uint8)).confidence.max() <= 1
    assert softmax(logits)[..., 0].min() > 0.9999


@pytest.mark.parametrize(
    "scales", [(), (0.0,), (-1.0,), (4.01,), (float("nan"),), (float("inf"),), (1.0, 0.5, 1)]
)
def test_scales_that_cannot_be_used_are_refused(scales: tuple[float, ...], net: FCN) -> None:
    for attempt in (check_scales, lambda given: Predictor(net, scales=given)):
        with pytest.raises(ValueError, match="above 0 and at most 4, each of them once") as caught:
            attempt(scales)
        assert all(f"{scale:g}" in str(caught.value) for scale in scales)


def test_a_predictor_averages(net: FCN, engine: Engine, images: Images) -> None:
    predictor = Predictor(net, flip=True, scales=[0.5, 1])
    assert predictor.views == Views(True, (0.5, 1.0))
    averaged = MultiScaleEngine(engine, predictor.views)
    prediction = predictor.predict(images[0])
    np.testing.assert_array_equal(prediction.label, averaged.label(images[:1]).label[0])
    probabilities = predictor.probabilities(images[0])
    np.testing.assert_allclose(probabilities, softmax(averaged.logits(images[:1]))[0], atol=1e-6)
    assert prediction.mean_confidence == pytest.approx(float(probabilities.max(-1).mean()), abs=1e-5)
    assert not np.allclose(probabilities, softmax(engine.logits(images[:1]))[0], atol=1e-3)
