"""Compares a classifier with the same net as convolutions: equal on every window, and faster than crops."""

import inspect
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import cv2
import keras
import numpy as np
import numpy.typing as npt

from fcn.data.image_io import Pixels
from fcn.errors import RunError
from fcn.models.fully_connected import Tail
from fcn.models.surgery import find_tail
from fcn.proof.unpadded import Unpadded, find_stride, padding_layers

TOLERANCE = 1e-5
"""Largest relative error, in float32, that counts as rounding."""

EXTRA_STRIDES = 5
"""Strides by which the image of the one pass is larger than a crop: (384 - 224) / 32 for VGG16, 6x6 cells."""

_GROUP = 4
"""Crops in one batch: more need more memory and are hardly faster on a CPU."""

Array = npt.NDArray[np.float32]
Size = tuple[int, int]
Preprocess = Callable[[Array], Any]


class Proof(NamedTuple):
    """The measurements. Errors are relative to the largest absolute expected value.

    Attributes:
        window: (height, width) of the map that the first fully connected layer sees.
        crop_size: (height, width) of the images that the classifier takes.
        strides: (down, right) from cell to cell in pixels of the image.
        pass_size: (height, width) of the image of the one pass.
        num_windows: Number of windows of one map that were compared.
        same_size_error: Largest error of the net's output for an image of `crop_size`.
        window_score_error: Largest error on any window in the output of the last fully connected layer.
        window_answer_error: The same after its activation and the layers that follow it.
        padded: `float64[rows, columns]`, largest error of each cell of the one pass against its crop.
        same_class: Number of cells that agree with their crop on the class.
        padding_layers: Layers of the backbone that pad.
        unpadded: The same as `padded` for the backbone without padding.
        unpadded_crop_size: (height, width) of a crop for that backbone.
        unpadded_pass_size: (height, width) of the one pass for that backbone.
        crops_seconds: Median time of the classifier on all crops.
        pass_seconds: Median time of the net on the whole image.
    """

    window: Size
    crop_size: Size
    strides: Size
    pass_size: Size
    num_windows: int
    same_size_error: float
    window_score_error: float
    window_answer_error: float
    padded: npt.NDArray[np.float64]
    same_class: int
    padding_layers: tuple[str, ...]
    unpadded: npt.NDArray[np.float64]
    unpadded_crop_size: Size
    unpadded_pass_size: Size
    crops_seconds: float
    pass_seconds: float

    @property
    def vanishes(self) -> bool:
        """Whether the difference without padding is only rounding."""
        return bool(self.unpadded.max() <= TOLERANCE)


