"""A trained net as a SavedModel that needs nothing but TensorFlow."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import keras

from fcn.config.sections import FORMATS
from fcn.data.image_io import read_image
from fcn.errors import BackendError, OutputError
from fcn.exports.formats.onnx import write_onnx
from fcn.exports.formats.onnx_graph import import_onnx
from fcn.inference.engines.exported import CALIBRATION, CLASSES_ASSET, MODEL_ASSET, classes_document
from fcn.inference.engines.litert import import_interpreter
from fcn.inference.engines.onnx import import_onnxruntime
from fcn.inference.engines.openvino import import_openvino
from fcn.models.net import SegmentationNet
from fcn.runs.arrival import write_file_sizes
from fcn.runs.calibration_file import read_record
from fcn.runs.licenses import licenses_of_model, write_licenses
from fcn.runs.lineage import find_run
from fcn.runs.model_file import load_model, model_file
from fcn.runs.named_net import resolve_model
from fcn.system.atomic_folder import atomic_folder
from fcn.system.files import write_json
from fcn.system.optional import missing_package
from fcn.system.text import counted, print_step

try:
    import tensorflow as tf
except ImportError as error:
    raise missing_package(
        "export",
        "tensorflow",
        remedy="Or export on another machine: runs and .keras files of every backend can be read there.",
        error=error,
    ) from error

from fcn.exports.card.model_card import write_card
from fcn.exports.formats.litert import write_litert
from fcn.exports.formats.openvino import Calibration, add_openvino, check_deciding, read_deciding
from fcn.exports.photographs import find_photographs, spread
from fcn.exports.saved_model import ServedModel
from fcn.exports.verification import MAX_PHOTOGRAPHS, verify
from fcn.exports.warmup import write_warmup


def export(
    model: SegmentationNet | Path | str,
    output: Path | str,
    formats: Sequence[str] = (),
    calibration: Calibration | None = None,
    photographs: Path | str | None = None,
    trust: bool = False,
) -> Path:
    """Writes a net as the next version of an exported model.

    Args:
        model: A net; or the path of a run folder or a `.keras` file; or the name of a published net.
        output: Folder of the versions; the first is `output/1`, the next `output/2`.
        formats: The formats to write beside the SavedModel: some of `fcn.config.sections.FORMATS`.
        calibration: For layers in int8 in the format "openvino"; None for none.
        photographs: An image or a folder of images, on which what was exported is compared with the net
            (`fcn.exports.verification`); None to compare nothing.
        trust: Whether to load also a file with parts that could run code.

    Returns:
        The folder of the new version: a SavedModel with the signatures `serving_default`,
        `predict_tensor` and `predict_logits`; of a net with an `input_scale` also `predict_shrunk_logits`,
        with which large images are labeled in pieces. Beside it `model_card.md`, requests with which
        TensorFlow Serving warms up, and the configuration and scores of the run, where there are some.

    Raises:
        BackendError: If Keras runs on another backend than TensorFlow, or what a format needs is not
            installed.
        DataError: If images to calibrate with, or to compare on, cannot be used.
        OutputError: If the folder cannot be written to or the disk is full.
        QuantizationError: If int8 loses more than it may; nothing is written then.
        RunError: If there is no model at the path.
        TrustError: If it has parts that could run code.
        VerificationError: If what was exported does not label as the net; nothing is written then.
        ValueError: If there is no such format, or a calibration without the format that takes it.

    Example:
        >>> import tempfile
        >>> from fcn.models.fcn import FCN
        >>> export(FCN(num_classes=2, width=1 / 16), tempfile.mkdtemp()).name
        '1'
    """
    unknown = sorted(set(formats) - set(FORMATS))
    if unknown:
        raise ValueError(f"Expected `formats` among {FORMATS}. Received: {unknown}.")
    if calibration is not None and "openvino" not in formats:
        raise ValueError(f'Expected "openvino" in `formats` with a `calibration`. Received: {formats}.')
    # Report what is missing before the work rather than after it.
    if "openvino" in formats:
        import_openvino()
    if "onnx" in formats:
        import_onnx()
    if photographs is not None and "onnx" in formats:
        import_onnxruntime()
    if photographs is not None and "litert" in formats:
        import_interpreter()
    place = None if isinstance(model, SegmentationNet) else Path(model)
    deciding = None if calibration is None else read_deciding(calibration, place)
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise BackendError(
            f"Exporting needs KERAS_BACKEND=tensorflow. Received: {backend}. Export again with that: "
            "runs and .keras files of every backend can be read."
        )
    chosen = None if photographs is None else spread(find_photographs(Path(photographs)), MAX_PHOTOGRAPHS)
    for path in chosen or ():
        read_image(path)  # report a damaged one before the work
    source = None if isinstance(model, SegmentationNet) else resolve_model(model)
    net = model if isinstance(model, SegmentationNet) else load_model(source or model, trust)
    if calibration is not None and calibration.accuracy_data is not None and deciding is not None:
        check_deciding(calibration.accuracy_data, deciding, place, net.classes)
    output = Path(output)
    if output.exists() and not output.is_dir():
        raise OutputError(f"{output}: is a file, not a folder for versions. Choose another place.")
    # Any number that is taken counts, also one that holds something else.
    taken = [int(path.name) for path in output.glob("*") if path.name.isdecimal()]
    version = output / str(max(taken, default=0) + 1)
    # A server that watches the folder sees a version appear whole: a half-written one has no number.
    try:
        with atomic_folder(version) as temporary, tempfile.TemporaryDirectory() as assets:
            classes_path, model_path = Path(assets) / CLASSES_ASSET, Path(assets) / MODEL_ASSET
            write_json(classes_path, classes_document(net.classes))
            write_json(model_path, net.get_config())
            print_step("Writing the SavedModel.")
            ServedModel(net, classes_path, model_path).save(temporary)
            if "openvino" in formats:
                print_step(f"Writing OpenVINO's form{'' if calibration is None else ', also in int8'}.")
                add_openvino(net, temporary, calibration, deciding)
            if "onnx" in formats:
                print_step("Writing ONNX.")
                write_onnx(net, temporary)
            if "litert" in formats:
                print_step("Writing LiteRT.")
                write_litert(net, temporary)
            if source is not None:
                _copy_run(source, temporary)
                record = None if net.temperatures is None else read_record(model_file(source))
                if record is not None:
                    write_json(temporary / CALIBRATION, record)
            write_warmup(temporary)
            if chosen is not None:
                print_step(f"Comparing labels on {counted(len(chosen), 'image')}.")
                verify(net, temporary, chosen, formats)
            write_card(net, temporary)
            write_file_sizes(temporary)
    except tf.errors.OpError as error:
        raise OutputError(
            f"{output}: the model could not be written ({error}). "
            "Free space or choose a folder you may write to."
        ) from error
    return version


def _copy_run(model: Path, version: Path) -> None:
    """Copies what a run knows of its net: licenses, configuration, digests of its data, and its scores.

    The scores are copied only if they are of this checkpoint.
    """
    write_licenses(version, licenses_of_model(model))
    run = find_run(model)
    if run is None:
        return
    shutil.copyfile(run.config, version / run.config.name)
    if run.digests.exists():
        shutil.copyfile(run.digests, version / run.digests.name)
    if run.scores.exists() and model_file(model).resolve() == model_file(run.path).resolve():
        shutil.copyfile(run.scores, version / run.scores.name)
