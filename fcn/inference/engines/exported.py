"""The files of an exported model beside those that TensorFlow reads."""

from pathlib import Path
from typing import Any, get_args

import numpy as np

from fcn.classes import MAX_CLASSES, MAX_CLASSES_FILE_BYTES, Classes, check_class_names
from fcn.data.pillow_decoding import FEWEST_BITS, MOST_BITS
from fcn.errors import ImageTooLargeError, RunError
from fcn.models.architecture import CHANNELS_BY_FC6, CONTEXTS
from fcn.models.arguments import Geometry, can_be_temperatures
from fcn.models.fields import NetDescription
from fcn.system.json_files import read_json_file

CLASSES_ASSET = "classes.json"
"""Name of the file with class names and palette among the assets of an exported model."""

MODEL_ASSET = "model.json"
"""Name of the file with the arguments of the net, as `SegmentationNet.get_config` returns them."""

_MOST_MODEL_BYTES = 2**20
_STRIDES = (8, 16, 32)
# Many times those of any net that fits into a machine.
_LARGEST_WIDTH = 64
_MOST_CHANNELS = 2**20

TABLE = "engines.json"
"""Name of the file with the recommended engines, best first."""

VERIFICATION = "verification.json"
"""Name of the file with the agreement between each exported format and the net."""

MODEL_CARD = "model_card.md"
"""Name of the page that describes the net to people."""

CALIBRATION = "calibration.json"
"""Name of the file with what the temperatures of a calibrated net were fitted on."""

WARMUP = "assets.extra/tf_serving_warmup_requests"
"""The file in which TensorFlow Serving looks for warm-up requests."""


_ORDER = "pixel_order"


def openvino_file(version: Path, precision: str) -> Path:
    """Returns the path of OpenVINO's model in a version; it need not exist.

    Args:
        version: Folder of the version.
        precision: One of `fcn.inference.engines.engine.PRECISIONS`; bfloat16 is computed from float32.

    Example:
        >>> openvino_file(Path("1"), "bfloat16").as_posix()
        '1/openvino/float32.xml'
    """
    return version / "openvino" / ("int8.xml" if precision == "int8" else "float32.xml")


def onnx_file(version: Path) -> Path:
    """Returns the path of the ONNX model in a version; it need not exist."""
    return version / "onnx" / "model.onnx"


def litert_file(version: Path) -> Path:
    """Returns the path of the LiteRT model in a version; it need not exist."""
    return version / "litert" / "model.tflite"


def exported_classes(version: Path) -> Classes:
    """Returns the classes of a version.

    Raises:
        RunError: If they cannot be read.
    """
    path = version / "assets" / CLASSES_ASSET
    try:
        document = read_json_file(path, MAX_CLASSES_FILE_BYTES)
        names = check_class_names(document["names"])
        return Classes.with_palette(names, np.array(document["palette"], np.uint8))
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise RunError(
            f"{path}: cannot be read as the classes of an exported model ({error}). Export it again."
        ) from error


def classes_document(classes: Classes) -> dict[str, Any]:
    """Returns the content of `classes.json` in a new version, in which graphs turn image files upright."""
    return {"names": classes.names, "palette": classes.palette, _ORDER: "upright"}


def describe_stored_order(version: Path) -> str | None:
    """Returns a notice if a version's graph labels files in stored pixel order; None otherwise.

    Versions exported before graphs applied EXIF orientation do. Of those that cannot be read there is none.
    """
    path = version / "assets" / CLASSES_ASSET
    try:
        order = read_json_file(path, MAX_CLASSES_FILE_BYTES).get(_ORDER)
    except (OSError, ValueError, AttributeError):
        return None
    if order is not None:
        return None
    return (
        f"{version}: was exported by an older version. Image files are turned upright here, but not in its "
        "graph: programs that send files to that, such as TensorFlow Serving, get labels in stored pixel "
        "order. Export it again for the same labels everywhere."
    )


def exported_net(version: Path) -> NetDescription | None:
    """Returns the description of a version's net; None for an export of an old version without one.

    Raises:
        RunError: If it cannot be read.
    """
    path = version / "assets" / MODEL_ASSET
    try:
        net = NetDescription.from_config(read_json_file(path, _MOST_MODEL_BYTES))
        if not _is_possible(net):
            raise ValueError("expected the arguments of a net of this package")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{path}: cannot be read as the arguments of an exported net ({error}). Export it again."
        ) from error
    return net


def exported_config(version: Path) -> dict[str, Any] | None:
    """Returns the arguments of a version's net; None for an export of an old version without them.

    Raises:
        RunError: If they cannot be read.
    """
    if exported_net(version) is None:
        return None
    found: dict[str, Any] = read_json_file(version / "assets" / MODEL_ASSET, _MOST_MODEL_BYTES)
    return found


def check_num_classes(version: Path, graph: Path, num_scores: object) -> None:
    """Checks that the files of a version agree on the number of classes; those that are missing do not count.

    Args:
        version: Folder of the version.
        graph: The file with the graph, for the message.
        num_scores: How many scores the graph computes for a pixel, or anything else if it does not say.

    Raises:
        RunError: If they do not agree, or one cannot be read.
    """
    assets = version / "assets"
    counts: dict[Path, object] = {}
    if (assets / CLASSES_ASSET).exists():
        counts[assets / CLASSES_ASSET] = len(exported_classes(version).names)
    if (net := exported_net(version)) is not None:
        counts[assets / MODEL_ASSET] = net.num_classes
    counts[graph] = num_scores if isinstance(num_scores, int) else "an unknown number"
    if len(set(counts.values())) > 1:
        found = ", ".join(f"{count} in {path.relative_to(version)}" for path, count in counts.items())
        raise RunError(
            f"{version}: expected the same number of classes in all files. Received: {found}. Export it "
            "again."
        )


def not_in_windows(path: Path | None, height: int, width: int) -> ImageTooLargeError:
    """Returns the error for a large image and a model that lacks what labeling in windows needs.

    Args:
        path: The model, or the file of it that lacks that.
        height: Rows of the image, or of a window of it.
        width: Its columns.
    """
    return ImageTooLargeError(
        f"{path or 'This model'}: was exported by an old version and cannot label large images in windows; "
        f"one of {width} x {height} pixels is too large for the memory. Export it again, or allow more "
        "memory."
    )


def _is_possible(net: NetDescription) -> bool:
    """Returns whether a description can be that of a net; the memory of a window follows from it."""
    return (
        all(isinstance(number, int) for number in (net.stride, net.num_classes, net.fc_channels or 1))
        and net.stride in _STRIDES
        and 1 <= net.num_classes <= MAX_CLASSES
        and (net.fc_channels is None or 1 <= net.fc_channels <= _MOST_CHANNELS)
        and all(count <= _MOST_CHANNELS for _, count in net.channels)
        and 0 < net.width <= _LARGEST_WIDTH
        and 0 < net.input_scale <= 1
        and net.geometry in get_args(Geometry)
        and net.fc6 in CHANNELS_BY_FC6
        and net.context in (None, "none", *CONTEXTS)
        and isinstance(net.bits, int)
        and FEWEST_BITS <= net.bits <= MOST_BITS
        and can_be_temperatures(net.temperatures, net.num_classes)
    )
