"""Tests of the files of an export beside those that TensorFlow reads."""

import json
from pathlib import Path

import pytest

from fcn.classes import Classes
from fcn.errors import RunError
from fcn.inference.engines.exported import (
    classes_document,
    describe_stored_order,
    exported_classes,
    exported_net,
)
from fcn.models.fields import NetDescription

NET = {"stride": 8, "geometry": "same", "input_scale": 1, "width": 0.5, "num_classes": 2}


def write(version: Path, content: bytes, name: str = "classes.json") -> Path:
    path = version / "assets" / name
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


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a file without an end")
def test_files_without_an_end_are_not_read_to_their_end(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    for name, read in (("classes.json", exported_classes), ("model.json", exported_net)):
        (tmp_path / "assets" / name).symlink_to("/dev/zero")
        with pytest.raises(RunError, match="expected at most 1,048,576 bytes"):
            read(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"stride": 32, "geometry": "reference", "input_scale": 0.5},
        {"fc6": "largefov", "fc_channels": 7},
        {"channels": None},
        {"channels": {"fc6": 12, "block1_conv2": 3}},
        {"context": "none", "bits": 12},
        {"context": "large", "other": [1]},
    ],
)
def test_arguments_of_a_net_are_read(change: dict[str, object], tmp_path: Path) -> None:
    write(tmp_path, json.dumps(NET | change).encode(), "model.json")
    net = exported_net(tmp_path)
    assert net == NetDescription.from_config(NET | change)
    assert net is not None
    assert net.map_bytes(10, 20) > 0


@pytest.mark.parametrize(
    ("argument", "values"),
    {
        "stride": [0, -1, 7.5, 8.0, "8", None, [8], True, 10**9],
        "geometry": ["other", None, []],
        "input_scale": [0, -1, 1.5, float("nan"), "a", None],
        "width": [0, -1, 1e308, float("nan"), "a", None],
        "num_classes": [0, -1, 256, 2.5, "2", None, [1]],
        "fc6": ["other", None, []],
        "context": ["other", 5, []],
        "fc_channels": [0, -5, 10**15, "a", []],
        "channels": [{"fc6": 0}, {"fc6": 10**15}, {"fc6": "a"}, {"fc6": True}, {"fc9": 3}, [], "a", 3],
        "bits": [7, 17, -12, 12.0, "12", None, True, [12]],
    }.items(),
)
def test_arguments_that_no_net_has_are_refused(argument: str, values: list[object], tmp_path: Path) -> None:
    for value in values:
        path = write(tmp_path, json.dumps(NET | {argument: value}).encode(), "model.json")
        with pytest.raises(RunError) as caught:
            exported_net(tmp_path)
        assert str(caught.value).startswith(f"{path}: cannot be read as the arguments of an exported net (")


@pytest.mark.parametrize("content", [b"", b"[]", b"3", b"{}", b"[" * 100_000, b" " * (2**20 + 1), b"\xff"])
def test_a_file_that_holds_no_arguments_is_refused(content: bytes, tmp_path: Path) -> None:
    write(tmp_path, content, "model.json")
    with pytest.raises(RunError, match="cannot be read as the arguments of an exported net"):
        exported_net(tmp_path)


def test_an_export_of_before_is_told_from_a_new_one(tmp_path: Path) -> None:
    classes = Classes(("sky", "sea"), ((0, 0, 0), (1, 2, 3)))
    document = json.loads(json.dumps(classes_document(classes)))
    write(tmp_path, json.dumps(document).encode())
    assert exported_classes(tmp_path) == classes
    assert describe_stored_order(tmp_path) is None
    del document["pixel_order"]
    write(tmp_path, json.dumps(document).encode())
    assert exported_classes(tmp_path) == classes
    notice = describe_stored_order(tmp_path)
    assert notice is not None
    assert notice.startswith(f"{tmp_path}: was exported by an older version.")
    for content in (b"", b"[]", b"[" * 100_000, b" " * (2**20 + 1)):
        write(tmp_path, content)
        assert describe_stored_order(tmp_path) is None
