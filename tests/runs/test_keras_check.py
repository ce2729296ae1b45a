"""Tests of what a file of a Keras model may name, with files that would run code."""

import json
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras import layers
from net_kinds import NET_KINDS, random_net

from fcn.errors import RunError, TrustError
from fcn.models.fcn import FCN
from fcn.runs.keras_check import MOST_JSON_BYTES, check_keras_file
from fcn.runs.model_file import load_keras, load_model

FIXTURES = sorted((Path(__file__).parents[1] / "fixtures").rglob("*.keras"))

Entry = dict[str, Any]


def classifier() -> keras.Model:
    """A net with operations, functions, nested models, shared layers and values of all sorts in its file."""
    inner = keras.Sequential([keras.Input((8, 8, 4)), layers.Conv2D(4, 3, activation=keras.ops.relu)])
    inputs = keras.Input((8, 8, 3))
    x = layers.Rescaling(1 / 255)(layers.RandomFlip("horizontal")(inputs))
    x = layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[1.0, 1.0, 2.0])(x)
    x = layers.Conv2D(4, 1, kernel_regularizer=keras.regularizers.L2(0.1), kernel_constraint="max_norm")(x)
    x = layers.BatchNormalization(dtype="mixed_bfloat16")(keras.ops.relu(x * 2 + 1))
    x = keras.ops.concatenate([keras.ops.flip(x, axis=1), x[..., :2]], axis=-1)
    x = inner(layers.Conv2D(4, 1, kernel_initializer=keras.initializers.Orthogonal(seed=1))(x))
    x = layers.TimeDistributed(layers.Dense(3, activation="hard_silu"))(layers.Reshape((6, 24))(x))
    x = layers.Bidirectional(layers.LSTM(2))(x)
    return keras.Model(inputs, layers.Dense(2, activation=keras.activations.softmax)(x))


