"""The OpenVINO format of a net beside its SavedModel, measured when it is written."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fcn.classes import Classes
from fcn.config.sections import ACCURACY_DROP, LOWEST_AGREEMENT
from fcn.data.examination import check_masks
from fcn.data.image_io import Pixels
from fcn.data.voc import Example
from fcn.errors import OutputError, QuantizationError
from fcn.evaluation.evaluate import evaluate_examples
from fcn.evaluation.scored_split import check_classes, read_scored, recorded_orientation
from fcn.exports.formats.quantization import KEPT_IN_FLOAT, choose_images, quantize, read_images
from fcn.inference.engines.exported import openvino_file
from fcn.inference.engines.openvino import import_openvino
from fcn.inference.engines.openvino_graph import convert_net
from fcn.inference.engines.table import BFLOAT16_CPU, CPU, GPU, Choice, write_table
from fcn.inference.predictor import Predictor
from fcn.models.net import SegmentationNet
from fcn.pages.percent import percent
from fcn.system.bfloat16 import bfloat16_instructions

DECIDING_SPLIT = "val"
"""The split that decides about int8, where there are labels."""

_TENSORFLOW = [Choice("tensorflow", "float32", device, 1.0) for device in (GPU, CPU)]


class Calibration(NamedTuple):
    """The images for int8 layers, and the accuracy that they may cost.

    Attributes:
        images: Folder of images like those to come; labels are not needed.
        accuracy_data: Data set in VOC layout; the mean IoU on its val split decides. Without one agreement
            with float32 does.
        accuracy_drop: Percentage points of mean IoU that may be lost.
    """

    images: Path
    accuracy_data: Path | None = None
    accuracy_drop: float = ACCURACY_DROP


def read_deciding(calibration: Calibration, model: Path | None) -> list[Example] | None:
    """Returns the examples whose labels decide about int8, before there is any work to lose.

    Args:
        calibration: The images, and the data set with labels.
        model: Where the net is read from; its run may have divided the data set. None for a net in memory.

    Returns:
        None where no data set was given.

    Raises:
        DataError: If there are no images to calibrate with, or the data set has no such split or not all of
            its files.
    """
    choose_images(calibration.images)
    root = calibration.accuracy_data
    if root is None:
        return None
    return read_scored(model, root, DECIDING_SPLIT, recorded_orientation(model, root))


def check_deciding(root: Path, examples: Sequence[Example], model: Path | None, classes: Classes) -> None:
    """Refuses labels that a net cannot be scored on.

    Args:
        root: The data set.
        examples: As `read_deciding` returned them.
        model: Where the net was read from; None for a net in memory.
        classes: Those of the net.

    Raises:
        DataError: If the labels have other classes, or are black-and-white masks.
    """
    check_classes(model, classes, root, DECIDING_SPLIT)
    check_masks(examples)


class _Measured(NamedTuple):
    """The accuracy of a precision: agreement with float32, and mean IoU where there are labels."""

    agreement: float
    mean_iou: float | None


def add_openvino(
    model: SegmentationNet,
    version: Path,
    calibration: Calibration | None,
    examples: Sequence[Example] | None = None,
) -> None:
    """Adds OpenVINO's form of a net, and the table of engines, to an exported version.

    Args:
        model: The net.
        version: Folder with its SavedModel.
        calibration: For layers in int8; None for none.
        examples: Whose labels decide about int8, as `read_deciding` returned them.

    Raises:
        BackendError: If OpenVINO or NNCF is not installed.
        DataError: If images or labels cannot be used.
        OutputError: If the folder cannot be written to or the disk is full.
        QuantizationError: If int8 costs more than it may.
    """
    converted = convert_net(model)
    _save(converted, openvino_file(version, "float32"))
    float32 = Choice("openvino", "float32", CPU, 1.0)
    bfloat16 = Choice("openvino", "bfloat16", BFLOAT16_CPU, None)
    if calibration is None:
        write_table(version, [float32, *_TENSORFLOW, bfloat16])
        return
    to_calibrate, to_compare = choose_images(calibration.images)
    evaluator = _PrecisionEvaluator(version, to_compare, examples)
    float32 = float32._replace(mean_iou=evaluator.mean_iou)
    if bfloat16_instructions():
        measured = evaluator.measure("bfloat16")
        bfloat16 = bfloat16._replace(agreement=measured.agreement, mean_iou=measured.mean_iou)
    int8 = _add_int8(converted, version, calibration, to_calibrate, evaluator)
    good = bfloat16.agreement is not None and bfloat16.agreement >= LOWEST_AGREEMENT
    # Behind float32, "auto" never takes it.
    in_order = [bfloat16, float32, *_TENSORFLOW] if good else [float32, *_TENSORFLOW, bfloat16]
    write_table(version, [int8, *in_order])


def _add_int8(
    converted: Any,
    version: Path,
    calibration: Calibration,
    paths: Sequence[Path],
    evaluator: "_PrecisionEvaluator",
) -> Choice:
    tried = []
    for kept in KEPT_IN_FLOAT:
        _save(quantize(converted, paths, kept, evaluator.bits), openvino_file(version, "int8"))
        measured = evaluator.measure("int8")
        if evaluator.mean_iou is not None and measured.mean_iou is not None:
            drop = 100 * (evaluator.mean_iou - measured.mean_iou)
            fits = drop <= calibration.accuracy_drop
            result = f"{drop:.2f} percentage points less"
        else:
            fits = measured.agreement >= LOWEST_AGREEMENT
            result = f"{percent(measured.agreement)} of the pixels"
        if fits:
            return Choice("openvino", "int8", CPU, *measured)
        tried.append(f"{result} with {kept} in float")
    if evaluator.mean_iou is None:
        bound = f"labels that agree with float32 on {percent(LOWEST_AGREEMENT, digits=0)} of the pixels"
        remedy = "let labeled images decide with --accuracy-data"
    else:
        bound = (
            f"at most {calibration.accuracy_drop:g} percentage points below the mean IoU of "
            f"{percent(evaluator.mean_iou)}"
        )
        remedy = "allow more with --accuracy-drop"
    raise QuantizationError(
        f"{calibration.images}: int8 loses too much. Expected {bound}. Received: {'; '.join(tried)}. Nothing "
        f"was written. Calibrate with images that are more like those to label, {remedy}, or export without "
        "--calibrate."
    )


class _PrecisionEvaluator:
    """Comparison of the precisions of an exported version with its float32.

    Args:
        version: Folder of the version.
        paths: Images to compare labels on.
        examples: Images with labels, or None.

    Attributes:
        mean_iou: Of float32; None without labels.
        bits: How many bits the values of image files of 16 bits use.
    """

    def __init__(self, version: Path, paths: Sequence[Path], examples: Sequence[Example] | None) -> None:
        self._version, self._paths, self._examples = version, paths, examples
        reference = Predictor(version, "openvino", "float32")
        self.bits = reference.bits
        self._labels = list(self._label(reference, "labeling"))
        self.mean_iou = self._score(reference)

    def measure(self, precision: str) -> _Measured:
        predictor = Predictor(self._version, "openvino", precision)
        pairs = zip(self._labels, self._label(predictor, "comparing"), strict=True)
        shares = [(int((one == other).sum()), one.size) for one, other in pairs]
        equal, total = np.sum(shares, axis=0)
        return _Measured(float(equal / total), self._score(predictor))

    def _label(self, predictor: Predictor, description: str) -> Iterator[Pixels]:
        for image in read_images(self._paths, description, predictor.bits):
            yield predictor.predict(image).label

    def _score(self, predictor: Predictor) -> float | None:
        if self._examples is None:
            return None
        return evaluate_examples(predictor, self._examples).scores.mean_iou


def _save(model: Any, path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    try:
        import_openvino().save_model(model, path, compress_to_fp16=False)
    except RuntimeError as error:
        raise OutputError(
            f"{path}: cannot be written by OpenVINO ({error}). Free space or choose another folder."
        ) from error
