import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from fcn.inference.engines.signatures import signatures
from fcn.server.interface import InferenceResponse, VersionState, string_tensor
from fcn.server.protocols.tensorflow_json import Layout, describe_status, read_predict, write_predict

KNOWN = signatures(3)
IMAGES = array_shapes(min_dims=3, max_dims=3, max_side=9).flatmap(lambda shape: arrays(np.uint8, (*shape, 3)))


def read(**document):
    return read_predict(json.dumps(document).encode(), KNOWN, None)


# Worked by hand from the documentation of the API, with our signatures.
ROWS = [
    [{"b64": "aW1hZ2UgYnl0ZXM="}, {"b64": "YXdlc29tZSBpbWFnZSBieXRlcw=="}],
    ["image bytes", "awesome image bytes"],
    [{"image_bytes": "image bytes"}, {"image_bytes": {"b64": "YXdlc29tZSBpbWFnZSBieXRlcw=="}}],
]


@pytest.mark.parametrize("rows", ROWS)
def test_strings_as_rows(rows):
    call, layout = read(instances=rows)
    assert layout is Layout.ROWS
    assert call.signature == "serving_default"
    assert list(call.inputs) == ["image_bytes"]
    assert call.inputs["image_bytes"].tolist() == [b"image bytes", b"awesome image bytes"]
    assert call.outputs == ()


@pytest.mark.parametrize("rows", ROWS[:2])
@pytest.mark.parametrize("wrap", [lambda rows: rows, lambda rows: {"image_bytes": rows}])
def test_strings_as_columns(rows, wrap):
    call, layout = read(inputs=wrap(rows))
    assert layout is Layout.COLUMNS
    assert call.inputs["image_bytes"].tolist() == [b"image bytes", b"awesome image bytes"]


@given(IMAGES, st.sampled_from(["predict_tensor", "predict_logits"]))
def test_pixels_in_every_layout(images, name):
    values = images.tolist()
    for layout, document in (
        (Layout.ROWS, {"instances": values}),
        (Layout.ROWS, {"instances": [{"images": image} for image in values]}),
        (Layout.COLUMNS, {"inputs": values}),
        (Layout.COLUMNS, {"inputs": {"images": values}}),
    ):
        call, found = read(signature_name=name, **document)
        assert (call.signature, found) == (name, layout)
        np.testing.assert_array_equal(call.inputs["images"], images)


def test_the_version_of_the_path_is_asked():
    assert read_predict(b'{"instances": ["a"]}', KNOWN, 7)[0].version == 7


def test_one_output_has_no_name():
    label = np.array([[[0, 1], [2, 0]], [[1, 1], [1, 1]]], np.uint8)
    for layout in Layout:
        assert json.loads(write_predict(InferenceResponse(1, {"label": label}), layout)) == {
            layout.value: label.tolist()
        }


THREE = {
    "label_png_bytes": string_tensor([b"image bytes", b"\0"]),
    "class_areas": np.array([[0.1, 0.9], [1, 0]], np.float32),
    "mean_confidence": np.array([0.2, 1], np.float32),
}


def test_several_outputs_as_rows_are_objects():
    text = write_predict(InferenceResponse(1, THREE), Layout.ROWS)
    # As TensorFlow Serving, without the digits that a float32 gets where it is printed as a float64.
    assert json.loads(text) == {
        "predictions": [
            {
                "label_png_bytes": {"b64": "aW1hZ2UgYnl0ZXM="},
                "class_areas": [0.1, 0.9],
                "mean_confidence": 0.2,
            },
            {"label_png_bytes": {"b64": "AA=="}, "class_areas": [1, 0], "mean_confidence": 1},
        ]
    }
    assert b'"mean_confidence":1.0' in text


def test_several_outputs_as_columns_are_an_object():
    assert json.loads(write_predict(InferenceResponse(1, THREE), Layout.COLUMNS)) == {
        "outputs": {
            "label_png_bytes": [{"b64": "aW1hZ2UgYnl0ZXM="}, {"b64": "AA=="}],
            "class_areas": [[0.1, 0.9], [1, 0]],
            "mean_confidence": [0.2, 1],
        }
    }


def test_parts_of_arrays_and_numbers_that_are_none_can_be_written():
    logits = np.array([[[[1, np.nan], [np.inf, 2]]]], np.float32).transpose(0, 2, 1, 3)
    text = write_predict(InferenceResponse(1, {"logits": logits}), Layout.ROWS)
    assert json.loads(text) == {"predictions": [[[[1, None]], [[None, 2]]]]}


def test_a_version_that_could_not_be_loaded_says_why():
    states = [VersionState(2, "END", "no such file"), VersionState(1, "AVAILABLE")]
    assert [one.status.model_dump() for one in describe_status(states).model_version_status] == [
        {"error_code": "INTERNAL", "error_message": "no such file"},
        {"error_code": "OK", "error_message": ""},
    ]
