import os

import pytest

from fcn.data.image_io import decode_image
from fcn.errors import ConfigError
from fcn.server.page.examples import MAX_EXAMPLES, drawn_examples, folder_examples


def test_drawn_scenes_are_pictures_and_stay_the_same():
    first, again = drawn_examples(), drawn_examples()
    images = [decode_image(example.read()) for example in first]
    assert {image.shape for image in images} == {(128, 176, 3)}
    assert all(image.std() > 20 for image in images)
    assert [example.read() for example in first] == [example.read() for example in again]


def test_photographs_come_in_the_order_of_their_names(tmp_path):
    for name in ("b.JPG", "a.png", "c.webp", "scan.tif", "notes.txt", "d.bmp"):
        (tmp_path / name).write_bytes(name.encode())
    (tmp_path / "folder.jpg").mkdir()
    examples = folder_examples(tmp_path)
    assert [example.name for example in examples] == ["a", "b", "c", "d"]
    assert [example.media_type for example in examples] == [
        "image/png",
        "image/jpeg",
        "image/webp",
        "image/bmp",
    ]
    assert [example.read() for example in examples] == [b"a.png", b"b.JPG", b"c.webp", b"d.bmp"]


def test_there_are_not_too_many(tmp_path):
    for index in range(20):
        (tmp_path / f"{index:02}.jpg").touch()
    assert [example.name for example in folder_examples(tmp_path)] == [f"{i:02}" for i in range(MAX_EXAMPLES)]


def test_a_name_that_is_no_text_can_be_sent(tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff.jpg"
    try:
        with open(path, "wb"):
            pass
    except OSError:
        pytest.skip("this file system has names of text only")
    assert folder_examples(tmp_path)[0].name == "\ufffd"


def test_a_folder_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        folder_examples(tmp_path / "nothing")


def test_links_are_not_served_also_where_they_come_later(tmp_path):
    folder = tmp_path / "examples"
    folder.mkdir()
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (folder / "a.jpg").write_bytes(b"a")
    (folder / "b.jpg").symlink_to(tmp_path / "secret.jpg")
    (folder / "c.jpg").symlink_to(tmp_path / "nothing.jpg")
    examples = folder_examples(folder)
    assert [(example.name, example.read()) for example in examples] == [("a", b"a")]
    (folder / "a.jpg").unlink()
    (folder / "a.jpg").symlink_to(tmp_path / "secret.jpg")
    with pytest.raises(OSError, match="symbolic links"):
        examples[0].read()