def written(path: Path, document: object, weights: bytes = b"") -> Path:
    """Writes a `.keras` file with a description of a model."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", json.dumps(document))
        archive.writestr("model.weights.h5", weights)
    return path


def described(layer: object) -> Entry:
    """Describes a model with a layer among others."""
    start = {"module": "keras.layers", "class_name": "InputLayer", "registered_name": None}
    stack = [start | {"config": {"batch_shape": [None, 4], "name": "start"}}, layer]
    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {"name": "net", "layers": stack},
        "registered_name": None,
    }


def entry(module: str | None, name: str, config: object = None, registered: str | None = None) -> Entry:
    named = {"class_name": name, "config": {} if config is None else config, "registered_name": registered}
    return named if module is None else named | {"module": module}


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Yields a file that exists only if a module on the path was imported."""
    marker = tmp_path / "ran"
    (tmp_path / "evil_module.py").write_text(f"open({str(marker)!r}, 'w')\nclass Evil:\n    pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield marker
    sys.modules.pop("evil_module", None)


CODE = ["4wEAAAAAAAAA", None, None]
HOSTILE: dict[str, Entry] = {
    "lambda layer": entry("keras.layers", "Lambda", {"function": entry(None, "__lambda__", CODE)}),
    "lambda layer by its place": entry("keras.src.layers.core.lambda_layer", "Lambda", {}),
    "lambda layer without a module": entry(None, "Lambda", {}),
    "lambda as a function": entry("keras.layers", "Dense", {"activation": entry(None, "__lambda__", CODE)}),
    "another module": entry("evil_module", "Evil"),
    "a function of another module": entry("os", "function", "system"),
    "an activation of another module": entry(
        "keras.layers", "Dense", {"units": 2, "activation": entry("evil_module", "function", "Evil")}
    ),
    "hidden in a wrapper": entry(
        "keras.layers", "TimeDistributed", {"layer": entry("keras.layers", "Lambda", {})}
    ),
    "hidden in lists": entry("keras.layers", "Dense", {"units": [[{"a": [entry("evil_module", "Evil")]}]]}),
    "a function that fetches": entry("keras.utils", "function", "get_file"),
    "a function that loads": entry("keras.models", "function", "load_model"),
    "a function that builds": entry("keras.layers", "function", "deserialize"),
    "a setting": entry("keras.config", "function", "enable_unsafe_deserialization"),
    "torch": entry("keras.layers", "TorchModuleWrapper", {"module": "gASVAAAA"}),
    "a saved model": entry("keras.layers", "TFSMLayer", {"filepath": "/tmp/export"}),
    "jax": entry("keras.layers", "JaxLayer", {}),
    "flax": entry("keras.layers", "FlaxLayer", {}),
    "a file of words": entry("keras.layers", "StringLookup", {"vocabulary": "/etc/passwd"}),
    "a callback": entry("keras.callbacks", "LambdaCallback"),
    "no part of a model": entry("keras.utils", "PyDataset"),
    "a type": entry("tensorflow", "__typespec__", []) | {"spec_name": "TensorSpec"},
    "keras with an unusual name": entry("keras.layers.evil", "Dense"),
    "a package with a similar name": entry("kerasevil", "Dense"),
    "an unknown layer": entry("keras.layers", "Nothing"),
    "a registered name of nobody": entry("evil_module", "Evil", {}, "fcn>Evil"),
    "a name that is a list": {"class_name": ["Dense"], "config": {}},
    "a module that is a list": entry(None, "Dense") | {"module": ["keras.layers"]},
}


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_what_could_run_code_is_refused(kind: str, suffix: str, tmp_path: Path, marker: Path) -> None:
    path, document = tmp_path / f"net{suffix}", described(HOSTILE[kind])
    if suffix == ".keras":
        written(path, document)
    else:
        with h5py.File(path, "w") as file:
            file.attrs["model_config"] = json.dumps(document)
            file.create_group("model_weights").attrs["layer_names"] = []
    for load in (load_keras, load_model) if suffix == ".keras" else (load_keras,):
        with pytest.raises(TrustError, match=rf"net\{suffix}: holds .* --trust") as caught:
            load(path)
        assert caught.value.exit_code == 2
    assert not marker.exists()
    assert "evil_module" not in sys.modules


def test_the_message_names_the_layer_in_one_line(tmp_path: Path) -> None:
    path = written(tmp_path / "net.keras", described(entry("evil\x1b[2J", "Ev\nil" * 100)))
    with pytest.raises(TrustError, match=r"the layer of 'evil\\x1b\[2J' 'Ev\\nil") as caught:
        load_keras(path)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def test_a_class_that_this_process_registered_is_refused(tmp_path: Path) -> None:
    @keras.saving.register_keras_serializable(package="evil")
    class Dense(layers.Dense):
        pass

    keras.Sequential([keras.Input((4,)), Dense(2)]).save(tmp_path / "net.keras")
    with pytest.raises(TrustError, match="Dense"):
        load_keras(tmp_path / "net.keras")
    assert load_keras(tmp_path / "net.keras", trust=True).count_params() == 10


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_with_trust_a_lambda_runs(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"net{suffix}"
    keras.Sequential(
        [keras.Input((3,)), layers.Lambda(lambda x: 2 * x, output_shape=(3,)), layers.Dense(1)]
    ).save(path)
    with pytest.raises(TrustError, match="Lambda"):
        load_keras(path)
    assert load_keras(path, trust=True)(np.ones((1, 3), np.float32)).shape == (1, 1)


def older_classifier() -> keras.Model:
    """A net that Keras can load from HDF5, which has no operations."""
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, activation="relu", kernel_regularizer="l2", padding="same")(inputs)
    x = layers.Flatten()(layers.add([x, layers.BatchNormalization()(x)]))
    return keras.Model(inputs, layers.Dense(2, kernel_initializer=keras.initializers.Orthogonal())(x))


@pytest.mark.parametrize(("build", "suffix"), [(classifier, ".keras"), (older_classifier, ".h5")])
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_keras_own_layers_pass(build: Callable[[], keras.Model], suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"net{suffix}"
    model = build()
    model.save(path)
    check_keras_file(path)
    image = np.ones((1, 8, 8, 3), np.float32)
    np.testing.assert_array_equal(load_keras(path)(image), model(image))


def test_older_files_without_modules_pass(tmp_path: Path) -> None:
    path = tmp_path / "net.h5"
    older = [
        {"class_name": "Conv2D", "config": {"filters": 2, "kernel_size": [3, 3], "activation": "relu"}},
        {"class_name": "BatchNormalization", "config": {}},
        {"class_name": "Dense", "config": {"kernel_initializer": {"class_name": "Zeros", "config": {}}}},
    ]
    for net in ("Sequential", "Functional", "Model"):
        with h5py.File(path, "w") as file:
            document = {"class_name": net, "config": {"name": "net", "layers": older}}
            file.attrs["model_config"] = json.dumps(document)
        check_keras_file(path)
    with h5py.File(path, "a") as file:
        document["config"]["layers"].append({"class_name": "Lambda", "config": {"function": CODE}})
        file.attrs["model_config"] = json.dumps(document).encode()
    with pytest.raises(TrustError, match="Lambda"):
        load_keras(path)


def test_a_loss_of_another_module_is_not_loaded_and_not_refused(tmp_path: Path) -> None:
    source, path = tmp_path / "source.keras", tmp_path / "net.keras"
    model = keras.Sequential([keras.Input((4,)), layers.Dense(2)])
    model.save(source)
    with zipfile.ZipFile(source) as archive:
        document = json.loads(archive.read("config.json"))
        weights = archive.read("model.weights.h5")
    written(path, document | {"compile_config": {"loss": entry("evil_module", "Evil")}}, weights)
    assert load_keras(path).count_params() == 10
    document["config"]["layers"][1]["compile_config"] = {"loss": entry("evil_module", "Evil")}
    with pytest.raises(TrustError, match="Evil"):
        load_keras(written(path, document, weights))


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_files_of_earlier_versions_pass(path: Path) -> None:
    check_keras_file(path)


def test_there_are_files_of_earlier_versions() -> None:
    assert len(FIXTURES) >= 8


@pytest.mark.parametrize("kind", NET_KINDS)
def test_nets_of_every_kind_pass(kind: str, tmp_path: Path) -> None:
    random_net(kind).save(tmp_path / "net.keras")
    check_keras_file(tmp_path / "net.keras")


def test_the_description_is_bounded(tmp_path: Path, net: FCN) -> None:
    for text in ("[" * 200_000 + "]" * 200_000, '{"a":' * 200_000 + "1" + "}" * 200_000):
        with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
            archive.writestr("config.json", text)
        with pytest.raises(RunError, match="nested too deeply"):
            load_keras(tmp_path / "net.keras")
    with zipfile.ZipFile(tmp_path / "net.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * (200 << 20))
    assert (tmp_path / "net.keras").stat().st_size < MOST_JSON_BYTES
    with pytest.raises(RunError, match="more than 8 MB"):
        load_keras(tmp_path / "net.keras")


def test_attributes_of_hdf5_are_bounded(tmp_path: Path) -> None:
    path = tmp_path / "net.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = ["{}", "{}"]
    with pytest.raises(RunError, match="one text"):
        load_keras(path)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "name",
    [
        name
        for name, build in sorted(vars(keras.applications).items())
        if callable(build) and name[0].isupper() and not name.startswith("NASNetLarge")
    ],
)
def test_nets_of_keras_applications_pass(name: str, tmp_path: Path) -> None:
    build: Callable[..., keras.Model] = getattr(keras.applications, name)
    build(weights=None).save(tmp_path / "net.keras")
    check_keras_file(tmp_path / "net.keras")
