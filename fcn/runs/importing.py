"""Imports published weights into a run folder that every command takes."""

from collections.abc import Mapping
from pathlib import Path

from fcn.errors import RunError
from fcn.runs.folder import RunFolder
from fcn.runs.licenses import WeightLicense, license_of, write_licenses
from fcn.runs.model_file import save_model
from fcn.runs.named_net import CONVERSION, IMPORT_FILE
from fcn.system.atomic_folder import atomic_folder, clear_new_folder
from fcn.system.files import write_json
from fcn.weights.catalog import NETS, PublishedNet
from fcn.weights.checksum import identify
from fcn.weights.published.convert import read_published
from fcn.weights.published.recognize import Recognized
from fcn.weights.reader import recognize


def import_weights(
    source: Path,
    output: Path,
    net: str = "fcn8s",
    licenses: tuple[WeightLicense, ...] = (),
    catalog: Mapping[str, PublishedNet] = NETS,
) -> Recognized:
    """Reads published weights and writes a run folder that every other command takes.

    Args:
        source: A file of weights that `fcn.weights.reader` reads; the suffix does not matter.
        output: A folder that is not there yet, or empty.
        net: The net for a classifier's weights; its score layers start at zero. The file of a segmentation
            net determines its net.
        licenses: The terms of the weights, which stay in the folder; of a file that is known by its checksum
            they are added.
        catalog: The published nets by name.

    Returns:
        What the file holds.

    Raises:
        OutputError: If `output` holds something, the folder cannot be written to or the disk is full.
        RunError: If the file cannot be read or holds another net.
    """
    clear_new_folder(output)
    recognize(source)  # raises an error that explains what is wrong with the file
    sha256, name, problem = identify(source, catalog)
    if problem is not None:
        raise RunError(problem)
    published = None if name is None else catalog[name]
    found, model = read_published(source, net, published and published.skip_scales)
    if found.missing:
        raise RunError(
            f"{source}: is VGG16 without top, its convolutions alone. A training can start from them: --set "
            f"model.weights={source}. For a run, take the file with top."
        )
    if name is not None and published is not None:
        licenses = licenses or (license_of(name, published),)
    document = {
        "source": source.name,
        "sha256": sha256,
        "format": found.format,
        "net": found.title,
        "left_out": found.left_out,
        "conversion": CONVERSION,
    }
    # Whole or absent: a folder that was half written at a power cut would be taken for a run.
    with atomic_folder(output) as temporary:
        checkpoint = RunFolder(temporary).best
        save_model(model, checkpoint)
        write_licenses(temporary, licenses)
        write_json(temporary / IMPORT_FILE, document | {"checkpoint_bytes": checkpoint.stat().st_size})
    return found