def prove(
    model: keras.Model,
    converted: keras.Model,
    image: Pixels | None = None,
    preprocess: Preprocess | None = None,
    repetitions: int = 3,
) -> Proof:
    """Compares a classifier with its conversion by `convolutionalize`.

    Args:
        model: The classifier.
        converted: The same net with convolutions.
        image: `uint8[H, W, 3]`, RGB, of any size; None for a generated one.
        preprocess: Function from `float32[B, H, W, C]`, 0 to 255, to the input that the classifier expects;
            None if that is pixels as they are.
        repetitions: How often to measure the time.

    Raises:
        RunError: If the outputs differ by more than rounding, or the two cannot be compared.
        ValueError: If the classifier cannot be converted.

    Example:
        >>> from fcn.models.surgery import convolutionalize
        >>> layers = [keras.Input((12, 12, 3)), keras.layers.MaxPooling2D(4)]
        >>> model = keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dense(2)])
        >>> proof = prove(model, convolutionalize(model), repetitions=1)
        >>> proof.strides, proof.pass_size, proof.num_windows, proof.vanishes
        ((4, 4), (32, 32), 36, True)
    """
    tail = find_tail(model)
    if converted.output_shape[-1] != model.output_shape[-1] or len(converted.layers) <= len(tail.kept):
        raise RunError(
            f"{converted.name}: is not a conversion of this classifier. Expected answers of "
            f"{model.output_shape[-1]} classes. Received: {converted.output_shape[-1]}. A new last layer has "
            "nothing to be compared with: convert with all classes to compare."
        )
    others = [layer.name for layer in converted.layers if layer.compute_dtype != "float32"]
    if others:
        raise RunError(
            f"{converted.name}: expected layers that compute in float32, as the proof does. Received: "
            f"{', '.join(others[:3])} in {converted.get_layer(others[0]).compute_dtype}. "
            "Build the classifier with the policy float32 and load its weights."
        )
    head = converted.layers[-len(tail.kept) :]
    backbone = keras.Model(converted.inputs[0], head[0].input)
    source = model.inputs[0]
    crop_size: Size = source.shape[1:3]
    window = tail.window[:2]
    strides = find_stride(backbone, crop_size)
    pass_size = _grown(crop_size, strides)
    unpadded = Unpadded(backbone, window, crop_size)
    unpadded_pass_size = _grown(unpadded.size, strides)

    def image_of(size: Size) -> Array:
        pixels = _pixels(image, size, source.shape[-1])[np.newaxis]
        return pixels if preprocess is None else np.asarray(preprocess(pixels), np.float32)

    whole = image_of(pass_size)
    features = _numpy(backbone(whole, training=False))
    crops = _windows(whole, crop_size, strides)
    one_pass = _convolved(head, features)
    every_window = _dense(tail, _windows(features, window, (1, 1)))
    errors = (
        _worst(_numpy(converted(crops[:1], training=False)), _numpy(model(crops[:1], training=False))),
        *(_worst(net, dense) for net, dense in zip(one_pass, every_window, strict=True)),
    )
    # Written so that NaN fails too.
    if not max(errors) <= TOLERANCE or np.isnan(errors).any():
        raise RunError(
            f"{converted.name}: does not agree with the classifier. Expected relative errors of at most "
            f"{TOLERANCE:g} in float32. Received: {errors[0]:.2g} on an image of the classifier's own size; "
            f"on the windows of one map {errors[1]:.2g} before and {errors[2]:.2g} after the last "
            "activation. Convert the classifier again, as it is now and in float32."
        )
    cells = EXTRA_STRIDES + 1, EXTRA_STRIDES + 1
    crop_scores = _dense(tail, _mapped(backbone, crops)).scores
    whole_unpadded = image_of(unpadded_pass_size)
    unpadded_crops = _mapped(unpadded.at(unpadded.size), _windows(whole_unpadded, unpadded.size, strides))
    unpadded_scores = _convolved(
        head, _numpy(unpadded.at(unpadded_pass_size)(whole_unpadded, training=False))
    ).scores
    crops_seconds, pass_seconds = _times(model, converted, crops, whole, repetitions)
    return Proof(
        window=window,
        crop_size=crop_size,
        strides=strides,
        pass_size=pass_size,
        num_windows=len(every_window.scores),
        same_size_error=errors[0],
        window_score_error=errors[1],
        window_answer_error=errors[2],
        padded=_relative(one_pass.scores, crop_scores).reshape(cells),
        same_class=int((one_pass.scores.argmax(-1) == crop_scores.argmax(-1)).sum()),
        padding_layers=padding_layers(backbone),
        unpadded=_relative(unpadded_scores, _dense(tail, unpadded_crops).scores).reshape(cells),
        unpadded_crop_size=unpadded.size,
        unpadded_pass_size=unpadded_pass_size,
        crops_seconds=crops_seconds,
        pass_seconds=pass_seconds,
    )


class _HeadOutputs(NamedTuple):
    """The outputs of a head per window, `float32[N, num_classes]`, before and after the last activation."""

    scores: Array
    answers: Array


def _grown(size: Size, strides: Size) -> Size:
    return size[0] + EXTRA_STRIDES * strides[0], size[1] + EXTRA_STRIDES * strides[1]


def _windows(array: Array, size: Size, strides: Size) -> Array:
    """Cuts `float32[1, H, W, C]` into `float32[N, height, width, C]`, row after row."""
    views = np.lib.stride_tricks.sliding_window_view(array[0], size, axis=(0, 1))
    chosen = views[:: strides[0], :: strides[1]]
    return chosen.transpose(0, 1, 3, 4, 2).reshape(-1, *size, array.shape[-1])


def _groups(array: Array) -> list[Array]:
    return [array[start : start + _GROUP] for start in range(0, len(array), _GROUP)]


def _mapped(backbone: keras.Model, crops: Array) -> Array:
    return np.concatenate([_numpy(backbone(group, training=False)) for group in _groups(crops)])


