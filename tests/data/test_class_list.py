"""Tests of class lists as people have them."""

from pathlib import Path

import numpy as np
import pytest

from fcn.data.class_list import format_class_list, read_class_list
from fcn.errors import DataError


def write(path: Path, content: str | bytes) -> Path:
    list_path = path / "labels.txt"
    list_path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list_path


NAMES = ("sky", "road", "car")
COLORS = ((0, 0, 0), (128, 64, 128), (0, 0, 142))


@pytest.mark.parametrize(
    "content",
    [
        "sky\nroad\ncar\n",
        "__ignore__\nsky\n",  # replaced below
        b"\xef\xbb\xbfsky\r\nroad\r\n\r\ncar\r\n",
        "sky\n\ufeffroad\ncar",
        "sky\n\n\nroad\n  car  \n",
        "0 sky\n1 road\n2 car\n",
        "0: sky\n1: road\n2: car\n255: void\n",
        "2\tcar\n0\tsky\n1\troad\n",
        "sky,0\nroad,1\ncar,2\n",
        "sky 0\nroad 1\ncar 2\n",
        "sky = 0\nroad = 1\ncar = 2\n",
        "sky - 0\nroad - 1\ncar - 2\n",
        "id;name\n0;sky\n1;road\n2;car\n",
        "Pixel Value, Class\n0, sky\n1, road\n2, car\n",
        '"sky"\n"road"\n"car"\n',
        "'sky',\n'road',\n'car'\n",
        "sky, road, car",
        '["sky", "road", "car"]',
        '[\n  "sky",\n  "road",\n  "car"\n]\n',
        "names:\n- sky\n- road\n- car\n",
        "names:\n  0: sky\n  1: road\n  2: car\n",
        "0) sky\n1) road\n2) car\n",
        "-1 void\n0 sky\n1 road\n2 car\n",
    ],
)
def test_lists_with_one_certain_meaning_are_read(content: str | bytes, tmp_path: Path) -> None:
    if content == "__ignore__\nsky\n":
        found = read_class_list(write(tmp_path, "__ignore__\n_background_\nroad\ncar\n"))
        assert found.names == ("_background_", "road", "car")
        return
    found = read_class_list(write(tmp_path, content))
    assert found == (NAMES, None)
    assert all(type(name) is str for name in found.names)


@pytest.mark.parametrize(
    "content",
    [
        "# label:color_rgb:parts:actions\nsky:0,0,0::\nroad:128,64,128::\ncar:0,0,142::\n",
        "sky:0,0,0::\r\nroad:128,64,128::\r\ncar:0,0,142::\r\n",
        "sky:0, 0, 0:wheel,door:\nroad:128,64,128:\ncar:0,0,142\n",
        "name,r,g,b\nsky,0,0,0\nroad,128,64,128\ncar,0,0,142\n",
        "id,name,red,green,blue\n1,road,128,64,128\n0,sky,0,0,0\n2,car,0,0,142\n",
        "sky\t0\t0\t0\nroad\t128\t64\t128\ncar\t0\t0\t142\n",
    ],
)
def test_colors_of_a_list_are_read(content: str, tmp_path: Path) -> None:
    assert read_class_list(write(tmp_path, content)) == (NAMES, COLORS)


def test_a_list_of_cvat_without_all_colors_has_names_alone(tmp_path: Path) -> None:
    content = "# label:color_rgb:parts:actions\nsky:::\nroad:128,64,128::\ncar:::\n"
    assert read_class_list(write(tmp_path, content)) == (NAMES, None)


@pytest.mark.parametrize(
    "content",
    [
        "wall\nbuilding, edifice\ndoor, double door\n",
        "boeing 737\nboeing 747\nairbus 320\n",
        "class 0\nclass 1\nclass 2\n",
        "0\n1\n2\n",
        "background\n1 euro\n2 euro\n",
        "c#\nc++\nit's\n",
        "time 12:30\nratio 1:2\nother\n",
        "potted plant\ntv/monitor\nx: y\n",
    ],
)
def test_names_with_numbers_commas_and_marks_stay_names(content: str, tmp_path: Path) -> None:
    assert read_class_list(write(tmp_path, content)).names == tuple(content.splitlines())


