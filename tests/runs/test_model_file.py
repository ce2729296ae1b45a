"""Tests of run folders, checkpoints and loading models."""

import json
import shutil
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest

from fcn.config.file import load_config
from fcn.errors import ConfigError, OutputError, RunError
from fcn.models.fcn import FCN
from fcn.runs.model_file import (
    RunFolder,
    copy_checkpoint,
    exported_versions,
    is_exported,
    load_average,
    load_model,
    load_state,
    model_file,
    save_checkpoint,
)


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(RunError) as caught:
        action()
    assert caught.value.exit_code == 2
    return str(caught.value)


def export_version(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "saved_model.pb").write_bytes(b"")
    return path


def test_a_checkpoint_is_a_model_and_its_state(net: FCN, tmp_path: Path) -> None:
    path = tmp_path / "run" / "checkpoints" / "last.keras"
    state = {"step": 3, "best": None, "words": "Grüße"}
    save_checkpoint(net, path, state)
    assert load_state(path) == state
    image = np.full((1, 20, 30, 3), 90, np.float32)
    np.testing.assert_array_equal(load_model(path)(image), net(image))
    save_checkpoint(net, path, {"step": 4})
    assert load_state(path) == {"step": 4}
    assert [file.name for file in path.parent.iterdir()] == ["last.keras"]


