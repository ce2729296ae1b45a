"""The licenses of published weights, which stay with every net that comes of them."""

from pathlib import Path
from typing import NamedTuple

from fcn.runs.folder import RunFolder
from fcn.system.files import write_json
from fcn.system.json_files import read_json_file
from fcn.weights.catalog import NETS, PublishedNet
from fcn.weights.checksum import published_name

LICENSES = "licenses.json"
"""Name of the file in a run and in an exported version."""

_MOST_BYTES = 1 << 20
_MOST_ENTRIES = 100


class WeightLicense(NamedTuple):
    """The license of weights that a net has, or was started from.

    Attributes:
        weights: Name of the published net.
        license: What its publisher calls the license.
        commercial_use: Whether it allows commercial use, in a few words.
        url: Where it is stated.
    """

    weights: str
    license: str
    commercial_use: str
    url: str


def license_of(name: str, net: PublishedNet) -> WeightLicense:
    """Returns the license of a published net."""
    return WeightLicense(name, net.license.name, net.license.commercial_use, net.license.url)


def write_licenses(folder: Path, licenses: tuple[WeightLicense, ...]) -> None:
    """Writes the licenses of a net into a run or an exported version, unless there are none.

    Raises:
        OutputError: If the place cannot be written to or the disk is full.
    """
    if licenses:
        write_json(folder / LICENSES, [one._asdict() for one in licenses])


def read_licenses(folder: Path) -> tuple[WeightLicense, ...]:
    """Returns the licenses in a run or an exported version; none where nothing can be read."""
    try:
        document = read_json_file(folder / LICENSES, _MOST_BYTES)
        return tuple(
            WeightLicense(*(str(one[field]) for field in WeightLicense._fields))
            for one in document[:_MOST_ENTRIES]
        )
    except (OSError, ValueError, LookupError, TypeError):
        return ()


def licenses_of_model(model: Path) -> tuple[WeightLicense, ...]:
    """Returns the licenses of a run folder, or of a file in its `checkpoints`."""
    is_checkpoint = model.suffix == ".keras" and model.absolute().parent.name == "checkpoints"
    return read_licenses(RunFolder(model.absolute().parents[1] if is_checkpoint else model).path)


def licenses_of_start(weights: str) -> tuple[WeightLicense, ...]:
    """Returns the licenses of the weights that a training starts from.

    Args:
        weights: A name, or the path of a run folder or a file; an existing path wins.
    """
    path = Path(weights)
    name = published_name(path) if path.exists() else weights
    return (license_of(name, NETS[name]),) if name in NETS else licenses_of_model(path)
