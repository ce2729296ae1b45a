"""The command `fcn convolutionalize`."""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from fcn.cli.arguments import Commands, add_command, add_trust, at_least
from fcn.errors import PartialError, RunError
from fcn.system.backend import start_backend
from fcn.system.files import occupied
from fcn.system.text import print_json, print_lines


def add_parser(commands: Commands) -> None:
    """Adds the command."""
    convolutionalize = add_command(
        commands,
        "convolutionalize",
        run,
        "Turn a Keras classifier into a fully convolutional net, and prove it.",
        "python -m fcn convolutionalize classifier.keras --output net.keras --prove photo.jpg --heatmap 3",
    )
    convolutionalize.add_argument("model", type=Path, metavar="MODEL", help="a .keras or .h5 file")
    convolutionalize.add_argument(
        "--output", type=Path, required=True, metavar="NET.keras", help="where to write the net"
    )
    convolutionalize.add_argument(
        "--prove",
        type=Path,
        nargs="?",
        const=True,
        metavar="IMAGE",
        help="compare with the classifier, on an image or, without one, on a generated image",
    )
    convolutionalize.add_argument(
        "--heatmap",
        type=at_least(0),
        metavar="CLASS",
        help="also write the heatmap of a class over the image",
    )
    convolutionalize.add_argument(
        "--preprocess",
        choices=("none", "caffe", "tf", "torch"),
        default="none",
        help="preprocessing of the net, as keras.applications names it; VGG16, VGG19: caffe; default: none",
    )
    add_trust(convolutionalize)


def run(options: argparse.Namespace) -> None:
    """Turns a classifier into a fully convolutional net, and proves that it is one."""
    if options.output.suffix != ".keras":
        raise RunError(f"--output {options.output}: expected a name that ends in .keras.")
    if options.output.exists():
        raise occupied(options.output, "Choose another name with --output.")
    if options.heatmap is not None and not isinstance(options.prove, Path):
        raise RunError("--heatmap: expected an image to lay the map over. Name it with --prove IMAGE.")
    start_backend()
    from fcn.data.image_io import encode_jpeg, read_image
    from fcn.models.surgery import convolutionalize
    from fcn.proof.heatmap import heatmap_image
    from fcn.proof.text import render
    from fcn.proof.windows import prove
    from fcn.runs.model_file import load_keras, save_model
    from fcn.system.files import write_bytes

    image = read_image(options.prove) if isinstance(options.prove, Path) else None
    model = load_keras(options.model, options.trust)
    prepare = _preprocessing(options.preprocess)
    if prepare is not None and model.input_shape[-1] != 3:
        raise RunError(
            f"--preprocess {options.preprocess}: expected a net of images with 3 channels. "
            f"Received: {options.model} of {model.input_shape[-1]}."
        )
    try:
        converted = convolutionalize(model)
        proof = prove(model, converted, image, prepare) if options.prove else None
        picture = None
        if options.heatmap is not None and image is not None:
            picture = heatmap_image(converted, image, options.heatmap, preprocess=prepare)
    except ValueError as error:
        raise RunError(f"{options.model}: {error}") from error
    save_model(converted, options.output)
    written = [options.output]
    if picture is not None:
        written.append(options.output.with_suffix(f".class{options.heatmap}.jpg"))
        write_bytes(written[-1], encode_jpeg(picture))
    if options.json:
        print_json({"written": [str(path) for path in written], "proof": proof and render(proof)})
        return
    if proof:
        print_lines(*render(proof).split("\n"), "")
    print_lines(
        f"Wrote {' and '.join(str(path) for path in written)}. "
        "The net takes images of the classifier's size and larger."
    )
    if proof and not proof.vanishes:
        raise PartialError(
            f"{options.model}: the difference remains without padding; see the reason above. "
            "On images of the classifier's own size the net gives the classifier's answer."
        )


def _preprocessing(mode: str) -> Any:
    """Returns the preprocessing of a net of keras.applications; None for "none"."""
    if mode == "none":
        return None
    import keras

    return partial(keras.applications.imagenet_utils.preprocess_input, mode=mode)
