"""Tests of the files of an export beside those that TensorFlow reads."""

import json
from pathlib import Path

import pytest

from fcn.classes import Classes
from fcn.errors import RunError
from fcn.inference.engines.exported import exported_classes


def write(version: Path, content: bytes) -> Path:
    path = version / "assets" / "classes.json"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"names": ["sky", "s\x1bea"]}, r"without control characters. Received: 's\x1bea'"),
        ({"names": ["sky", "x" * 201]}, "1 to 200 characters in the name of class 1. Received: 201"),
        ({"names": ["sky", None]}, "text as the name of class 1. Received: NoneType"),
        ({"names": "sky"}, "a list of class names. Received: str"),
        ({"names": {"sky": 0}}, "a list of class names. Received: dict"),
        ({"names": []}, "1 to 255 class names. Received: 0"),
        ({"names": [str(number) for number in range(256)]}, "1 to 255 class names. Received: 256"),
        ({"palette": [[300, 0, 0], [0, 0, 0]]}, "300"),
        ({"palette": [[0, 0], [0, 0]]}, "not enough values"),
        ({"palette": "red"}, "classes.json"),
    ],
)
def test_classes_of_an_export_are_checked(document: dict[str, object], words: str, tmp_path: Path) -> None:
    whole = {"names": ["sky", "sea"], "palette": [[0, 0, 0], [1, 2, 3]]}
    path = write(tmp_path, json.dumps(whole).encode())
    assert exported_classes(tmp_path) == Classes(("sky", "sea"), ((0, 0, 0), (1, 2, 3)))
    write(tmp_path, json.dumps(whole | document).encode())
    with pytest.raises(RunError) as caught:
        exported_classes(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert words in message
    assert message.endswith("Export it again.")


@pytest.mark.parametrize("content", [b"", b"[]", b"3", b"[" * 100_000, b" " * (2**20 + 1), b"\xff"])
def test_a_file_that_holds_no_classes_is_refused(content: bytes, tmp_path: Path) -> None:
    path = write(tmp_path, content)
    with pytest.raises(RunError) as caught:
        exported_classes(tmp_path)
    assert str(caught.value).startswith(f"{path}: cannot be read as the classes of an exported model (")
