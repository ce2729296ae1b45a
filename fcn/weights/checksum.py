"""Checksums of weight files, by which published ones are known."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from fcn.system.download.file import Checksum
from fcn.weights.catalog import NETS, PublishedNet

_CHUNK = 1 << 20
# torchvision's files end in the first digits of their SHA-256 (torch.hub.load_state_dict_from_url).
_TORCH_NAME = re.compile(r"-([0-9a-f]{8,})\.pth$")


class Identity(NamedTuple):
    """What a weight file is by its content.

    Attributes:
        sha256: Its SHA-256.
        name: Name of the published net that it is; None if it is none, or none with a public checksum.
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
    """
    stated = {name: net.file for name, net in catalog.items() if net.file.checksum is not None}
    kinds = {"sha256", *(file.checksum.kind for file in stated.values() if file.checksum)}
    digests = {kind: hashlib.new(kind, usedforsecurity=False) for kind in sorted(kinds)}
    with path.open("rb") as content:
        while chunk := content.read(_CHUNK):
            for one in digests.values():
                one.update(chunk)
    found = {kind: one.hexdigest() for kind, one in digests.items()}
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
    return Identity(found["sha256"], next(names, None), problem)
