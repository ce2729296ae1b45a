"""Imports published weights into a run folder that every command takes."""

from pathlib import Path

from fcn.errors import RunError
from fcn.runs.folder import RunFolder
from fcn.runs.model_file import save_model
from fcn.system.atomic_folder import atomic_folder, clear_new_folder
from fcn.system.files import write_json
from fcn.weights.checksum import checked_sha256
from fcn.weights.published.convert import read_published
from fcn.weights.published.recognize import Recognized


def import_weights(source: Path, output: Path, net: str = "fcn8s") -> Recognized:
    """Reads published weights and writes a run folder that every other command takes.

    Args:
        source: A caffemodel, a Keras VGG16 `.h5`, a `vgg16.npy` or a torchvision `vgg16` `.pth`; the
            suffix does not matter.
        output: A folder that is not there yet, or empty.
        net: The net for a classifier's weights; its score layers start at zero. The file of a segmentation
            net determines its net.

    Returns:
        What the file holds.

    Raises:
        OutputError: If `output` holds something, the folder cannot be written to or the disk is full.
        RunError: If the file cannot be read or holds another net.
    """
    clear_new_folder(output)
    found, model = read_published(source, net)
    if found.missing:
        raise RunError(
            f"{source}: is VGG16 without top, its convolutions alone. A training can start from them: --set "
            f"model.weights={source}. For a run, take the file with top."
        )
    sha256 = checked_sha256(source)
    document = {
        "source": source.name,
        "sha256": sha256,
        "format": found.format,
        "net": found.title,
        "left_out": found.left_out,
    }
    # Whole or absent: a folder that was half written at a power cut would be taken for a run.
    with atomic_folder(output) as temporary:
        save_model(model, RunFolder(temporary).best)
        write_json(temporary / "import.json", document)
    return found
