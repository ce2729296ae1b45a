import os
import resource
import struct
import subprocess
import sys

import h5py
import keras
import numpy as np
import pytest

from fcn.errors import RunError
from fcn.weights.formats import keras as keras_reader
from fcn.weights.formats.keras import read_keras


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    inner = keras.Sequential(
        [keras.Input((4, 4, 3)), keras.layers.Conv2D(4, 3, name="block1_conv1")], name="inner"
    )
    layers = [
        keras.Input((4, 4, 3)),
        inner,
        keras.layers.Flatten(),
        keras.layers.Dense(5, name="predictions"),
    ]
    return keras.Sequential(layers)


def expected(model):
    return {
        "block1_conv1": model.get_layer("inner").get_layer("block1_conv1").get_weights(),
        "predictions": model.get_layer("predictions").get_weights(),
    }


def check(layers, wanted):
    assert {layer.name for layer in layers} == set(wanted)
    for layer in layers:
        assert layer.kind == ""
        assert len(layer.blobs) == len(wanted[layer.name])
        for found, array in zip(layer.blobs, wanted[layer.name], strict=True):
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, array)


def test_weights_that_keras_3_saved(model, tmp_path):
    path = tmp_path / "net.weights.h5"
    model.save_weights(path)
    check(list(read_keras(path)), expected(model))


def test_a_whole_model_that_keras_saved_as_h5(model, tmp_path):
    path = tmp_path / "net.h5"
    model.save(path)
    wanted = expected(model)
    # In the old layout a net inside a net is one layer.
    check(list(read_keras(path)), {"inner": wanted["block1_conv1"], "predictions": wanted["predictions"]})


def test_keras_loads_what_the_tests_write(weights, writers, place):
    # The layout that the other tests read is one that Keras takes, as its VGG16 file is.
    kernel, bias = np.ones((3, 3, 2, 4), np.float32), np.arange(4, dtype=np.float32)
    model = keras.Sequential([keras.Input((4, 4, 2)), keras.layers.Conv2D(4, 3, name="block1_conv1")])
    path = place(writers.keras({"block1_conv1": (kernel, bias)}), "net.h5")
    model.load_weights(path, by_name=True)
    check(list(read_keras(path)), {"block1_conv1": model.get_layer("block1_conv1").get_weights()})


def test_names_too_long_for_one_attribute_are_split(tmp_path):
    path = tmp_path / "net.h5"
    with h5py.File(path, "w") as file:
        for part in range(2):
            file.attrs[f"layer_names{part}"] = [f"layer{part}".encode()]
            group = file.create_group(f"layer{part}")
            group.attrs["weight_names0"] = [b"kernel:0"]
            group["kernel:0"] = np.full((2, 2), part)  # whole numbers are not weights
            del group["kernel:0"]
            group["kernel:0"] = np.full((2, 2), part, np.float64)
    check(list(read_keras(path)), {f"layer{part}": [np.full((2, 2), part)] for part in range(2)})


def write(path, make):
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"a"]
        group = file.create_group("a")
        group.attrs["weight_names"] = [b"kernel:0"]
        make(group)
    return path


def test_what_the_next_test_breaks_is_read_when_whole(tmp_path):
    path = write(tmp_path / "net.h5", lambda group: group.create_dataset("kernel:0", data=np.ones(3, "f4")))
    check(list(read_keras(path)), {"a": [np.ones(3)]})


@pytest.mark.parametrize(
    "make",
    [
        lambda group: None,
        lambda group: group.create_group("kernel:0"),
        lambda group: group.create_dataset("kernel:0", data=np.ones(3, int)),
        lambda group: group.create_dataset("kernel:0", data="text"),
        lambda group: group.create_dataset("kernel:0", data=np.ones(100, "f4"), compression="gzip"),
        lambda group: group.create_dataset("kernel:0", (10**6, 10**6), "f4"),
        lambda group: group.create_dataset("kernel:0", (10**6, 10**6), "f4", chunks=(10, 10)),
        lambda group: group.create_dataset("kernel:0", data=h5py.Empty("f4")),
        lambda group: group.__setitem__("kernel:0", h5py.ExternalLink("other.h5", "/a")),
        lambda group: group.__setitem__("kernel:0", h5py.SoftLink("/a/kernel:0")),
        lambda group: group.create_dataset("kernel:0", (3,), "f4", external=[("other.bin", 0, 12)]),
        lambda group: group.create_virtual_dataset("kernel:0", h5py.VirtualLayout((3,), "f4")),
        lambda group: group.attrs.__setitem__("weight_names", np.zeros((2, 2))),
        lambda group: group.attrs.__setitem__("weight_names", [b"../a", b"\xff"]),
    ],
)
def test_anything_but_plain_floats_in_the_file_is_refused(make, tmp_path):
    path = write(tmp_path / "net.h5", make)
    with pytest.raises(RunError, match=r"net\.h5"):
        list(read_keras(path))


def test_weights_named_again_and_again_are_refused(tmp_path):
    path = tmp_path / "net.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"a"] * 100
        file.create_group("a").attrs["weight_names"] = [b"kernel:0"]
        file["a/kernel:0"] = np.ones(10_000, "f4")
    with pytest.raises(RunError, match="again and again"):
        list(read_keras(path))


