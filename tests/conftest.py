"""Fixtures that several tests share: thin nets, tiny data sets and, if available, real images."""

import gc
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Workers that each compute on all cores wait for each other. Programs that tests start inherit this.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import hypothesis
import numpy as np
import pytest
from build_once import build_once

from fcn.classes import VOID, Classes
from fcn.data.image_io import encode_label

# Fixtures import Keras: the process that only deals out tests starts without it.
if TYPE_CHECKING:
    from fcn.models.fcn import FCN

# How long an example takes says how busy the machine is; no test is timed.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

ThinNet = Callable[..., "FCN"]
MakeDataset = Callable[..., Path]


# The files whose tests take longest, which must not be the last to start. Others follow in the usual order.
LONGEST_FILES = (
    "planning/test_plan.py",
    "training/test_devices.py",
    "jobs/ray/test_actors.py",
    "test_compatibility.py",
    "training/test_changes.py",
    "training/test_loop.py",
    "inference/tiling/test_tiles.py",
    "cli/test_main.py",
    "exports/test_verification.py",
    "training/test_recovery.py",
    "cli/test_infer.py",
    "exports/formats/test_openvino.py",
    "comparison/test_killed.py",
    "cli/test_compare.py",
    "examples/test_quickstart.py",
    "training/test_killed.py",
    "comparison/test_killed_grid.py",
    "models/test_keras_defaults.py",
    "training/test_start.py",
    "exports/test_export.py",
    "suspects/test_killed.py",
    "inference/engines/test_openvino.py",
    "training/test_backends.py",
    "deploy/test_wheel.py",
    "runs/test_lineage.py",
    "cli/test_dilated.py",
    "models/test_fcn.py",
    "models/test_fields.py",
    "exports/test_saved_model.py",
    "exports/formats/test_litert.py",
    "models/test_dilated.py",
    "jobs/test_crash_isolation.py",
    "weights/published/test_convert.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the tests of the longest files first; the order within a file stays."""
    here = Path(__file__).parent
    order = {here / name: number for number, name in enumerate(LONGEST_FILES)}
    items.sort(key=lambda item: order.get(item.path, len(order)))


@pytest.hookimpl(wrapper=True)
def pytest_collect_file() -> Iterator[None]:
    """Looks for examples in docstrings of `fcn/` alone; here it would import programs that tests start."""
    collectors = yield
    # What collects examples of a module is a subclass.
    return [collector for collector in collectors if type(collector) is pytest.Module]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Imports the tests without looking for garbage, of which there is none, and passes over them later."""
    gc.disable()
    try:
        if "PYTEST_XDIST_WORKER" in os.environ:  # which imports all tests, and so Keras
            import lean_keras  # noqa: F401
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def photographs(folder: str) -> Path:
    found = os.environ.get("FCN_DATA")
    root = Path(found or "") / folder
    if not found or not root.is_dir():
        pytest.skip(f"needs real photographs: set FCN_DATA to the folder that holds {folder}")
    return root


@pytest.fixture(scope="session")
def voc_root() -> Path:
    return photographs("VOCdevkit/VOC2012")


@pytest.fixture(scope="session")
def camvid_root() -> Path:
    return photographs("camvid")


@pytest.fixture(scope="session")
def own_root() -> Path:
    """Labels as people have them."""
    return photographs("own")


def build_thin_net(stride: int = 8, *, awake: bool = True, seed: int = 0, **options: Any) -> "FCN":
    """Builds a net that is small enough for a test.

    Args:
        stride: Output stride.
        awake: Whether the score layers get random weights; a new net says 0 everywhere.
        seed: Where the weights come from.
        options: Other arguments of `FCN`.
    """
    import keras

    from fcn.models.fcn import FCN

    keras.utils.set_random_seed(seed)
    net = FCN(**{"num_classes": 3, "stride": stride, "width": 1 / 32, "fc_channels": 16, **options})
    if awake:
        rng = np.random.default_rng(seed)
        for layer in net.layers:
            if layer.name.startswith("score_") and layer.weights:
                kernel, bias = layer.get_weights()
                layer.set_weights([rng.standard_normal(kernel.shape), bias])
    return net


@pytest.fixture(scope="session")
def thin_net() -> ThinNet:
    return build_thin_net


@pytest.fixture(scope="session")
def net() -> "FCN":
    """An FCN-8s of three classes with random weights; tests only look at it."""
    return build_thin_net()


@pytest.fixture(scope="session")
def model_path(net: "FCN", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same net as a file."""
    path = tmp_path_factory.mktemp("model") / "net.keras"
    net.save(path)
    return path


def write_dataset(
    root: Path,
    splits: Mapping[str, Sequence[str]],
    sizes: Sequence[tuple[int, int]] = ((20, 26),),
    class_names: Sequence[str] = ("ground", "cat", "dog"),
    suffix: str = ".jpg",
    seed: int = 0,
) -> Path:
    """Writes a data set of a few random images in VOC layout.

    Args:
        root: The folder to fill.
        splits: The names of the images of each split.
        sizes: (height, width) of the images, used in turn.
        class_names: One name a class id; every class and void occur in each label.
        suffix: What the images end in: ".jpg", or ".png" for pixels that are kept.
        seed: Where pixels come from.

    Returns:
        `root`.
    """
    folders = {name: root / name for name in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    values = [*range(len(class_names)), VOID]
    for index, name in enumerate(dict.fromkeys(name for names in splits.values() for name in names)):
        height, width = sizes[index % len(sizes)]
        coarse = rng.integers(0, 256, (height // 4 + 2, width // 4 + 2, 3), np.uint8)
        image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        label = rng.choice(np.array(values, np.uint8), (height, width))
        label.flat[: len(values)] = values
        (folders["JPEGImages"] / f"{name}{suffix}").write_bytes(cv2.imencode(suffix, image)[1].tobytes())
        data = encode_label(label, Classes.named(tuple(class_names)))
        (folders["SegmentationClass"] / f"{name}.png").write_bytes(data)
    for split, names in splits.items():
        (folders["ImageSets/Segmentation"] / f"{split}.txt").write_text(
            "".join(f"{name}\n" for name in names)
        )
    (root / "labels.txt").write_text("".join(f"{name}\n" for name in class_names))
    return root


@pytest.fixture(scope="session")
def make_dataset() -> MakeDataset:
    return write_dataset


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four training and three validation images of several sizes; tests only look at them."""
    splits = {"train": ["a", "b", "c", "d"], "val": ["x", "y", "z"]}
    return write_dataset(tmp_path_factory.mktemp("dataset"), splits, sizes=((20, 26), (31, 17), (16, 16)))


@pytest.fixture(scope="session")
def plain_export(net: "FCN", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A version folder with a SavedModel of `net` alone; tests only look at it."""
    from fcn.exports.export import export

    folder = build_once(tmp_path_factory, "plain_export", lambda path: export(net, path))
    return folder / "1"


@pytest.fixture(scope="session")
def smooth_photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of twelve smooth pictures of two sizes; tests only look at it."""

    from photographs import write_smooth_images

    def build(path: Path) -> None:
        path.mkdir()
        write_smooth_images(path, 12)

    return build_once(tmp_path_factory, "photographs", build)


@pytest.fixture(scope="session")
def calibrated_export(
    net: "FCN", smooth_photographs: Path, make_dataset: MakeDataset, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An export of `net` for OpenVINO, int8 with it, which may cost what it wants: random weights lose much.

    Tests only look at it. Its versions are inside; the first is `calibrated_export / "1"`.
    """
    from fcn.exports.export import export
    from fcn.exports.formats.openvino import Calibration

    def build(path: Path) -> None:
        root = make_dataset(path.with_name("calibration"), {"val": ["a"]}, class_names=net.class_names)
        export(net, path, ["openvino"], Calibration(smooth_photographs, root, accuracy_drop=100))

    return build_once(tmp_path_factory, "calibrated_export", build)


@pytest.fixture(scope="session")
def python() -> Iterator[Path]:
    """A program `python` whose processes are forks of one that has imported TensorFlow and this package."""
    from ready_python import ready_python

    with ready_python() as program:
        yield program


@pytest.fixture(scope="module")
def eager() -> Iterator[None]:
    """Trains without graphs, in all tests of a file that begins with `pytestmark = usefixtures("eager")`."""
    from eager_training import eager_training

    with eager_training():
        yield


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)
