"""Tests of values on the command line; how a configuration takes them is in `test_file.py`."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcn.config.overrides import read_override, split_override, split_values
from fcn.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1e-4,3e-4", ["1e-4", "3e-4"]),
        (" a , b ", ["a", "b"]),
        ("[320, 320],[480,480],null", ["[320, 320]", "[480,480]", "null"]),
        ("{fc*: 2, score*: 4},{}", ["{fc*: 2, score*: 4}", "{}"]),
        ("'a,b',\"c,d\"", ["'a,b'", '"c,d"']),
        ("it's,that's", ["it's", "that's"]),
        ("block1*,*score", ["block1*", "*score"]),
        ("a,,b,", ["a", "", "b", ""]),
        ("", [""]),
    ],
)
def test_commas_separate_values(text: str, values: list[str]) -> None:
    assert split_values(text) == values


@pytest.mark.parametrize(
    "text", ["[1,2", "1,2]", "a],[b", "'a,b", '"', "a #b,c", "{a: 1,", "\ud800,b", "],["]
)
def test_what_is_no_list_is_returned_whole(text: str) -> None:
    assert split_values(text) == [text]


_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text("ab,[]{}'\" :#", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
    max_leaves=5,
)


@settings(max_examples=50)
@given(st.lists(_VALUES, min_size=1, max_size=4))
def test_values_written_as_json_come_back(values: list[object]) -> None:
    pieces = split_values(", ".join(map(json.dumps, values)))
    assert [read_override(f"a.b={piece}").value for piece in pieces] == values


@pytest.mark.parametrize("text", ["b=1", "a.b", "a.b.c=1", ".b=1", "a.=1"])
def test_errors_name_the_option(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        split_override(text, "--vary")
    assert str(caught.value).startswith(f"--vary {text}: expected section.key=value")
    with pytest.raises(ConfigError, match=r"--vary 'a\.b=1 #2': ' #' begins a comment"):
        read_override("a.b=1 #2", "--vary")