def write_linked(path):
    """A file with one layer under 100 paths, all of which lead through a group that holds itself."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"/".join([b"a"] * (1 + index % 10)) for index in range(100)]
        group = file.create_group("a")
        group["a"] = group
        group.attrs["weight_names"] = [b"a/a/w", b"a/w"]
        group["w"] = np.zeros(1, "f4")
    return path


def test_links_are_counted(tmp_path, monkeypatch):
    path = write_linked(tmp_path / "net.h5")
    followed = 100 * 11 // 2 + 100 * (3 + 2)
    monkeypatch.setattr(keras_reader, "_MAX_LINKS", followed)
    assert len(list(read_keras(path))) == 100
    monkeypatch.setattr(keras_reader, "_MAX_LINKS", followed - 1)
    with pytest.raises(RunError, match=f"more than {followed - 1} links"):
        list(read_keras(path))


def test_the_time_of_searching_is_counted(tmp_path, monkeypatch):
    path = write_linked(tmp_path / "net.h5")
    monkeypatch.setattr(keras_reader, "_MAX_SECONDS", 0)
    with pytest.raises(RunError, match="takes more than 0 s to search"):
        list(read_keras(path))


def test_parts_of_a_name_and_nested_nets_within_the_limits_are_read(tmp_path):
    path = tmp_path / "net.weights.h5"
    with h5py.File(path, "w") as file:
        for depth in range(1, 33):
            variables = file.create_group("/".join(["layers/net"] * depth) + "/vars")
            variables["0"] = np.full(2, depth, "f4")
    check(
        [layer._replace(name=f"net{layer.blobs[0][0]:.0f}") for layer in read_keras(path)],
        {f"net{depth}": [np.full(2, depth)] for depth in range(1, 33)},
    )
    name = b"/".join([b"a"] * 31)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name]
        group = file.create_group(name)
        group.attrs["weight_names"] = [b"w"]
        group["w"] = np.ones(2, "f4")
    check(list(read_keras(path)), {name.decode(): [np.ones(2)]})


@pytest.mark.parametrize("place", ["model_weights", "layers", "layers/a", "layers/a/vars", "layers/a/layers"])
@pytest.mark.parametrize("kind", ["external", "soft"])
def test_no_group_is_looked_for_in_another_file(place, kind, tmp_path):
    path, other = tmp_path / "net.h5", tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        if "/" in place:
            file.create_group(place.rpartition("/")[0])
        # A pipe that nobody writes to: opening it would wait forever.
        os.mkfifo(other)
        file[place] = h5py.ExternalLink(str(other), "/") if kind == "external" else h5py.SoftLink("/nowhere")
    with pytest.raises(RunError, match="is not in it"):
        list(read_keras(path))


def write_named(path, name):
    """A file as Keras 3 writes it, whose layer has a name of variable length."""
    with h5py.File(path, "w") as file:
        variables = file.create_group("layers/conv2d/vars")
        variables.attrs["name"] = name
        variables["0"] = np.ones(3, "f4")
    return path


def test_names_of_any_length_and_alphabet_are_read(tmp_path):
    for name in ("block1_conv1", "fälschung", "x" * 5000, "\n"):
        (layer,) = read_keras(write_named(tmp_path / "net.weights.h5", name))
        assert layer.name == name


def test_the_process_that_reads_names_ends_with_the_reading(tmp_path, monkeypatch):
    started = []

    class Popen(subprocess.Popen):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Popen)
    layers = read_keras(write_named(tmp_path / "net.weights.h5", "a"))
    next(layers)
    assert [process.poll() for process in started] == [None]
    layers.close()
    assert [process.poll() is not None for process in started] == [True]


def test_no_process_starts_for_names_of_fixed_length(weights, writers, place, monkeypatch):
    monkeypatch.setattr(subprocess, "Popen", lambda *args, **kwargs: pytest.fail("was started"))
    assert len(list(read_keras(place(writers.keras(weights), "net.h5")))) == len(weights)


def test_no_limit_of_this_process_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(resource, "setrlimit", lambda *args: pytest.fail("was changed"))
    assert list(read_keras(write_named(tmp_path / "net.weights.h5", "a")))


MEASURE = """
import resource, sys
from pathlib import Path
from fcn.errors import RunError
from fcn.weights.formats import keras as keras_reader
from fcn.weights.formats.keras import read_keras

def kilobytes():
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return [resource.getrusage(kind).ru_maxrss for kind in kinds]

before, _ = kilobytes()
try:
    list(read_keras(Path(sys.argv[1])))
except RunError as error:
    assert "the attribute 'name' cannot be read" in str(error), error
else:
    sys.exit("It was read.")
own, of_child = kilobytes()
print(own - before, of_child)
"""


@pytest.mark.parametrize("length", [1 << 29, (1 << 32) - 16])
def test_a_name_that_claims_gigabytes_is_refused_in_little_memory(length, tmp_path):
    path = write_named(tmp_path / "net.weights.h5", "given")
    data = path.read_bytes()
    # Its length, the place of the heap and the number of the text in it, which is the first.
    reference = struct.pack("<IQI", len("given"), data.index(b"GCOL\1"), 1)
    assert data.count(reference) == 1
    path.write_bytes(data.replace(reference, struct.pack("<I", length) + reference[4:]))
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True, timeout=100
    )
    own, of_child = map(int, run.stdout.split())
    assert own < 50_000
    assert of_child < 400_000