@pytest.mark.parametrize("quote", ['"', "'"])
def test_names_in_quotes_are_names_whatever_they_look_like(quote: str, tmp_path: Path) -> None:
    names = ("1 euro", "2 euro", "5,0,0,0", "6: cat")
    content = "".join(f"{quote}{name}{quote}\n" for name in names)
    assert read_class_list(write(tmp_path, content)).names == names
    for written in (
        names,
        NAMES,
        ("0 sky", "1 road"),
        ("a:1,2,3::", "b"),
        ("__ignore__", "x"),
        ("# 1", 'a"b'),
    ):
        assert read_class_list(write(tmp_path, format_class_list(written))).names == written


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("sky\n__ignore__\nroad\n", 2, "belongs in the first line"),
        ("__ignore__\nsky\nroad\n", 2, "expects _background_"),
        ("__ignore__\n", 1, "expects _background_"),
        ("# my classes\nsky\nroad\n", 1, "comment"),
        ("sky\n\n// later\nroad\n", 3, "comment"),
        ("sky:0,0,0::\nroad\n", 2, "CVAT"),
        ("sky:0,0,0::\nroad:256,0,0::\n", 2, "0 to 255"),
        ("sky,0,0,-1\nroad,1,1,1\n", 1, "0 to 255"),
        ("1 sky\n2 road\n", 1, "id 0 has no line"),
        ("0: sky\n1: road\n5: car\n", 3, "id 2 has no line"),
        ("0 sky\n1 road\n1 car\n", 3, "has a line already"),
        ('"sky"\n"road\n', 2, "quote"),
        ('{"sky": 0}', 1, "JSON"),
        ('["sky", 3]', 1, "JSON"),
        ("[" * 5000, 1, "JSON"),
    ],
)
def test_what_is_not_certain_is_refused_with_its_line(
    content: str, line: int, words: str, tmp_path: Path
) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError) as caught:
        read_class_list(path)
    assert str(caught.value).startswith(f"{path}, line {line}: ")
    assert words in str(caught.value)
    assert "one name a line" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "line", "words"),
    [
        ("path: ../x\ntrain: images\nnc: 2\nnames: [sky, car]\n", 4, "settings"),
        ("nc: 2\nnames:\n  0: sky\n  1: car\n", 2, "settings"),
        ("classes=('sky', 'car')\n", 1, "settings"),
        ("item {\n  id: 1\n  name: 'sky'\n}\n", 1, "program"),
        ('<View>\n<Label value="sky"/>\n</View>\n', 2, "XML"),
        ("<!DOCTYPE html>\n", 1, "HTML"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 12\n", 1, "Git LFS"),
        ("| id | name |\n|---|---|\n| 0 | sky |\n", 1, "Markdown"),
        ("Name,ID,TrainID\nsky,0,0\ncar,1,1\n", 1, "other columns"),
        ("label_name,label_id\nsky,0\ncar,1\n", 1, "other columns"),
        ("sky\t0\t0.5\ncar\t1\t0.5\n", 1, "other columns"),
        ("0,0,0\n128,0,0\n", 1, "other columns"),
    ],
)
def test_lines_that_are_no_names_are_refused(content: str, line: int, words: str, tmp_path: Path) -> None:
    path = write(tmp_path, content)
    with pytest.raises(DataError) as caught:
        read_class_list(path)
    assert str(caught.value).startswith(f"{path}, line {line}: ")
    assert words in str(caught.value)
    quoted = "".join(f'"{text}"\n' for text in content.replace('"', "").replace("\t", " ").splitlines())
    assert len(read_class_list(write(tmp_path, quoted)).names) == content.count("\n")


def test_names_that_are_far_too_long_are_refused(tmp_path: Path) -> None:
    for content in ("a,b," + "c" * 200_000, "0 " + "c" * 200_000, "c" * 200_000 + ":1,2,3::"):
        with pytest.raises(DataError, match="1 to 200 characters"):
            read_class_list(write(tmp_path, content))


def test_a_class_too_many_is_refused(tmp_path: Path) -> None:
    names = [f"class {number}" for number in range(256)]
    for lines in (names, [f"{number}: {name}" for number, name in enumerate(names)]):
        with pytest.raises(DataError, match=r"expected 1 to 255 class names\. Received: 256"):
            read_class_list(write(tmp_path, "\n".join(lines)))
    assert len(read_class_list(write(tmp_path, "\n".join(names[:255]))).names) == 255


@pytest.mark.parametrize("content", ["sky".encode("utf-16"), b"sk\xe4y\n"])
def test_other_encodings_are_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Save it as UTF-8"):
        read_class_list(write(tmp_path, content))


def test_any_text_is_read_or_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    parts = ["sky", "road", "0", "1", "255", "-1", ",", ":", "::", "\t", " ", "#", '"', "'", "\n", "[", "]",
             "__ignore__", "_background_", "names:", "- ", ";", "1,2,3", "\ufeff", "\x85", "="]  # fmt: skip
    for _ in range(500):
        content = "".join(rng.choice(parts, rng.integers(1, 20)).tolist())
        try:
            found = read_class_list(write(tmp_path, content))
        except DataError:
            continue
        assert len({*found.names}) == len(found.names)
        assert found.colors is None or len(found.colors) == len(found.names)
