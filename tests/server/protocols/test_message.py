"""One model checks a message and describes it: what the description forbids, the check refuses."""

from typing import Annotated, Any

import jsonschema
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import FailFast, Field

from fcn.server.interface import ErrorKind, ServerError
from fcn.server.protocols.message import Given, Message, read_message, schema_of
from fcn.server.protocols.v2_request import IndexRequest, InputParameters, OutputParameters, RequestParameters


class Part(Message):
    size: Given[Annotated[int, Field(ge=0)]] = None


class Whole(Message):
    name: str
    is_new: bool = False
    parts: Annotated[list[Part], FailFast()] = []
    data: Given[Any] = None


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "an object as the body. Received: a list of 0."),
        ({}, "the key `name` in the body. Received: an object with no keys."),
        ({"name": 1}, "a string as `name`. Received: 1."),
        ({"name": "a", "is_new": 1}, "true or false as `is_new`. Received: 1."),
        ({"name": "a", "is_new": None}, "true or false as `is_new`. Received: null."),
        ({"name": "a", "parts": {}}, "a list as `parts`. Received: an object with no keys."),
        ({"name": "a", "parts": [{}, 1]}, "an object at parts[1]. Received: 1."),
        ({"name": "a", "parts": [{"size": 1.0}]}, "an integer as `size` of parts[0]. Received: 1.0."),
        ({"name": "a", "parts": [{"size": True}]}, "an integer as `size` of parts[0]. Received: true."),
        (
            {"name": "a", "parts": [{}, {"size": -1}]},
            "a value greater than or equal to 0 as `size` of parts[1]. Received: -1.",
        ),
        ({"name": "a", "data": None}, "a value, or no such key, as `data`. Received: null."),
        ({"name": orjson.Fragment(b"[1]")}, "a string as `name`. Received: a list of numbers."),
    ],
)
def test_an_error_names_place_expected_and_received(document, message):
    with pytest.raises(ServerError) as refused:
        read_message(Whole, document)
    assert refused.value.kind is ErrorKind.BAD_REQUEST
    assert refused.value.message == f"Expected {message}"


def test_of_many_mistakes_only_the_first_is_looked_at():
    with pytest.raises(ServerError) as refused:
        read_message(Whole, {"name": "a", "parts": [{"size": "x"}] * 20_000})
    assert refused.value.message.startswith("Expected an integer as `size` of parts[0].")


def test_long_lists_of_numbers_stay_text():
    numbers = orjson.Fragment(b"[1, 2]")
    assert read_message(Whole, {"name": "a", "data": numbers, "x": 1}).data is numbers


def test_keys_that_may_be_missing_are_described_without_null():
    schema = schema_of(Whole)
    assert schema["required"] == ["name"]
    (size,) = schema["properties"]["parts"]["items"]["properties"].values()
    assert size == {"title": "Size", "type": "integer", "minimum": 0}


# A float such as 1.0 is an integer for JSON Schema.
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False).filter(lambda x: x % 1) | st.text()
)
KEYS = [
    *("ready", "signature_name", "binary_data", "binary_data_output", "binary_data_size", "content_type"),
    *("shared_memory_region", "classification", "classifications", "priority"),
]
DOCUMENTS = st.dictionaries(st.sampled_from(KEYS), SCALARS | st.lists(SCALARS, max_size=2), max_size=3)


@pytest.mark.parametrize("message", [RequestParameters, InputParameters, OutputParameters, IndexRequest])
def test_exactly_what_fits_the_description_is_read(message):
    validator = jsonschema.Draft202012Validator(schema_of(message))
    found = set()

    @given(DOCUMENTS)
    def compare(document):
        is_described = validator.is_valid(document)
        found.add(is_described)
        if is_described:
            read_message(message, document)
        else:
            with pytest.raises(ServerError, match="Expected"):
                read_message(message, document)

    compare()
    assert found == {True, False}
