"""Compares the labels of every exported format with those of the net, on real images."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from PIL.ImageFile import ImageFile

from fcn.config.sections import LOWEST_AGREEMENT
from fcn.data.encoded_image import EncodedImage
from fcn.data.image_header import read_image_file
from fcn.data.image_io import Pixels, decode_image, encode_jpeg
from fcn.errors import RunError, VerificationError
from fcn.exports.photographs import middle
from fcn.exports.plain_process import PlainLabels, plain_process
from fcn.inference.engines.choose import open_engine
from fcn.inference.engines.exported import VERIFICATION, openvino_file
from fcn.inference.engines.signatures import PREDICT_TENSOR, SERVING_DEFAULT
from fcn.inference.predictor import Predictor
from fcn.models.net import SegmentationNet
from fcn.pages.percent import percent
from fcn.system.bfloat16 import bfloat16_instructions
from fcn.system.files import write_json
from fcn.system.json_files import read_json_file
from fcn.system.progress import track

MAX_PHOTOGRAPHS = 32
"""Images that are compared, at most."""

EXACT_AGREEMENT = 0.9999
"""Share of the pixels that every format in float32 must label as the net does. The others are those whose two
best classes score alike but for rounding."""

Labeler = Callable[[Pixels], Pixels]
"""From an image, `uint8[H, W, 3]` RGB, to its label, `uint8[H, W]`."""


class Comparison(NamedTuple):
    """The agreement of one exported format with the net.

    Attributes:
        name: A signature of the SavedModel, or another format and its precision.
        agreement: Share of the pixels of all images with the same label.
        expected: Share that is expected.
        is_required: Whether less is an error. What is not float32 is measured when it is made.
        worst_image: Name of the image with the lowest share.
        worst_agreement: That share.
    """

    name: str
    agreement: float
    expected: float
    is_required: bool
    worst_image: str
    worst_agreement: float


class Verification(NamedTuple):
    """The agreement of all exported formats with the net.

    Attributes:
        num_images: How many images were compared.
        num_pixels: How many pixels they have together.
        comparisons: One for each format.
    """

    num_images: int
    num_pixels: int
    comparisons: tuple[Comparison, ...]

    def as_dict(self) -> dict[str, Any]:
        """Returns the same as JSON values."""
        return self._asdict() | {"comparisons": [one._asdict() for one in self.comparisons]}


class _Photograph(NamedTuple):
    """An image: its path, `uint8[H, W, 3]` RGB, and a file that graphs decode to the same pixels."""

    path: Path
    pixels: Pixels
    data: bytes


def format_labeler(version: Path, name: str, precision: str = "float32") -> Labeler:
    """Returns a function that labels with a format of a version.

    Args:
        version: Folder of the version.
        name: Name of the format, which is that of its engine too: one of `fcn.config.sections.FORMATS`.
        precision: One of `fcn.inference.engines.engine.PRECISIONS`, but "auto".
    """
    predictor = Predictor.from_engine(open_engine(version, name, precision))
    return lambda image: predictor.predict(image).label


def verify(
    model: SegmentationNet, version: Path, paths: Sequence[Path], formats: Sequence[str] = ()
) -> Verification:
    """Compares every exported format with the net, and writes how well they agree.

    The SavedModel labels in a process with only TensorFlow, from pixels and from files.

    Args:
        model: The net.
        version: Folder with what was exported.
        paths: Images. Of large ones the middle is compared.
        formats: The formats beside the SavedModel, some of `fcn.config.sections.FORMATS`.

    Raises:
        DataError: If an image cannot be read.
        VerificationError: If a format in float32 labels fewer than `EXACT_AGREEMENT` of the pixels as the net
            does, or cannot label at all.
    """
    photographs = [_read(path, model.bits) for path in paths]
    with plain_process(version) as label:
        expected = _label_with_net(model, photographs)  # while the process imports TensorFlow
        shown = track(photographs, "verifying SavedModel", lines=True)
        answers = [_label_in_process(label, one) for one in shown]

    def compare(name: str, labels: Iterable[Pixels], bound: float | None = None) -> Comparison:
        return _compare(name, photographs, expected, labels, bound)

    comparisons = [
        compare(PREDICT_TENSOR, (answer.predict_tensor for answer in answers)),
        compare(SERVING_DEFAULT, (answer.serving_default for answer in answers)),
    ]
    for name in dict.fromkeys(formats):
        labels = _label(photographs, format_labeler(version, name), name)
        comparisons.append(compare(f"{name} float32", labels))
    for precision in _measured_precisions(version):
        name = f"openvino {precision}"
        labels = _label(photographs, format_labeler(version, "openvino", precision), name)
        comparisons.append(compare(name, labels, LOWEST_AGREEMENT))
    verification = Verification(len(photographs), sum(label.size for label in expected), tuple(comparisons))
    _check(verification)
    write_json(version / VERIFICATION, verification.as_dict())
    return verification


def read_verification(version: Path) -> Verification | None:
    """Returns what `verify` found; None for a version that was not verified.

    Raises:
        RunError: If that cannot be read.
    """
    path = version / VERIFICATION
    try:
        document: dict[str, Any] = read_json_file(path)
        comparisons = tuple(Comparison(**row) for row in document["comparisons"])
        return Verification(document["num_images"], document["num_pixels"], comparisons)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: cannot be read as a verification ({error}). Export it again.") from error


def _label_in_process(label: Callable[[Pixels, bytes], PlainLabels], photograph: _Photograph) -> PlainLabels:
    try:
        return label(photograph.pixels, photograph.data)
    except VerificationError as error:
        reason = f"{photograph.path}: {error} Leave the image out if its file is at fault."
        raise VerificationError(reason) from error


def _read(path: Path, bits: int) -> _Photograph:
    image = EncodedImage(read_image_file(path), path)
    data, pixels = image.data, middle(image.decode(bits))
    if pixels.shape[:2] != image.size or not _graphs_decode(image.header):
        data = encode_jpeg(pixels)
        pixels = decode_image(data)  # of 8 bits
    return _Photograph(path, pixels, data)


def _graphs_decode(header: ImageFile) -> bool:
    """Returns whether a graph makes the same pixels of a file; of a CMYK JPEG they may differ by 1."""
    return header.format in ("JPEG", "PNG", "BMP") and header.mode != "CMYK"


def _label_with_net(model: SegmentationNet, photographs: Sequence[_Photograph]) -> list[Pixels]:
    predictor = Predictor.from_engine(open_engine(model, "tensorflow", "float32"))
    # GPUs may shorten the factors of float32 products to 10 bits, and other formats compute on a CPU.
    shortens = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        return list(_label(photographs, lambda image: predictor.predict(image).label, "net"))
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(shortens)


def _label(photographs: Sequence[_Photograph], labeler: Labeler, name: str) -> Iterable[Pixels]:
    for photograph in track(photographs, f"verifying {name}", lines=True):
        yield labeler(photograph.pixels)


def _measured_precisions(version: Path) -> list[str]:
    """Returns the precisions of the OpenVINO format beside float32 that this CPU supports."""
    there = {
        "bfloat16": bool(bfloat16_instructions()) and openvino_file(version, "bfloat16").exists(),
        "int8": openvino_file(version, "int8").exists(),
    }
    return [precision for precision, is_there in there.items() if is_there]


def _compare(
    name: str,
    photographs: Sequence[_Photograph],
    expected: Sequence[Pixels],
    labels: Iterable[Pixels],
    bound: float | None,
) -> Comparison:
    equal = [
        # A label of another size agrees nowhere.
        int((label == wanted).sum()) if label.shape == wanted.shape else 0
        for label, wanted in zip(labels, expected, strict=True)
    ]
    shares = [count / wanted.size for count, wanted in zip(equal, expected, strict=True)]
    worst = int(np.argmin(shares))
    return Comparison(
        name,
        sum(equal) / sum(wanted.size for wanted in expected),
        EXACT_AGREEMENT if bound is None else bound,
        bound is None,
        # JSON, a page and a terminal have no place for names that are not UTF-8.
        os.fsencode(photographs[worst].path.name).decode(errors="replace"),
        shares[worst],
    )


def _check(verification: Verification) -> None:
    failed = [
        f"{one.name}: {percent(one.agreement, 4)}, at worst {percent(one.worst_agreement, 4)} on "
        f"{one.worst_image}"
        for one in verification.comparisons
        if one.is_required and one.agreement < one.expected
    ]
    if failed:
        raise VerificationError(
            f"Expected the net's own labels on {percent(EXACT_AGREEMENT)} of the pixels of "
            f"{verification.num_images} images. Received: {'; '.join(failed)}. Nothing was written. "
            "Leave out a --format that fails, or export with the versions that are pinned in requirements/."
        )
