import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from tritonclient.utils import deserialize_bytes_tensor, serialize_byte_tensor

from fcn.inference.engines.signatures import ANY, STRING, UINT8, Tensor
from fcn.server.interface import ServerError, string_tensor
from fcn.server.protocols.json_tensors import encode_base64
from fcn.server.protocols.message import read_message
from fcn.server.protocols.v2_request import InputTensor
from fcn.server.protocols.v2_tensors import read_tensor, tensor_bytes, tensor_data

STRINGS, PIXELS = Tensor(STRING, (ANY,)), Tensor(UINT8, (ANY, ANY, ANY, 3))
TEXTS = st.lists(st.binary(max_size=20), min_size=1, max_size=5)
IMAGES = array_shapes(min_dims=3, max_dims=3, max_side=6).flatmap(lambda shape: arrays(np.uint8, (*shape, 3)))


def strings_entry(count, **more):
    return {"name": "x", "datatype": "BYTES", "shape": [count], **more}


def pixels_entry(shape=(1, 1, 2, 3), **more):
    return {"name": "x", "datatype": "UINT8", "shape": list(shape), **more}


def read(entry, tensor, chunk):
    return read_tensor(read_message(InputTensor, entry), tensor, chunk)


def binary(size):
    return {"parameters": {"binary_data_size": size}}


@given(TEXTS)
def test_binary_strings_are_those_of_the_official_client(texts):
    ours = tensor_bytes(string_tensor(texts))
    assert ours == serialize_byte_tensor(string_tensor(texts)).item()
    assert deserialize_bytes_tensor(ours).tolist() == texts
    values = read(strings_entry(len(texts), **binary(len(ours))), STRINGS, memoryview(ours))
    assert values.tolist() == texts
    assert all(type(one) is bytes for one in values)


@given(TEXTS, st.data())
def test_binary_strings_cut_anywhere_are_refused(texts, data):
    whole = tensor_bytes(string_tensor(texts))
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with pytest.raises(ServerError, match="strings"):
        read(strings_entry(len(texts), **binary(len(cut))), STRINGS, memoryview(cut))
    with pytest.raises(ServerError, match="strings"):
        read(strings_entry(len(texts) + 1, **binary(len(whole))), STRINGS, memoryview(whole))
    with pytest.raises(ServerError, match="strings"):
        read(strings_entry(len(texts), **binary(0)), STRINGS, memoryview(whole + b"\0\0\0\0"))


@given(IMAGES)
def test_pixels_come_in_every_form(images):
    data = images.tobytes()
    for more, chunk in (
        ({"data": images.tolist()}, None),
        ({"data": images.ravel().tolist()}, None),
        ({"data": images.ravel().tolist(), "parameters": {"content_type": "np"}}, None),
        (binary(len(data)), memoryview(data)),
    ):
        entry = pixels_entry(images.shape, **more)
        np.testing.assert_array_equal(read(entry, PIXELS, chunk), images)


def test_strings_in_json_are_text_unless_they_say_base64():
    entry = strings_entry(2, data=["é", "YQ=="])
    assert read(entry, STRINGS, None).tolist() == ["é".encode(), b"YQ=="]
    assert read(entry | {"parameters": {"content_type": "str"}}, STRINGS, None)[1] == b"YQ=="
    entry = strings_entry(1, data=["YQ=="], parameters={"content_type": "base64"})
    assert read(entry, STRINGS, None).tolist() == [b"a"]


@pytest.mark.parametrize("content_type", ["np", "base64", "pd", 1, None, ["base64"]])
def test_other_content_types_say_nothing(content_type):
    parameters = {"content_type": content_type, "x": 1}
    entry = pixels_entry(data=[1, 2, 3, 4, 5, 6], parameters=parameters)
    assert read(entry, PIXELS, None).ravel().tolist() == [1, 2, 3, 4, 5, 6]
    entry = pixels_entry(parameters=parameters | {"binary_data_size": 6})
    assert read(entry, PIXELS, memoryview(bytes(range(6)))).ravel().tolist() == list(range(6))
    if content_type != "base64":
        entry = strings_entry(1, data=["YQ=="], parameters=parameters)
        assert read(entry, STRINGS, None).tolist() == [b"YQ=="]


@given(TEXTS)
def test_strings_of_answers_can_be_sent_back(texts):
    described = tensor_data(string_tensor(texts))
    assert described == {
        "parameters": {"content_type": "base64"},
        "data": [encode_base64(one) for one in texts],
    }
    assert read(strings_entry(len(texts), **described), STRINGS, None).tolist() == texts