def test_the_average_of_the_weights_is_kept_apart(thin_net: Callable[..., FCN], tmp_path: Path) -> None:
    net, average, found = (
        thin_net(width=1 / 64, fc_channels=2, stride=32, awake=seed < 2, seed=seed) for seed in range(3)
    )
    save_checkpoint(net, tmp_path / "last.keras", {}, average)
    load_average(found, tmp_path / "last.keras")
    for one, other in zip(found.weights, average.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(load_model(tmp_path / "last.keras").weights, net.weights, strict=True):
        np.testing.assert_array_equal(one, other)
    save_checkpoint(net, tmp_path / "without.keras", {})
    with pytest.raises(RunError, match=r"without\.keras: holds no averaged weights"):
        load_average(found, tmp_path / "without.keras")


def test_the_optimizer_is_saved_too(thin_net: Callable[..., FCN], tmp_path: Path) -> None:
    net = thin_net(width=1 / 64, fc_channels=2, stride=32)
    net.compile(
        keras.optimizers.SGD(0.1, momentum=0.9), keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    net.optimizer.build(net.trainable_variables)
    net.optimizer.iterations.assign(17)
    save_checkpoint(net, tmp_path / "last.keras", {})
    loaded = keras.models.load_model(tmp_path / "last.keras")
    assert int(loaded.optimizer.iterations) == 17
    assert load_model(tmp_path / "last.keras").name == "fcn32s"


@pytest.mark.slow
def test_a_full_disk_keeps_the_checkpoint_before(model_path: Path, python: Path, tmp_path: Path) -> None:
    # A limit on the size of files simulates a disk that fills up during a save.
    path = tmp_path / "last.keras"
    shutil.copyfile(model_path, path)
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from fcn.errors import OutputError\n"
        "from fcn.runs.model_file import load_model, save_checkpoint\n"
        "path = Path(sys.argv[1])\n"
        "net = load_model(path)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size // 2,) * 2)\n"
        "try:\n"
        "    save_checkpoint(net, path, {})\n"
        "except OutputError as error:\n"
        "    sys.exit(0 if str(path) in str(error) else 3)\n"
        "sys.exit(4)\n"
    )
    command = [python, "-c", program, path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert path.read_bytes() == model_path.read_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_a_checkpoint_is_copied_in_one_piece(model_path: Path, tmp_path: Path) -> None:
    copy_checkpoint(model_path, tmp_path / "best" / "best.keras")
    assert (tmp_path / "best" / "best.keras").read_bytes() == model_path.read_bytes()
    (tmp_path / "taken.keras").mkdir()
    with pytest.raises(OutputError, match=r"taken\.keras"):
        copy_checkpoint(model_path, tmp_path / "taken.keras")


def test_what_is_no_checkpoint_has_no_state(model_path: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.keras"
    broken.write_bytes(model_path.read_bytes()[:1000])
    for path in (model_path, broken, tmp_path / "none.keras"):
        assert str(path) in refusal(lambda path=path: load_state(path))  # type: ignore[misc]


def test_a_hostile_state_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.keras"
    contents = {
        "nested": b"[" * 100_000,
        "unpacks to more than any state": bytes(20 << 20),
        "a number without end": b"9" * 100_000,
        "not UTF-8": b"\xff",
    }
    for content in contents.values():
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("training.json", content)
        assert path.stat().st_size < 200_000
        message = refusal(lambda: load_state(path))
        assert str(path) in message
        assert "Delete it to start over" in message
    whole = path.read_bytes()
    for place in range(whole.index(b"training.json") + len("training.json"), len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        refusal(lambda: load_state(path))


def test_an_average_that_unpacks_to_more_than_its_checkpoint_is_refused(net: FCN, tmp_path: Path) -> None:
    path = tmp_path / "last.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("average.weights.h5", bytes(20 << 20))
    assert "expected at most" in refusal(lambda: load_average(net, path))
    assert list(tmp_path.iterdir()) == [path]


def test_a_run_folder_knows_whether_it_is_in_use(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    assert not run.exists()
    with pytest.raises(ConfigError, match=r"config\.yaml"):
        run.load_config()
    run.path.mkdir()
    run.config.write_text("data: {root: x}\n")
    assert run.exists()
    assert run.load_config() == load_config(run.config)


def test_the_model_of_a_run_is_its_best_checkpoint_or_else_its_last(model_path: Path, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    copy_checkpoint(model_path, run.last)
    assert model_file(tmp_path) == run.last
    copy_checkpoint(model_path, run.best)
    assert model_file(tmp_path) == run.best
    assert model_file(model_path) == model_path
    assert isinstance(load_model(str(tmp_path)), FCN)


def test_a_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    message = refusal(lambda: load_model(tmp_path / "none.keras"))
    assert str(tmp_path / "none.keras") in message
    assert "no such model" in message
    message = refusal(lambda: load_model(tmp_path))
    assert str(tmp_path) in message
    assert "holds no model" in message


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("cats.yaml", "Train it first (python -m fcn train {path} --run runs/cats)"),
        ("vgg.caffemodel", "Import them first (python -m fcn import {path} --output runs/vgg)"),
        ("vgg.pth", "Import them first (python -m fcn import {path} --output runs/vgg)"),
    ],
)
def test_what_becomes_a_model_by_a_command_is_named_with_it(name: str, way: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.touch()
    assert way.format(path=path) in refusal(lambda: load_model(path))


def test_a_damaged_model_is_refused(model_path: Path, tmp_path: Path, rng: np.random.Generator) -> None:
    good = model_path.read_bytes()
    path = tmp_path / "net.keras"
    flipped = bytearray(good)
    for position in rng.integers(len(good) // 3, 2 * len(good) // 3, 50):
        flipped[position] ^= 0xFF
    for damaged in (b"", b"no model", good[:100], good[: len(good) // 2], good[:-1000], bytes(flipped)):
        path.write_bytes(damaged)
        message = refusal(lambda: load_model(path))
        assert str(path) in message
        assert "cannot be read" in message


@pytest.mark.parametrize("lost", ["config.json", "model.weights.h5"])
def test_a_model_with_a_part_missing_is_refused(model_path: Path, tmp_path: Path, lost: str) -> None:
    path = tmp_path / "net.keras"
    with zipfile.ZipFile(model_path) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            if name != lost:
                target.writestr(name, source.read(name))
    assert str(path) in refusal(lambda: load_model(path))


def test_a_keras_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "foreign.keras"
    inputs = keras.Input((4,))
    keras.Model(inputs, keras.layers.Dense(2)(inputs)).save(path)
    message = refusal(lambda: load_model(path))
    assert str(path) in message
    assert "made by this package" in message


def test_an_exported_model_cannot_be_loaded_again(tmp_path: Path) -> None:
    version = export_version(tmp_path / "export" / "1")
    for path in (version, tmp_path / "export"):
        message = refusal(lambda path=path: load_model(path))  # type: ignore[misc]
        assert str(path) in message
        assert "exported model" in message


def test_versions_of_an_export_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    versions = [export_version(tmp_path / number) for number in ("1", "2", "10")]
    export_version(tmp_path / "old")
    # A digit to str.isdigit, but no number to int.
    export_version(tmp_path / "²")
    (tmp_path / "11").mkdir()
    assert exported_versions(tmp_path) == versions
    assert is_exported(tmp_path)
    assert is_exported(versions[0])
    assert not is_exported(tmp_path / "11")
    assert not is_exported(tmp_path / "none")
    assert exported_versions(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["a", "b", "c\x1b[31m"], r"without control characters. Received: 'c\x1b[31m'"),
        (["a", "b", "c" * 201], "1 to 200 characters in the name of class 2. Received: 201"),
        (["a", "b", 3], "text as the name of class 2. Received: int"),
        ("abc", "a list of class names. Received: str"),
        ([], "1 to 255 class names. Received: 0"),
        (["a"] * 256, "1 to 255 class names. Received: 256"),
        (["a", "b"], "one name and one color for each of 3 classes"),
    ],
)
def test_names_of_classes_in_a_keras_file_are_checked(
    names: object, words: str, net: FCN, tmp_path: Path
) -> None:
    net.save(tmp_path / "whole.keras")
    path = tmp_path / "edited.keras"
    with zipfile.ZipFile(tmp_path / "whole.keras") as source, zipfile.ZipFile(path, "w") as target:
        for entry in source.namelist():
            data = source.read(entry)
            if entry == "config.json":
                document = json.loads(data)
                assert "class_names" in document["config"]
                document["config"]["class_names"] = names
                data = json.dumps(document).encode()
            target.writestr(entry, data)
    message = refusal(lambda: load_model(path))
    assert message.startswith(f"{path}: ")
    assert words in message
    assert "Correct the names" in message or "Expected a whole model" in message
