"""Checksums of weight files, compared where the publisher states one."""

import hashlib
import re
from pathlib import Path

from fcn.errors import RunError

KERAS_MD5 = {
    "vgg16_weights_tf_dim_ordering_tf_kernels.h5": "64373286793e3c8b2b4e3219cbf3544b",
    "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5": "6d6bbae143d832006294945121d1f1fc",
}
"""MD5 of files by the names their publisher gives them. Source: keras.applications.vgg16."""

# torchvision's files end in the first digits of their SHA-256 (torch.hub.load_state_dict_from_url).
_TORCH_NAME = re.compile(r"-([0-9a-f]{8,})\.pth$")


def checked_sha256(path: Path) -> str:
    """Returns the SHA-256 of a weight file, after comparing what its publisher states.

    Nothing is stated for a file under another name; it is only hashed.

    Args:
        path: The file.

    Raises:
        RunError: If the file is not what was published under its name.
    """
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        stated = KERAS_MD5.get(path.name)
        if stated is not None:
            _compare(path, "MD5", hashlib.file_digest(file, "md5").hexdigest(), stated)
    named = _TORCH_NAME.search(path.name)
    if named:
        _compare(path, "SHA-256", sha256, named[1])
    return sha256


def _compare(path: Path, kind: str, found: str, stated: str) -> None:
    if not found.startswith(stated):
        raise RunError(
            f"{path}: expected the {kind} {stated}, which its publisher states. Received: {found}. "
            "Download it again; if it is a file of your own, give it another name."
        )