def _dense(tail: Tail, windows: Array) -> _HeadOutputs:
    """Applies the classifier's own layers to windows, `float32[N, height, width, C]`."""
    last = tail.last_dense
    x = scores = windows.reshape(len(windows), -1)
    for layer in tail.layers:
        if layer is last:
            scores = keras.ops.matmul(x, layer.kernel) + (layer.bias if layer.use_bias else 0)
            x = layer.activation(scores)
        else:
            x = _applied(layer, x)
    return _HeadOutputs(_numpy(scores), _numpy(x))


def _convolved(head: Sequence[keras.layers.Layer], features: Array) -> _HeadOutputs:
    """Applies the converted layers to a map, `float32[1, H, W, C]`; one row for each place."""
    last = next(layer for layer in reversed(head) if isinstance(layer, keras.layers.Conv2D))
    x = scores = features
    for layer in head:
        if layer is last:
            scores = keras.ops.conv(x, layer.kernel, padding="valid", data_format="channels_last")
            scores = scores + (layer.bias if layer.use_bias else 0)
            x = layer.activation(scores)
        else:
            x = _applied(layer, x)
    scores, x = _numpy(scores), _numpy(x)
    return _HeadOutputs(scores.reshape(-1, scores.shape[-1]), x.reshape(-1, x.shape[-1]))


def _applied(layer: keras.layers.Layer, x: Any) -> Any:
    """Applies a layer in inference mode."""
    if "training" in inspect.signature(layer.call).parameters:
        return layer(x, training=False)
    return layer(x)


def _relative(values: Array, expected: Array) -> npt.NDArray[np.float64]:
    """Returns the largest error of each row, relative to the largest absolute expected value."""
    error = np.abs(values.astype(np.float64) - expected).max(axis=-1)
    return np.asarray(error / max(float(np.abs(expected).max()), np.finfo(np.float32).tiny))


def _worst(values: Array, expected: Array) -> float:
    return float(_relative(values.reshape(expected.shape), expected).max())


def _times(
    model: keras.Model, converted: keras.Model, crops: Array, whole: Array, repetitions: int
) -> tuple[float, float]:
    """Returns the median seconds for all crops and for one pass, in turns because a machine's load varies."""
    _numpy(model(crops[:_GROUP], training=False))
    seconds = []
    for _ in range(repetitions):
        start = time.perf_counter()
        for group in _groups(crops):
            _numpy(model(group, training=False))
        between = time.perf_counter()
        _numpy(converted(whole, training=False))
        seconds.append((between - start, time.perf_counter() - between))
    crops_seconds, pass_seconds = np.median(seconds, axis=0).tolist()
    return crops_seconds, pass_seconds


def _pixels(image: Pixels | None, size: Size, channels: int) -> Array:
    """Returns `float32[height, width, channels]`, 0 to 255: the middle of an image, or generated clouds."""
    height, width = size
    if image is None:
        return _clouds(size, channels)
    if channels not in (1, 3):
        raise RunError(f"Expected a net of gray or color images. Received: a net of {channels} channels.")
    factor = max(height / image.shape[0], width / image.shape[1])
    fitted = max(width, round(image.shape[1] * factor)), max(height, round(image.shape[0] * factor))
    resized = cv2.resize(image, fitted, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
    top, left = (resized.shape[0] - height) // 2, (resized.shape[1] - width) // 2
    cut = resized[top : top + height, left : left + width]
    if channels == 1:
        cut = cv2.cvtColor(cut, cv2.COLOR_RGB2GRAY)[..., np.newaxis]
    return cut.astype(np.float32)


def _clouds(size: Size, channels: int) -> Array:
    """Returns smooth noise with coarse and fine parts, the same every time."""
    rng = np.random.default_rng(0)
    layers = []
    for _ in range(channels):
        cloud = np.zeros(size, np.float32)
        for cell in (64, 16, 4):
            coarse = rng.standard_normal((size[0] // cell + 4, size[1] // cell + 4)).astype(np.float32)
            cloud += cell**0.5 * cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
        layers.append(255 * (cloud - cloud.min()) / np.ptp(cloud))
    return np.stack(layers, axis=-1).astype(np.float32)


def _numpy(tensor: Any) -> Array:
    return np.asarray(keras.ops.convert_to_numpy(tensor), np.float32)
