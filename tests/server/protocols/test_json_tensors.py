import base64
import json
import tracemalloc

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcn.inference.engines.signatures import ANY
from fcn.server.interface import ErrorKind, ServerError
from fcn.server.protocols.json_tensors import (
    decode_base64,
    encode_base64,
    holds_lists,
    read_object,
    read_pixels,
    read_strings,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 999) | st.floats(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=20,
)


@given(st.dictionaries(st.text(max_size=3), JSON, max_size=5), st.sampled_from([None, 1100]))
def test_documents_are_read_as_pythons_reader_reads_them(document, indent):
    # Wide indents make every list a long one.
    text = json.dumps(document, indent=indent and " " * indent).encode()
    assert orjson.loads(orjson.dumps(read_object(text, "x"))) == document


def test_long_lists_of_numbers_stay_text_and_become_arrays(rng):
    image = rng.integers(0, 256, (30, 40, 3), np.uint8)
    document = {"rows": [{"image": image.tolist()}, {"image": image.tolist()}], "plain": [[1, 2], [3, 4]]}
    read = read_object(json.dumps(document).encode(), "x")
    assert read["plain"] == [[1, 2], [3, 4]]
    assert isinstance(read["rows"][0]["image"], orjson.Fragment)
    rows = [row["image"] for row in read["rows"]]
    np.testing.assert_array_equal(read_pixels(rows, (ANY, ANY, ANY, 3), "rows"), np.stack([image, image]))
    np.testing.assert_array_equal(read_pixels(rows[0], (30, 40, 3), "rows"), image)
    assert holds_lists(rows[0], "x")
    assert holds_lists(rows, "x")
    assert not holds_lists([1], "x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "Expected JSON in x. Received: 0 bytes that are not JSON"),
        (b"\xef\xbb\xbf{}", "Expected JSON in x"),
        (b"[]", "Expected a JSON object in x. Received: a list of 0."),
        (b"[" + b"1," * 1000 + b"1]", "Expected a JSON object in x. Received: a list of numbers."),
        (b"3", "Expected a JSON object in x. Received: 3."),
        (b'{"a":' * 2000 + b"1" + b"}" * 2000, "Expected JSON in x"),
        (b"[{}" + b",{}" * 20_000 + b"]", "at most 20000 values in x, not counting lists of numbers"),
        (b"[[true]" + b",[true]" * 20_000 + b"]", "at most 20000 values in x"),
        (b"[true" + b",true" * 20_000 + b"]", "at most 20000 values in x"),
        (b'["a"' + b',"a"' * 20_000 + b"]", "at most 20000 strings in x. Received: 20001."),
        (b'{"a": ' + b"[" * 3000 + b"1" + b"]" * 2999 + b"}", "Expected JSON in x"),
    ],
)
def test_what_is_no_document_is_refused(text, message):
    with pytest.raises(ServerError, match=message) as refused:
        read_object(text, "x")
    assert refused.value.kind is ErrorKind.BAD_REQUEST


@pytest.mark.parametrize("value", [None, True, 1, "a", {"b64": ""}, {}])
def test_pixels_are_lists(value):
    with pytest.raises(ServerError, match="Expected a list as `x`"):
        read_pixels(value, (ANY,), "x")


def test_lists_deeper_than_can_be_written_are_refused():
    deep = read_object(b'{"a": ' + b"[" * 400 + b'"a"' + b"]" * 400 + b"}", "x")["a"]
    with pytest.raises(ServerError, match="Expected lists of numbers as `x`"):
        read_pixels(deep, (ANY,), "x")


@given(st.binary())
def test_base64_comes_back(data):
    assert encode_base64(data) == base64.b64encode(data).decode()
    assert decode_base64(encode_base64(data), "x") == data


@given(st.binary(max_size=300), st.sampled_from(["\n", "\r\n"]), st.integers(1, 90))
def test_base64_may_have_line_breaks_and_no_padding(data, end, width):
    line = encode_base64(data)
    lines = end.join(line[start : start + width] for start in range(0, len(line), width))
    for text in (lines, lines + end, line.rstrip("="), line + end):
        assert decode_base64(text, "x") == data


@pytest.mark.parametrize(
    "text",
    [
        *("a", "abcde", "a===", "=", "====", "YQ===", "YQ==YQ==", "YQ==\nYQ==", "YQ= =", "Y Q", "YQ==\t"),
        *("-_-_", "é", "=YQ=", "YQ==!", "!", "YWI*", "data:image/png;base64,YWI="),
    ],
)
def test_what_is_no_base64_is_refused(text):
    with pytest.raises(ServerError, match="Expected base64 at x"):
        decode_base64(text, "x")


@pytest.mark.parametrize("value", [None, 1, [], "a", {}, {"b64": "YQ=="}])
def test_strings_are_a_list(value):
    with pytest.raises(ServerError, match="a list of one or more strings in `x`"):
        read_strings(value, decode_base64, "x")


def test_strings_know_their_places():
    assert read_strings(["YQ==", "AA=="], decode_base64, "x").tolist() == [b"a", b"\0"]
    with pytest.raises(ServerError, match=r"a base64 string at x\[1\]. Received: null"):
        read_strings(["YQ==", None], decode_base64, "x")


@pytest.mark.parametrize(
    "part",
    ["[0,0,0]", "[255,255,255]", "0", "257", "1.5", "[]", "[[]]", "{}", "true", '""', "[true]", '{"a":0}'],
)
def test_no_document_takes_much_more_memory_than_its_text(part):
    text = f'{{"a": [{part}{f",{part}" * (2**21 // len(part))}]}}'.encode()
    tracemalloc.start()
    try:
        read_pixels(read_object(text, "x")["a"], (ANY, 3), "x")
    except ServerError:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 16 * len(text)
