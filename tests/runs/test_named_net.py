"""Models by name: downloaded and imported once, from a folder that serves as the mirror."""

import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from caffe_net import build_fcn, write_caffemodel
from weight_files import encode_keras, vgg16_arrays

import fcn
from fcn.errors import DownloadError, RunError
from fcn.inference.predictor import Predictor
from fcn.runs.folder import RunFolder
from fcn.runs.importing import import_weights
from fcn.runs.licenses import WeightLicense, licenses_of_model, licenses_of_start, read_licenses
from fcn.runs.lineage import earlier_images, trained_before
from fcn.runs.named_net import close_names, resolve_model, resolve_weights
from fcn.training.start import load_start
from fcn.weights.cache import WeightCache
from fcn.weights.catalog import NETS

pytestmark = pytest.mark.usefixtures("eager")

NAME, START = "fcn8s-at-once-voc", "vgg16-caffe"  # files without a public checksum: any net will do


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a thin net under the name of a published file."""
    folder = tmp_path_factory.mktemp("mirror")
    layers = build_fcn(8, at_once=True, width=1 / 32, fc_channels=8)
    write_caffemodel(folder / NETS[NAME].file.name, layers)
    (folder / NETS[START].file.name).write_bytes(encode_keras(vgg16_arrays()))
    return folder


@pytest.fixture
def cache(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WeightCache:
    """An empty folder of weights, which is the user's."""
    monkeypatch.setenv("FCN_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("FCN_WEIGHTS_MIRROR", str(mirror))
    monkeypatch.chdir(tmp_path)
    return WeightCache()


def never() -> None:
    raise AssertionError("nothing is to be imported")


def test_a_net_is_imported_when_its_name_is_first_used(cache: WeightCache, capsys) -> None:
    run = resolve_model(NAME)
    assert run == cache.folder / "nets" / NAME
    said = capsys.readouterr().err
    assert said.index("License: unrestricted use") < said.index("importing it, once")
    document = json.loads((run / "import.json").read_text())
    assert document["net"] == "FCN-8s at once, Pascal VOC"
    assert read_licenses(run) == (
        WeightLicense(NAME, NETS[NAME].license.name, "yes", NETS[NAME].license.url),
    )
    cache.path(NETS[NAME]).unlink()  # it is not needed again
    assert resolve_model(Path(NAME), never) == run
    assert capsys.readouterr().err == ""


@pytest.mark.slow
def test_every_door_takes_the_name(cache: WeightCache) -> None:
    model = fcn.load_model(NAME)
    assert (model.stride, model.class_names[15]) == (8, "person")
    predictor = fcn.Predictor(NAME)
    assert predictor.path == cache.folder / "nets" / NAME
    image = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    np.testing.assert_array_equal(predictor.predict(image).label, Predictor(model).predict(image).label)
    source = load_start(NAME)
    assert (source.has_scores, source.missing) == (True, ())
    np.testing.assert_array_equal(source.model.get_layer("fc6").kernel, model.get_layer("fc6").kernel)


def test_the_fresh_folder_of_the_name_wins_and_a_line_says_so(
    cache: WeightCache, model_path: Path, capsys
) -> None:
    checkpoint = RunFolder(Path(NAME)).best
    checkpoint.parent.mkdir(parents=True)
    shutil.copyfile(model_path, checkpoint)
    found = resolve_model(NAME, never)
    assert found == Path(NAME).absolute()
    line = f"{NAME}: exists here, and is used in place of the published net of that name. To use that net, "
    assert capsys.readouterr().err == f"{line}rename or move {Path(NAME).absolute()}.\n"
    assert resolve_model(found, never) == found
    assert fcn.load_model(NAME).num_classes == 3
    assert resolve_weights(NAME) == found
    assert not cache.folder.exists()


def test_a_classifier_starts_a_training_from_its_file(cache: WeightCache) -> None:
    assert resolve_weights(START) == cache.folder / NETS[START].file.name
    assert load_start(START).has_scores is False
    assert not (cache.folder / "nets").exists()
    assert trained_before(START, []) == ()
    (license,) = licenses_of_start(START)
    assert license[:3] == (START, "CC BY 4.0", "yes, with attribution")


def test_the_path_of_a_published_file_is_as_good_as_its_name(cache: WeightCache, tmp_path: Path) -> None:
    """What `fcn weights get` prints, and a copy of that file under another name."""
    file = resolve_weights(START)
    copy = tmp_path / "copy"
    shutil.copyfile(file, copy)
    for path in (file, copy):
        assert licenses_of_start(str(path)) == licenses_of_start(START)
        assert trained_before(str(path), []) == earlier_images(str(path), {}) == ()
    record = file.with_name(f"{file.name}.json")
    record.unlink()
    assert licenses_of_start(str(file)) == licenses_of_start(START)
    assert licenses_of_start(str(copy)) == ()
    assert [one.run for one in trained_before(str(copy), [])] == [str(copy)]


def test_the_convolutions_of_keras_hub_get_their_pixels_by_path_too(
    cache: WeightCache, mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    name = "vgg16-keras-hub"
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / NETS[name].file.name).write_bytes(encode_keras(vgg16_arrays(top=False)))
    monkeypatch.setenv("FCN_WEIGHTS_MIRROR", str(tmp_path / "mirror"))
    by_name = load_start(name).model
    assert (by_name.channel_order, by_name.mean[0]) == ("rgb", 123.675)
    capsys.readouterr()
    file = resolve_weights(name)
    by_path = load_start(str(file)).model
    assert (by_path.channel_order, by_path.mean, by_path.scale) == ("rgb", by_name.mean, by_name.scale)
    assert capsys.readouterr().err == ""
    (tmp_path / "other.h5").write_bytes(encode_keras(vgg16_arrays(1 / 32, top=False)))
    assert load_start(str(tmp_path / "other.h5")).model.channel_order == "bgr"
    said = capsys.readouterr().err
    assert "assumed to be those of Keras' own file: BGR" in said
    assert "If KerasHub wrote it, give its name: overrides=['model.weights=vgg16-keras-hub']" in said


def test_paths_are_left_as_they_are_and_close_names_are_named(cache: WeightCache) -> None:
    for path in ("runs/voc", "x.keras", "/none"):
        assert resolve_model(path, never) == Path(path)
        assert resolve_weights(path) == Path(path)
    assert close_names("fcn8s_voc") == ["fcn8s-voc"]
    for load in (fcn.load_model, fcn.Predictor, load_start):
        with pytest.raises(
            RunError, match=r"FCN8s_voc: no such model\. Did you mean the published net fcn8s-voc"
        ):
            load("FCN8s_voc")


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("fcn8s", "fcn8s-voc"),
        ("fcn-8s", "fcn8s-voc"),
        ("FCN_16s", "fcn16s-voc"),
        ("fcn8svoc", "fcn8s-voc"),
        ("fcn8s-vok", "fcn8s-voc"),
        ("fcn8s-voc-t", "fcn8s-voc-torch"),
        ("fcn8s-atonce-voc", "fcn8s-at-once-voc"),
        ("vgg16", "vgg16-keras"),
        ("dilation8", "dilation8-voc"),
        ("dilated8-camvid", "dilation8-camvid"),
    ],
)
def test_what_people_type_first_is_close_to_a_name(typed: str, name: str) -> None:
    assert close_names(typed) == [name]


