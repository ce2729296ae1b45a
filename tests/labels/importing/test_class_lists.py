"""Tests that a list of classes means the same to a training and to an import."""

from pathlib import Path

import pytest

from fcn.data.class_list import format_class_list, read_class_list
from fcn.errors import DataError
from fcn.labels.exporting.class_names import list_names
from fcn.labels.importing.class_lists import find_classes

NAMES = ("background", "cat", "dog")
COLORS = ((0, 0, 0), (200, 30, 60), (10, 250, 5))

LISTS = {
    "labelme": ("labels.txt", "__ignore__\n_background_\ncat\ndog\n", False),
    "labelme's export": ("class_names.txt", "_background_\ncat\ndog", False),
    "CVAT": (
        "labelmap.txt",
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:200,30,60::\ndog:10,250,5::\n",
        True,
    ),
    "CVAT with void": (
        "labelmap.txt",
        "background:0,0,0::\ncat:200,30,60::\ndog:10,250,5::\n__ignore__:224,224,192::\n",
        True,
    ),
    "Roboflow": ("_classes.csv", "Pixel Value, Class\n0, background\n1, cat\n2, dog\n", False),
    "a dictionary": ("class_dict.csv", "name,r,g,b\nbackground,0,0,0\ncat,200,30,60\ndog,10,250,5\n", True),
    "a heading in other words": (
        "class_dict.csv",
        "klass, rood, groen, blauw\nbackground, 0, 0, 0\ncat, 200, 30, 60\ndog, 10, 250, 5\n",
        True,
    ),
    "CamVid": ("label_colors.txt", "0 0 0\t\tbackground\n200 30 60\tcat\n10 250 5\tdog\n", True),
    "YOLO": ("obj.names", "background\r\ncat\r\ndog\r\n", False),
    "ids": ("classes.txt", "0: background\n1: cat\n2: dog\n255: void\n", False),
    "a table": ("labels.txt", "dog\t2\nbackground\t0\ncat\t1\n", False),
    "a program": ("classes.txt", "'background',\n'cat',\n'dog'", False),
}


@pytest.mark.parametrize("tool", LISTS)
def test_a_training_and_an_import_read_a_list_alike(tool: str, tmp_path: Path) -> None:
    name, content, has_colors = LISTS[tool]
    (tmp_path / name).write_bytes(content.encode())
    found = read_class_list(tmp_path / name)
    assert tuple("background" if one == "_background_" else one for one in found.names) == NAMES
    assert found.colors == (COLORS if has_colors else None)
    listed = {one.id: one for one in find_classes(tmp_path) if not one.is_void}
    assert tuple(listed[number].name for number in sorted(listed)) == NAMES
    assert [*sorted(listed)] == [0, 1, 2]
    assert all((listed[number].color == color) == has_colors for number, color in enumerate(COLORS))
    assert list_names(str(tmp_path / name)) == found.names


@pytest.mark.parametrize(
    "content",
    [
        "# my classes\nbackground\ncat\n",
        "background\n__ignore__\ncat\n",
        "__ignore__\ncat\ndog\n",
        "1 euro\n2 euro\n50 cent\n",
        "0,background\n1,cat\n1,dog\n",
        "Pixel Value, Class\n0, background\none, cat\n",
        "background:0,0,0::\ncat:256,0,0::\n",
        "name,r,g,b\nbackground,0,0,0\ncat,200,30\n",
    ],
)
def test_both_refuse_the_same_with_the_line(content: str, tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text(content)
    messages = set()
    for read in (read_class_list, lambda _: find_classes(tmp_path), lambda one: list_names(str(one))):
        with pytest.raises(DataError) as caught:
            read(path)
        messages.add(str(caught.value))
    (message,) = messages
    assert message.startswith(f"{path}, line ")


def test_names_in_quotes_are_names_to_an_import_too(tmp_path: Path) -> None:
    names = ("0 euro", "# 1", "__ignore__", "a:1,2,3::")
    (tmp_path / "labels.txt").write_text(format_class_list(names))
    assert tuple(one.name for one in find_classes(tmp_path)) == names
    assert not any(one.is_void for one in find_classes(tmp_path))


def test_ids_with_gaps_are_those_of_masks_only(tmp_path: Path) -> None:
    path = tmp_path / "_classes.csv"
    path.write_text("Pixel Value, Class\n0, background\n7, cat\n255, 5\n")
    assert [(one.id, one.name) for one in find_classes(tmp_path)] == [
        (0, "background"),
        (7, "cat"),
        (255, "5"),
    ]
    with pytest.raises(DataError, match="line 3: gives 'cat' the id 7, but id 1 has no line"):
        read_class_list(path)
