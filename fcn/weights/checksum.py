"""Checksums of weight files, by which published ones are known."""

import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from fcn.system.download.file import Checksum
from fcn.weights.catalog import NETS, PublishedNet
from fcn.weights.record import read_record

_CHUNK = 1 << 20
# torchvision's files end in the first digits of their SHA-256 (torch.hub.load_state_dict_from_url).
_TORCH_NAME = re.compile(r"-([0-9a-f]{8,})\.pth$")


class Identity(NamedTuple):
    """What a weight file is by its content.

    Attributes:
        sha256: Its SHA-256.
        name: Name of the published net that it is, by its public checksum or what the user's folder of
            weights has recorded; None if it is none that is known.
        problem: What is wrong if it has the name of a published file, but not its checksum; else None.
    """

    sha256: str
    name: str | None
    problem: str | None = None


def identify(path: Path, catalog: Mapping[str, PublishedNet] = NETS) -> Identity:
    """Returns what a weight file is, by its content, and whether its name says something else.

    Args:
        path: The file, under any name.
        catalog: The published nets by name.

    Raises:
        OSError: If it cannot be read.
    """
    stated = {name: net.file for name, net in catalog.items() if net.file.checksum is not None}
    kinds = {"sha256", *(file.checksum.kind for file in stated.values() if file.checksum)}
    status = path.stat()
    found = _digests(path.absolute(), tuple(sorted(kinds)), (status.st_size, status.st_mtime_ns))
    expected = [file.checksum for file in stated.values() if file.name == path.name and file.checksum]
    named = _TORCH_NAME.search(path.name)
    expected += [Checksum("sha256", named[1], "its publisher")] if named else []
    problem = next(
        (
            f"{path}: expected the {one.title}, which {one.source} states. Received: {found[one.kind]}. "
            "Download it again; if it is a file of your own, give it another name."
            for one in expected
            if not found[one.kind].startswith(one.digits)
        ),
        None,
    )
    names = (
        name
        for name, file in stated.items()
        if file.checksum and found[file.checksum.kind].startswith(file.checksum.digits)
    )
    name = next(names, None) or _name_in_folder(path, found["sha256"], catalog)
    return Identity(found["sha256"], name, problem)


def published_name(path: Path, catalog: Mapping[str, PublishedNet] = NETS) -> str | None:
    """Returns the name of the published net that a file is; None for other files, and for what is no file.

    Args:
        path: The file, or something else.
        catalog: The published nets by name.
    """
    with suppress(OSError):
        if path.is_file() and path.suffix != ".keras":
            return identify(path, catalog).name
    return None


@lru_cache(maxsize=8)
def _digests(path: Path, kinds: tuple[str, ...], _version: tuple[int, int]) -> dict[str, str]:
    """Returns the digests of a file by their kinds; its size and time tell whether they are known already."""
    digests = {kind: hashlib.new(kind, usedforsecurity=False) for kind in kinds}
    with path.open("rb") as content:
        while chunk := content.read(_CHUNK):
            for one in digests.values():
                one.update(chunk)
    return {kind: one.hexdigest() for kind, one in digests.items()}


def _name_in_folder(path: Path, sha256: str, catalog: Mapping[str, PublishedNet]) -> str | None:
    """Returns the net without a public checksum that a file is, by its record in the user's folder.

    Without a record, as in a folder that is only read, the file in that folder itself is known.
    """
    from fcn.weights.cache import WeightCache  # it imports what downloads, which is seldom needed

    cache = WeightCache()
    for name, net in catalog.items():
        if net.file.checksum is None:
            place = cache.path(net)
            record = read_record(place)
            if (path.resolve() == place.resolve()) if record is None else (record.sha256 == sha256):
                return name
    return None