def test_floats_are_little_endian_whatever_the_array_is():
    values = np.array([[1, -2.5], [0, 3]], ">f4").T
    assert tensor_bytes(values) == np.array([1, 0, -2.5, 3], "<f4").tobytes()
    assert tensor_data(values)["data"].tolist() == [1, 0, -2.5, 3]


@pytest.mark.parametrize(
    ("entry", "tensor", "message"),
    [
        (strings_entry(1, data=["a"]), PIXELS, 'the datatype UINT8 of `x`. Received: the string "BYTES"'),
        ({"name": "x", "shape": [1], "data": ["a"]}, STRINGS, "the key `datatype` in the body"),
        ({"name": "x", "datatype": "BYTES", "data": ["a"]}, STRINGS, "the key `shape` in the body"),
        (strings_entry(1, data=["a"]) | {"shape": [1, 1]}, STRINGS, "the shape [-1] of `x`"),
        (strings_entry(-1, data=["a"]), STRINGS, "Received: [-1]."),
        (strings_entry(0, data=[]), STRINGS, "-1 for 1 or more. Received: [0]."),
        (strings_entry(True, data=["a"]), STRINGS, "Received: [true]."),
        (strings_entry(1.0, data=["a"]), STRINGS, "Received: [1.0]."),
        (strings_entry("1", data=["a"]), STRINGS, 'Received: [the string "1"].'),
        (pixels_entry((1, 1, 1, 4), data=[0] * 4), PIXELS, "the shape [-1, -1, -1, 3]"),
        (pixels_entry((1, 1, 1), data=[0] * 3), PIXELS, "the shape [-1, -1, -1, 3]"),
        (strings_entry(1), STRINGS, "a list of one or more strings in `x.data`. Received: null."),
        (strings_entry(2, data=["a"]), STRINGS, "2 strings in `x.data`, as the shape says. Received: 1."),
        (strings_entry(1, data=[1]), STRINGS, "a string at x.data[0]. Received: 1."),
        (strings_entry(1, data=[["a"]]), STRINGS, "a string at x.data[0]. Received: a list of 1."),
        (pixels_entry(), PIXELS, "a list as `x.data`. Received: null."),
        (pixels_entry(data=[0] * 5), PIXELS, "lists of shape [6] in `x.data`. Received: 5 in total."),
        (pixels_entry(data=[]), PIXELS, "lists of shape [6] in `x.data`. Received: 0 in total."),
        (
            pixels_entry(data=[[[[0] * 3]]]),
            PIXELS,
            "of shape [1, 1, 2, 3] in `x.data`. Received: 3 in",
        ),
        (strings_entry(2**63 - 1, data=["a"]), STRINGS, f"{2**63 - 1} strings in `x.data`"),
        (strings_entry(2, data=["!"], parameters={"content_type": "base64"}), STRINGS, "Received: 1."),
        (pixels_entry(data=[[0] * 6]), PIXELS, "lists of shape [1, 1, 2, 3]"),
        (pixels_entry((10**6, 10**6, 10**6, 3), data=[0]), PIXELS, "[3000000000000000000]"),
    ],
)
def test_what_does_not_fit_is_refused(entry, tensor, message):
    with pytest.raises(ServerError) as refused:
        read(entry, tensor, None)
    assert message in refused.value.message


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (pixels_entry(**binary(6), data=[]), "either `data` or `binary_data_size` of `x`. Received: both."),
        (pixels_entry(**binary(5)), "6 bytes of `x`, of shape [1, 1, 2, 3]. Received: 5."),
        (pixels_entry((10**6, 10**6, 10**6, 3), **binary(5)), "3000000000000000000 bytes"),
    ],
)
def test_bytes_that_do_not_fit_are_refused(entry, message):
    with pytest.raises(ServerError) as refused:
        read(entry, PIXELS, memoryview(bytes(entry["parameters"]["binary_data_size"])))
    assert message in refused.value.message


@pytest.mark.parametrize(
    ("count", "size", "message"),
    [
        (2, 7, "2 strings in `x`, as the shape says, each after its length in 4 bytes. Received: 7 bytes."),
        (20_000, 79_999, "Received: 79999 bytes."),
        (20_001, 80_004, "at most 20000 strings in `x`. Received: a shape of 20001."),
        (2**63 - 1, 8, f"Received: a shape of {2**63 - 1}."),
    ],
)
def test_more_strings_than_fit_are_refused_before_they_are_read(count, size, message):
    with pytest.raises(ServerError) as refused:
        read(strings_entry(count, **binary(size)), STRINGS, memoryview(bytes(size)))
    assert message in refused.value.message
