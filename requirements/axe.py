"""Fetches axe-core, which checks the accessibility of pages in tests; `make axe` runs it.

axe-core is under the MPL 2.0 and is not a part of this project: npm downloads it, as it is configured to,
and it stays in a folder that git ignores. Tests that need it are skipped where it is missing.
"""

import base64
import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from fcn.system.atomic_folder import atomic_folder
from fcn.system.text import print_lines

VERSION = "4.14.1"
SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
"""Of the package, as npm records it; a published version never changes."""

FOLDER = Path(__file__).parents[1] / ".axe" / VERSION
PROGRAM = "axe.min.js"
_KEPT = (PROGRAM, "LICENSE")


class FetchError(Exception):
    """The package could not be fetched, or is another one."""


def main() -> None:
    """Fetches the pinned version if it is missing; ends with a message if that fails."""
    if (FOLDER / PROGRAM).exists():
        return
    try:
        with tempfile.TemporaryDirectory() as folder:
            unpack(download(Path(folder)), FOLDER, SHA512)
    except FetchError as error:
        sys.exit(f"axe-core {VERSION}: {error}")
    print_lines(f"axe-core {VERSION} is in {FOLDER}.")


def download(folder: Path) -> Path:
    """Has npm download the package; returns the archive.

    Args:
        folder: Where to.

    Raises:
        FetchError: If there is no npm, or it finds no registry.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise FetchError("there is no npm. Install Node.js.")
    command = [npm, "pack", f"axe-core@{VERSION}", "--silent", "--pack-destination", str(folder)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    archives = [*folder.glob("*.tgz")]
    if done.returncode or len(archives) != 1:
        raise FetchError(f"npm could not download it. {(done.stderr or done.stdout).strip()}")
    return archives[0]


def unpack(archive: Path, folder: Path, sha512: str) -> None:
    """Puts the program and its license into a folder, if the archive is the one that is expected.

    Args:
        archive: A package of npm.
        folder: Where to; does not exist yet.
        sha512: Expected digest of the archive, in Base64.

    Raises:
        FetchError: If the archive is another one.
    """
    found = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != sha512:
        raise FetchError(
            f"{archive.name} is not the package that is pinned. Expected {sha512}. Received: {found}"
        )
    with atomic_folder(folder) as made, tarfile.open(archive) as package:
        made.mkdir()
        for kept in _KEPT:
            try:
                content = package.extractfile(f"package/{kept}")
            except KeyError:
                content = None
            if content is None:
                raise FetchError(f"{archive.name}: has no {kept}.")
            (made / kept).write_bytes(content.read())


if __name__ == "__main__":
    main()
