"""Tests of what outputs are called."""

import random
from collections.abc import Iterator
from pathlib import Path, PurePath

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from photographs import contents_below, files_below, random_predictor, write_image

from fcn.data.image_io import read_label
from fcn.errors import DataError
from fcn.inference.predictor import Predictor
from fcn.jobs.label_images import label_images
from fcn.jobs.naming import name_outputs
from fcn.jobs.store import JobStore
from fcn.outputs.render import ENDINGS


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return random_predictor()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    return folder


NAMES = st.sampled_from(
    ["a", "b", "a.jpg", "a.png", "a.jpg.png", "a.overlay", "a.overlay.jpg", "a..jpg", "..jpg"]
)
FOLDERS = st.lists(st.sampled_from(["a", "a.png", "a.jpg.png", "a.overlay.jpg"]), max_size=2)
PLACES = st.lists(
    st.builds(
        lambda top, folder, name, suffix: (top, "/".join(folder), f"{name}{suffix}"),
        st.sampled_from(["one", "two"]),
        FOLDERS,
        NAMES,
        st.sampled_from([".jpg", ".png", ".JPG"]),
    ),
    max_size=12,
    unique_by=lambda image: (image[1], image[2]),
)
Image = tuple[str, str, str]


def name_all(images: list[Image], store: JobStore) -> dict[Image, str]:
    """Names images as a job does, after those that `store` names already."""
    connection = store.connection
    for image in images:
        for parent in [path for path in (PurePath(image[1]), *PurePath(image[1]).parents) if path.name]:
            connection.execute("INSERT OR IGNORE INTO folders VALUES (?)", (bytes(parent),))
    connection.execute("CREATE TEMP TABLE found (place, path, short, full, long, name, verdict)")
    for image in images:
        path = PurePath(image[1], image[2])
        row = ("/".join(image), "/".join(image), str(path.with_name(path.stem)), str(path), str(path))
        values = (*(text.encode() for text in row), None, "new")
        connection.execute("INSERT INTO temp.found VALUES (?, ?, ?, ?, ?, ?, ?)", values)
    try:
        name_outputs(connection, ENDINGS)
        rows = connection.execute("SELECT place, name FROM temp.found").fetchall()
    finally:
        for table in ("found", "endings", "clashes"):
            connection.execute(f"DROP TABLE IF EXISTS temp.{table}")
    connection.executemany(
        "INSERT INTO images (place, path, name, status) VALUES (?, '', ?, 'done')",
        [(row["place"], row["name"]) for row in rows],
    )
    names = {row["place"].decode(): row["name"].decode() for row in rows}
    return {image: names["/".join(image)] for image in images}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JobStore]:
    store = JobStore(tmp_path_factory.mktemp("job"))
    yield store
    store.close()


def clear(store: JobStore) -> None:
    for table in ("images", "folders"):
        store.connection.execute(f"DELETE FROM {table}")


@settings(deadline=None, max_examples=150)
@given(images=PLACES, seed=st.integers(0, 9), earlier=st.integers(0, 12))
def test_no_two_outputs_are_ever_equal(images: list[Image], seed: int, earlier: int, store: JobStore) -> None:
    clear(store)
    try:
        names = name_all(images[:earlier], store)
        names |= name_all(images[earlier:], store)
    except DataError:
        # Names are impossible only where a folder has the name of an output, or an earlier image has the
        # full name of another.
        files = {
            f"{stem}{end}"
            for _, folder, name in images
            for stem in (str(PurePath(folder, name)), str(PurePath(folder, PurePath(name).stem)))
            for end in ENDINGS
        }
        folders = {
            str(parent) for _, folder, _ in images for parent in (PurePath(folder), *PurePath(folder).parents)
        }
        short = {str(PurePath(folder, name).with_name(PurePath(name).stem)) for _, folder, name in images}
        assert files & folders or (
            earlier and short & {f"{folder}/{name}".lstrip("/") for _, folder, name in images}
        )
        return
    files = [f"{name}{suffix}" for name in names.values() for suffix in ENDINGS]
    folders = {str(parent) for file in files for parent in PurePath(file).parents}
    assert len(set(files)) == len(ENDINGS) * len(images)
    assert not folders & set(files)
    for (_, folder, name), chosen in names.items():
        assert PurePath(chosen).parent == PurePath(folder)
        assert PurePath(chosen).name in (PurePath(name).stem, name)
    if earlier == 0:
        clear(store)
        assert name_all(random.Random(seed).sample(images, len(images)), store) == names


def test_a_full_name_that_is_the_short_name_of_another_makes_that_one_give_way(store: JobStore) -> None:
    clear(store)
    images = [("in", "", name) for name in ("a.jpg", "a.png", "a.jpg.bmp", "b.jpg")]
    assert [*name_all(images, store).values()] == ["a.jpg", "a.png", "a.jpg.bmp", "b"]
    # What has a name keeps it, whatever comes later.
    assert [*name_all([("in", "", "b.png")], store).values()] == ["b.png"]


def test_images_that_would_share_a_name_all_keep_their_suffix(predictor: Predictor, tmp_path: Path) -> None:
    for name in ("one/a.jpg", "one/a.png", "one/b.jpg", "two/b.bmp", "two/c.jpg", "two/sub/a.jpg"):
        write_image(tmp_path / name)
    inputs = [tmp_path / "one", tmp_path / "two"]
    label_images(predictor, inputs, tmp_path / "labels", outputs=("palette", "overlay"))
    names = {"a.jpg", "a.png", "b.jpg", "b.bmp", "c", "sub/a"}
    expected = {f"{name}.png" for name in names} | {f"{name}.overlay.jpg" for name in names}
    assert files_below(tmp_path / "labels") == expected
    label = read_label(tmp_path / "labels" / "b.bmp.png")
    np.testing.assert_array_equal(label, predictor.predict(tmp_path / "two" / "b.bmp").label)
    label_images(predictor, inputs[::-1], tmp_path / "again", outputs=("palette", "overlay"))
    assert contents_below(tmp_path / "again") == contents_below(tmp_path / "labels")


def test_the_same_name_in_two_folders_is_refused_before_any_work(
    predictor: Predictor, tmp_path: Path
) -> None:
    paths = [write_image(tmp_path / name) for name in ("one/sub/a.jpg", "two/sub/a.jpg")]
    write_image(tmp_path / "one" / "b.jpg")
    with pytest.raises(DataError, match="separate output folders") as caught:
        label_images(predictor, [tmp_path / "one", tmp_path / "two"], tmp_path / "labels")
    assert all(str(path) in str(caught.value) for path in paths)
    assert not (tmp_path / "labels").exists()


def test_a_label_never_takes_the_name_of_a_folder(predictor: Predictor, folder: Path) -> None:
    write_image(folder / "a.jpg")
    write_image(folder / "b.jpg")
    write_image(folder / "a.png" / "c.jpg")
    write_image(folder / "b.overlay.jpg" / "d.jpg")
    label_images(predictor, [folder], folder.parent / "labels")
    expected = {"a.jpg.png", "b.jpg.png", "a.png/c.png", "b.overlay.jpg/d.png"}
    assert files_below(folder.parent / "labels") == expected
