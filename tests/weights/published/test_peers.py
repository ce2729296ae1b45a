"""Weights that the libraries themselves wrote, in the environment of peers: read, and computed as they do."""

from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pytest
from peers import run_peer

from fcn.errors import RunError
from fcn.models.fcn import AT_ONCE_SKIP_SCALES
from fcn.runs.importing import import_weights
from fcn.weights.published.convert import read_published

pytestmark = pytest.mark.slow

PROGRAM = Path(__file__).parents[2] / "weights_program.py"


class Written(NamedTuple):
    """What a library has written, and what it computes."""

    folder: Path
    expected: dict[str, np.ndarray]


def write(library: str, folder: Path) -> Written:
    """Has a library write its weights; skips the test where `make peers` left them all out."""
    found = run_peer("python", "-c", "import importlib.util as u; print(u.find_spec('torch'))", folder=folder)
    if found.strip() == "None":
        pytest.skip("needs PyTorch in the environment of peers: requirements/peers-weights.in")
    run_peer("python", PROGRAM, library, folder, folder=folder)
    with np.load(folder / "expected.npz") as expected:
        return Written(folder, dict(expected))


@pytest.fixture(scope="module")
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Written:
    return write(request.param, tmp_path_factory.mktemp(request.param))


def check_classifier(path: Path, written: Written, format: str) -> None:
    """Checks pool5, and fc7 in the middle of the image, against the library's."""
    found, model = read_published(path, "fcn32s")
    assert (found.format, found.missing, model.channel_order) == (format, (), "rgb")
    layers = [model.get_layer(name).output for name in ("block5_pool", "fc7_relu")]
    pool5, fc7 = keras.Model(model.input, layers)(written.expected["image"])
    for ours, theirs in (
        (np.asarray(pool5), written.expected["pool5"].transpose(0, 2, 3, 1)),
        (np.asarray(fc7)[:, 3, 3], written.expected["fc7"]),
    ):
        assert ours.shape == theirs.shape
        assert theirs.std() > 0
        assert np.abs(ours - theirs).max() <= 1e-4 * theirs.std()


@pytest.mark.parametrize("written", ["torchvision"], indirect=True)
def test_torchvisions_classifier(written: Written) -> None:
    for name in ("zip.pth", "legacy.pth", "double.pth", "parameters.pth", "checkpoint.pth"):
        check_classifier(written.folder / name, written, "torch")
    check_classifier(written.folder / "net.safetensors", written, "safetensors")


@pytest.mark.parametrize("written", ["torchvision"], indirect=True)
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("features.pth", "fc6 has no values .*vgg16_features"),
        ("module.pth", r"refers to 'torchvision\.models\.vgg VGG'.* no code was run"),
    ],
)
def test_other_files_of_pytorch_are_refused_by_their_cause(
    written: Written, name: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(RunError, match=said):
        import_weights(written.folder / name, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("written", ["onnx"], indirect=True)
def test_a_classifier_that_pytorch_exported_to_onnx(written: Written) -> None:
    for name in ("traced.onnx", "exported.onnx"):
        check_classifier(written.folder / name, written, "onnx")
    with pytest.raises(RunError, match="keeps weights in another file"):
        read_published(written.folder / "external.onnx")


@pytest.mark.parametrize("written", ["timm"], indirect=True)
def test_timms_classifier(written: Written) -> None:
    check_classifier(written.folder / "model.safetensors", written, "safetensors")
    check_classifier(written.folder / "pytorch_model.bin", written, "torch")


@pytest.mark.parametrize("written", ["keras_hub"], indirect=True)
def test_kerashubs_classifier(written: Written) -> None:
    check_classifier(written.folder / "whole.weights.h5", written, "keras_hub")
    check_classifier(written.folder / "preset" / "task.weights.h5", written, "keras_hub")
    found, model = read_published(written.folder / "preset" / "model.weights.h5")
    assert (found.format, found.missing, model.channel_order) == ("keras_hub", ("fc6", "fc7"), "rgb")


@pytest.mark.parametrize(
    ("written", "suffix"), [("torchfcn", ".pth"), ("chainer", ".npz")], indirect=["written"]
)
@pytest.mark.parametrize("name", ["FCN32s", "FCN16s", "FCN8s", "FCN8sAtOnce"])
def test_conversions_of_the_authors_nets_compute_the_same_scores(
    written: Written, suffix: str, name: str
) -> None:
    at_once = name == "FCN8sAtOnce"
    found, model = read_published(
        written.folder / f"{name}{suffix}", skip_scales=AT_ONCE_SKIP_SCALES if at_once else None
    )
    assert found.title == f"FCN-{model.stride}s{' at once' if at_once else ''}, Pascal VOC"
    assert (found.left_out, model.channel_order) == ((), "bgr")
    ours = np.asarray(model(written.expected["image"]))[0]
    theirs = written.expected[name][0].transpose(1, 2, 0)
    assert ours.shape == theirs.shape == (61, 83, 21)
    assert np.abs(ours - theirs).max() <= 1e-4 * theirs.std()
