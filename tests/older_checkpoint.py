"""Checkpoints as older versions wrote them."""

import json
import zipfile
from pathlib import Path


def without(path: Path, *keys: str) -> None:
    """Takes keys that older versions did not write out of the state of a checkpoint."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    state = json.loads(members["training.json"])
    members["training.json"] = json.dumps({key: state[key] for key in state.keys() - set(keys)}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
