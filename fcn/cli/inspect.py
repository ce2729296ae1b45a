"""The command `fcn inspect`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from fcn.cli.arguments import WEIGHTS_COMMAND, Commands, add_command, add_engine, add_trust, find_model
from fcn.cli.size_arguments import read_sides
from fcn.config.file import is_configuration
from fcn.errors import RunError
from fcn.runs.folder import is_exported
from fcn.system.backend import start_backend
from fcn.system.text import print_json, print_lines

if TYPE_CHECKING:
    import keras

    from fcn.data.image_io import Pixels
    from fcn.inference.engines.engine import NetEngine

_SIZE = (384, 512)
_SCENE_CLASSES = (1, 2, 3)
# Objects of generated images have a smallest size; smaller images are cut out of larger ones.
_SMALLEST_SCENE = 32
_TRAINED = "A trained net looks at other pixels."
_UNTRAINED = f"The weights are new and random. {_TRAINED}"


def add_parser(commands: Commands) -> None:
    """Adds the command."""
    inspect = add_command(
        commands,
        "inspect",
        run,
        "Show the output, the receptive field and the cost of each layer of a net.",
        "python -m fcn inspect configs/voc_fcn8s.yaml --size 384x512 --html fcn8s.html",
    )
    inspect.add_argument(
        "model",
        type=Path,
        metavar="CONFIG_OR_MODEL",
        help="a YAML file; a run folder, an exported folder, a .keras or an .h5 file; or the name of a "
        f"published net ({WEIGHTS_COMMAND})",
    )
    inspect.add_argument(
        "--size",
        type=read_sides,
        metavar="HxW",
        help="size of the image, in pixels; default: the only one that the model takes, that of --image, or "
        f"{_SIZE[0]}x{_SIZE[1]}",
    )
    inspect.add_argument(
        "--html",
        type=Path,
        metavar="FILE",
        help="also write a page, with the effective receptive field over an image",
    )
    inspect.add_argument(
        "--image",
        type=Path,
        metavar="IMAGE",
        help="image for --html and --effective; default: a generated one",
    )
    inspect.add_argument(
        "--effective",
        action="store_true",
        help="also measure the effective receptive field, which takes as long as a training step",
    )
    inspect.add_argument(
        "--time",
        action="store_true",
        help="also label an image several times, and show how many milliseconds each layer takes and which "
        "share of the measured peak of this machine it reaches; on a CPU, with --engine tensorflow, openvino "
        "or, for an exported folder, onnx",
    )
    add_engine(inspect)
    add_trust(inspect)


def run(options: argparse.Namespace) -> None:
    """Shows the output, the receptive field and the cost of each layer of a net."""
    if options.image is not None and not (options.html or options.effective):
        raise RunError("--image: is only used by --effective and --html. Add one of them, or leave it out.")
    if options.html is not None and options.html.is_dir():
        raise RunError(
            f"{options.html}: is a folder. Give --html the name of a file, as {options.html / 'net.html'}."
        )
    if not options.time and (options.engine, options.precision) != ("auto", "auto"):
        raise RunError("--engine, --precision: are only used by --time. Add it, or leave them out.")
    if not is_configuration(options.model):
        options.model = find_model(options.model, options.engine)
    start_backend(options.engine)
    import keras

    from fcn.data.image_io import read_image
    from fcn.inspection.document import inspection_document
    from fcn.inspection.effective import measure_effective_field, randomize_zero_kernels
    from fcn.inspection.facts import inspect_model
    from fcn.inspection.page import write_inspection_page
    from fcn.inspection.source import open_for_inspection
    from fcn.inspection.text import print_inspection

    given = None if options.image is None else read_image(options.image)
    # The weights of a configuration are random, but the same each time.
    keras.utils.set_random_seed(0)
    model = open_for_inspection(options.model, options.trust)
    size = options.size or _default_size(model, given)
    inspection = inspect_model(model, size, _timed_engine(options, model) if options.time else None)
    note = _UNTRAINED if is_configuration(options.model) or is_exported(options.model) else ""
    effective = image = None
    if options.html or options.effective:
        image = _image(model, given, size)
        # Layers of zeros would pass no gradient on.
        randomized = randomize_zero_kernels(model)
        if randomized and not note:
            note = f"The weights of {', '.join(randomized)} were zero; random ones were measured. {_TRAINED}"
        effective = measure_effective_field(model, image.astype("float32"))
    if options.html:
        write_inspection_page(options.html, inspection, effective, image, note)
    if options.json:
        print_json(inspection_document(inspection, effective))
        return
    print_inspection(inspection, effective)
    if effective is not None and note:
        print_lines("", note)
    if effective is None and image is not None:
        print_lines("", "No gradient reaches the image, so there is no effective receptive field.")
    if options.html:
        print_lines("", f"Wrote {options.html}.")


def _timed_engine(options: argparse.Namespace, model: "keras.Model") -> "NetEngine":
    """Opens the engine to time a net on.

    Raises:
        BackendError: If it does not tell the time of its operations.
        RunError: If the model is not one that an engine computes.
    """
    from fcn.inference.engines.choose import open_engine
    from fcn.models.net import SegmentationNet

    if not isinstance(model, SegmentationNet):
        raise RunError(
            f"--time: expected a net of this package, which its engines compute. {model.name} is another "
            "model of Keras. Leave the option out."
        )
    source = options.model if is_exported(options.model) else model
    return open_engine(source, options.engine, options.precision, options.trust)


def _default_size(model: "keras.Model", given: "Pixels | None") -> tuple[int, ...]:
    """Returns the only size that a model takes, else that of the image, else the default."""
    own = tuple(model.input_shape[1:-1]) if isinstance(model.input_shape, tuple) else ()
    if own and None not in own:
        return own
    return _SIZE if given is None else given.shape[:2]


def _image(model: "keras.Model", given: "Pixels | None", size: tuple[int, ...]) -> "Pixels":
    """Returns the image to measure on, `uint8[H, W, 3]`.

    Raises:
        RunError: If the net does not take color images.
    """
    import cv2
    import numpy as np

    from fcn.data.generated.scene import draw_scene

    if len(size) != 2 or model.input_shape[-1] != 3:
        raise RunError(
            f"--html, --effective: expected a net of color images. {model.name} takes {model.input_shape}. "
            "Leave them out."
        )
    if given is None:
        height, width = (max(side, _SMALLEST_SCENE) for side in size)
        scene = draw_scene(np.random.default_rng(0), (height, width), _SCENE_CLASSES)[0]
        return scene[: size[0], : size[1]]
    if given.shape[:2] == size:
        return given
    return cv2.resize(given, size[::-1], interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