@pytest.mark.parametrize("typed", ["", "fcn", "fc", "-", "runs/voc", "net.keras", "runs/fcn8s", "unet"])
def test_other_paths_are_close_to_no_name(typed: str) -> None:
    assert close_names(typed) == []


def test_a_classifier_labels_nothing_and_is_not_downloaded(cache: WeightCache) -> None:
    for load in (fcn.load_model, fcn.Predictor, resolve_model, fcn.export):
        arguments = ["exported"] if load is fcn.export else []
        with pytest.raises(
            RunError, match=rf"{START}: is a classifier.*overrides=\['model\.weights={START}'"
        ):
            load(START, *arguments)
    assert not cache.folder.exists()


def test_convolutions_alone_start_a_training(cache: WeightCache) -> None:
    net = NETS["vgg16-keras-notop"]
    net = net._replace(file=net.file._replace(checksum=None, size=None))
    cache.folder.mkdir()
    cache.path(net).write_bytes(encode_keras(vgg16_arrays(top=False)))
    catalog = {"vgg16-keras-notop": net}
    assert resolve_weights("vgg16-keras-notop", cache, catalog) == cache.path(net)
    with pytest.raises(RunError, match="VGG16 without top"):
        import_weights(cache.path(net), Path("run"), catalog=catalog)


def break_import(run: Path) -> None:
    document = json.loads((run / "import.json").read_text())
    (run / "import.json").write_text(json.dumps(document | {"conversion": 0}))


@pytest.mark.parametrize(
    "damage",
    [
        break_import,
        lambda run: (run / "import.json").unlink(),
        lambda run: (run / "import.json").write_text("{"),
        lambda run: shutil.rmtree(run / "checkpoints"),
        lambda run: os.truncate(run / "checkpoints" / "best.keras", 1000),
    ],
)
def test_a_net_that_is_damaged_or_of_another_way_is_imported_again(
    cache: WeightCache, damage: Callable[[Path], None], capsys
) -> None:
    run = resolve_model(NAME)
    damage(run)
    capsys.readouterr()
    assert resolve_model(NAME) == run
    assert capsys.readouterr().err == f"{NAME}: importing it, once.\n"
    assert zipfile.is_zipfile(RunFolder(run).best)


def test_without_the_file_nothing_is_imported(cache: WeightCache) -> None:
    with pytest.raises(DownloadError, match=r"fcn32s-heavy-pascal\.caffemodel: cannot be read"):
        resolve_model("fcn32s-voc", never)
    assert not cache.net_path("fcn32s-voc").exists()


def test_licenses_are_found_beside_a_checkpoint_too(cache: WeightCache, tmp_path: Path) -> None:
    run = resolve_model(NAME)
    (license,) = licenses_of_model(run)
    assert licenses_of_model(RunFolder(run).best) == (license,)
    assert licenses_of_start(str(run)) == (license,)
    for path in ("none", "nowhere/x.keras", tmp_path):
        assert licenses_of_model(Path(path)) == ()
    for content in (b"{", b"[1]", b'[{"weights": "x"}]', b"[" * 100_000, b"3"):
        (tmp_path / "licenses.json").write_bytes(content)
        assert read_licenses(tmp_path) == ()
