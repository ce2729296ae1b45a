import json
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from fcn.inference.engines.signatures import ANY
from fcn.server.interface import ServerError
from fcn.server.protocols import number_lists
from fcn.server.protocols.number_lists import extract_number_lists, read_uint8_lists


@pytest.fixture(autouse=True, params=[1 << 18, 5], ids=["one piece", "many pieces"])
def piece(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(number_lists, "_PIECE", request.param)
        yield


ARRAYS = arrays(np.uint8, array_shapes(min_dims=1, max_dims=4, max_side=5))


def oracle(text):
    """Reads nested lists of bytes as Python's own reader of JSON has them; None for anything else."""

    def check(value):
        if isinstance(value, list):
            return all(map(check, value))
        return type(value) is int and 0 <= value <= 255

    try:
        # A minus is refused, also in front of 0, where Python forgets it.
        value = json.loads(text, parse_int=lambda number: -1 if number.startswith("-") else int(number))
        array = np.array(value, np.int64)  # refuses lists of several lengths
    except (ValueError, TypeError, OverflowError):
        return None
    return array if isinstance(value, list) and check(value) and array.size else None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ARRAYS, st.data())
def test_lists_become_the_array_they_were(array, data):
    space = st.text(" \t\r\n", max_size=2)
    text = re.sub(r"(?=[\[\],])|(?<=[\[,])", lambda match: data.draw(space), json.dumps(array.tolist()))
    text = text.strip()
    for shape in (array.shape, (ANY,) * array.ndim):
        read = read_uint8_lists(text.encode(), shape, "x")
        assert read.dtype == np.uint8
        np.testing.assert_array_equal(read, array)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ARRAYS,
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 2), st.sampled_from("0129[], .-et")), max_size=3),
)
@example(np.zeros((1, 2), np.uint8), [(4, 1, ",")])
@example(np.zeros(1, np.uint8), [(0, 0, "-")])
def test_exactly_what_json_says_is_read(array, edits):
    text = json.dumps(array.tolist(), separators=(",", ":"))
    for position, removed, inserted in edits:
        position = 1 + position % max(1, len(text) - 2)
        text = text[:position] + inserted + text[position + removed :]
    text = text if text.endswith("]") else text + "]"
    expected = oracle(text)
    fits = expected is not None and expected.ndim == array.ndim
    if fits:
        np.testing.assert_array_equal(read_uint8_lists(text.encode(), (ANY,) * array.ndim, "x"), expected)
    else:
        with pytest.raises(ServerError, match="Expected integers 0 to 255"):
            read_uint8_lists(text.encode(), (ANY,) * array.ndim, "x")


def test_numbers_are_bytes_or_refused():
    for number in range(1200):
        text = b"[%d]" % number
        if number <= 255:
            assert read_uint8_lists(text, (ANY,), "x").tolist() == [number]
        else:
            with pytest.raises(ServerError):
                read_uint8_lists(text, (ANY,), "x")


@pytest.mark.parametrize(
    ("text", "shape", "received"),
    [
        ("[]", (ANY,), r"Received: \[0\], judging by the first lists"),
        ("[[],[]]", (ANY, ANY), r"Received: \[0, 0\]"),
        ("[1,2]", (ANY, 3), "Received: lists 1 deep"),
        ("[[[1]]]", (ANY, 1), "Received: lists 3 deep"),
        ("[[1,2,3,4]]", (ANY, 3), r"shape \[any, 3\] in `x`. Received: \[1, 4\]"),
        ("[[1,2],[3]]", (ANY, ANY), r'\[1, 2\], judging by the first lists, and then "\[\[1,2\],\[3\]\]"'),
        ("[[1.0,2]]", (ANY, ANY), r'Received: "\[\[1.0,2\]\]" at byte 0 of the list'),
        ("[[1,true]]", (ANY, ANY), r"Received: .*true"),
        ("[1,-1]", (ANY,), r"Received: .*-1"),
        ("[1,1e1]", (ANY,), r"Received: .*1e1"),
        ("[100000,7,256]", (ANY,), r'Received: "\[100000,7,256\]" at byte 0'),
        ("[" + "1," * 20 + "256]", (ANY,), r'Received: "1,1,1,1,256\]" at byte 33'),
        ("[1,07]", (ANY,), r"Received: .*07"),
        ("[1 2]", (ANY,), "and then"),
        ("[1,]", (ANY,), "and then"),
        ("[1]]", (ANY,), "and then"),
    ],
)
def test_an_error_says_where(text, shape, received):
    with pytest.raises(ServerError, match=received):
        read_uint8_lists(text.encode(), shape, "x")


LONG = "[" + "1, " * 600 + "2]"


def test_long_lists_are_cut_out_and_all_else_stays():
    text = (
        f'{{"a": {LONG}, "b": [1], "c": "{LONG}", "d\\"": [[2], {LONG} ], "e": "\\\\", "f": [{LONG}, "x"]}}'
    )
    rest, lists = extract_number_lists(text.encode(), b'"<%d>"')
    assert rest.decode() == (
        f'{{"a": "<0>", "b": [1], "c": "{LONG}", "d\\"": "<1>", "e": "\\\\", "f": [{LONG}, "x"]}}'
    )
    assert [one.decode() for one in lists] == [LONG, f"[[2], {LONG} ]"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text('[]{}",:\\ 01a'))
def test_what_is_cut_out_can_be_put_back(text):
    # The padding makes every list of the text a long one.
    text = text.replace("[", "[" + " " * 1024).encode()
    rest, lists = extract_number_lists(text, b"<%d>")
    assert re.sub(rb"<(\d+)>", lambda match: lists[int(match[1])], rest) == text
    for one in lists:
        assert one.startswith(b"[")
        assert one.endswith(b"]")


def test_strings_that_do_not_end_and_brackets_that_do_not_close_are_left():
    for text in (b'{"a": "[' + b"1," * 1000, b"[" * 5000, b'{"a": "\\', b"]" * 5000):
        assert extract_number_lists(text, b"<%d>") == (text, [])
