"""Tests of the signatures of an exported model."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax
from tensorflow.core.protobuf import saved_model_pb2

from fcn.data.image_io import encode_jpeg, encode_png
from fcn.exports.saved_model import ServedModel
from fcn.inference.engines.signatures import ANY, Tensor, signatures
from fcn.models.fcn import FCN

SIZES = ((1, 1), (40, 57), (33, 32), (7, 90))


def make(net: FCN, folder: Path) -> ServedModel:
    for name in ("classes.json", "model.json"):
        (folder / name).write_text("{}")
    return ServedModel(net, folder / "classes.json", folder / "model.json")


@pytest.fixture(scope="module")
def saved(net: FCN, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("served")
    make(net, folder).save(folder / "1")
    return folder / "1"


@pytest.fixture(scope="module")
def served(saved: Path):
    return tf.saved_model.load(str(saved))


def images() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*size, 3), np.uint8) for size in SIZES]


def described(info) -> Tensor:
    # What has no shape may have any: strings that graphs decode.
    shape = tuple(side.size for side in info.tensor_shape.dim)
    return Tensor(tf.dtypes.as_dtype(info.dtype).name, shape)


def test_signatures_are_as_described(saved: Path, net: FCN) -> None:
    document = saved_model_pb2.SavedModel.FromString((saved / "saved_model.pb").read_bytes())
    found = {
        name: tuple(
            {key: described(info) for key, info in part.items()} for part in (one.inputs, one.outputs)
        )
        for name, one in document.meta_graphs[0].signature_def.items()
        if not name.startswith("__")
    }
    expected = {name: tuple(one) for name, one in signatures(net.num_classes).items()}
    assert found == expected
    assert all(one.method_name == "tensorflow/serving/predict" for one in signature_defs(document))


def signature_defs(document) -> list:
    definitions = document.meta_graphs[0].signature_def
    return [one for name, one in definitions.items() if not name.startswith("__")]


@pytest.mark.exhaustive
def test_saved_model_cli_shows_them(saved: Path, net: FCN) -> None:
    program = Path(sys.executable).with_name("saved_model_cli")
    command = [program, "show", "--dir", saved, "--all"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    dtypes = {"uint8": "DT_UINT8", "float32": "DT_FLOAT", "string": "DT_STRING"}
    for name, signature in signatures(net.num_classes).items():
        part = text.split(f"signature_def['{name}']:")[1].partition("Method name is")[0]
        for kind, tensors in zip(("inputs", "outputs"), signature, strict=True):
            shown = re.findall(rf"{kind}\['(\w+)'\] tensor_info:\s+dtype: (\w+)\s+shape: \((.*)\)", part)
            wanted = [
                (key, dtypes[dtype], ", ".join(map(str, shape)))
                for key, (dtype, shape) in sorted(tensors.items())
            ]
            assert sorted(shown) == wanted


def test_areas_and_confidence_of_several_sizes_in_one_request(served) -> None:
    encode = (encode_png, encode_jpeg, encode_png, encode_jpeg)
    files = [function(image) for function, image in zip(encode, images(), strict=True)]
    answer = served.signatures["serving_default"](image_bytes=tf.constant(files))
    assert answer["class_areas"].shape == (len(files), 3)
    for index, data in enumerate(files):
        pixels = tf.io.decode_image(data, expand_animations=False)
        if data[:2] == b"\xff\xd8":
            pixels = tf.io.decode_jpeg(data, dct_method="INTEGER_ACCURATE")
        logits = served.signatures["predict_logits"](images=pixels[tf.newaxis])["logits"][0].numpy()
        label = tf.io.decode_png(answer["label_png_bytes"][index]).numpy()[..., 0]
        np.testing.assert_array_equal(label, logits.argmax(-1))
        areas = [(label == class_id).mean() for class_id in range(3)]
        np.testing.assert_allclose(answer["class_areas"][index], areas, rtol=1e-6)
        confidence = softmax(logits.astype(np.float64), axis=-1).max(-1).mean()
        np.testing.assert_allclose(answer["mean_confidence"][index], confidence, rtol=1e-5)


def test_a_request_without_images_is_answered(served, net: FCN) -> None:
    answer = served.signatures["serving_default"](image_bytes=tf.constant([], tf.string))
    shapes = {name: tuple(0 if side == ANY else side for side in shape) for name, (_, shape) in outputs(net)}
    assert {name: tuple(value.shape) for name, value in answer.items()} == shapes


def outputs(net: FCN) -> list:
    return list(signatures(net.num_classes)["serving_default"].outputs.items())


def test_scores_of_any_size_leave_confidences_finite(thin_net, tmp_path: Path) -> None:
    net = thin_net(seed=3)
    for layer in net.layers:
        if layer.name.startswith("score_"):
            layer.set_weights([1e6 * weight for weight in layer.get_weights()])
    image = images()[1]
    assert np.abs(np.asarray(net(image[np.newaxis].astype(np.float32)))).max() > 1000  # exp of it is infinite
    served = make(net, tmp_path)
    answer = served.serve(tf.constant([encode_png(image)]))
    assert 0.99 < float(answer["mean_confidence"][0]) <= 1


def test_equal_scores_have_the_confidence_of_a_guess(thin_net, tmp_path: Path) -> None:
    served = make(thin_net(awake=False), tmp_path)
    answer = served.serve(tf.constant([encode_png(images()[1])]))
    np.testing.assert_allclose(answer["mean_confidence"], [1 / 3], rtol=1e-6)
    np.testing.assert_array_equal(answer["class_areas"], [[1, 0, 0]])


_MEASURE = """
import resource, sys
import numpy as np, tensorflow as tf
served = tf.saved_model.load(sys.argv[1])
image = np.random.default_rng(0).integers(0, 256, (800, 800, 3), np.uint8)
data = tf.io.encode_jpeg(image).numpy()
for signature, inputs in (
    ("predict_tensor", {"images": image[None]}),
    ("serving_default", {"image_bytes": [data]}),
    ("serving_default", {"image_bytes": [data] * 3}),
):
    served.signatures[signature](**{name: tf.constant(value) for name, value in inputs.items()})
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


@pytest.mark.slow
def test_confidences_and_further_images_take_no_memory(thin_net, tmp_path: Path) -> None:
    make(thin_net(num_classes=60), tmp_path).save(tmp_path / "1")
    command = [sys.executable, "-c", _MEASURE, tmp_path / "1"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    label, encoded, three = map(int, printed.split())
    logits = 800 * 800 * 60 * 4
    assert encoded - label < logits / 2
    assert three - encoded < logits / 2
