"""Files of the repository, as git lists them."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def git_files(*options: str, root: Path = ROOT) -> list[str]:
    """Returns the files that git lists and that are there, relative to the root.

    Where git cannot list them, the test that asks is skipped: no `.git` in an archive of the source, one of
    another user in a container, or no git.

    Args:
        options: Of `git ls-files`.
        root: Folder of the repository.
    """
    try:
        listed = subprocess.run(["git", "ls-files", "-z", *options], cwd=root, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs git")
    if listed.returncode:
        pytest.skip(f"not a git repository: {listed.stderr.decode(errors='replace').strip()}")
    names = [os.fsdecode(name) for name in listed.stdout.split(b"\0") if name]
    return [name for name in names if (root / name).is_file()]
