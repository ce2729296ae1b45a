import pytest

from fcn.inference.engines.signatures import signatures
from fcn.server.interface import ErrorKind, ServerError
from fcn.server.validation import describe, find_signature, invalid, shorten


def test_an_error_says_what_was_expected_and_what_came():
    error = invalid("a", "b")
    assert error.kind is ErrorKind.BAD_REQUEST
    assert error.message == "Expected a. Received: b."


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "null"),
        (False, "false"),
        (0, "0"),
        (1.5, "1.5"),
        ("x\n" * 99, r'the string "' + r"x\n" * 20 + '"...'),
        ({}, "an object with no keys"),
        (dict.fromkeys("abcdef"), 'an object with "a", "b", "c"'),
    ],
)
def test_what_came_is_described_in_a_few_words(value, words):
    assert describe(value) == words


def test_quotes_and_control_characters_do_not_break_out():
    assert shorten('"\0\u2028') == '"\\"\\u0000\u2028"'


def test_a_signature_is_found_by_its_name():
    known = signatures(3)
    assert find_signature(known, "predict_tensor") is known["predict_tensor"]
    with pytest.raises(ServerError, match=r'predict_logits\. Received: "Predict_tensor"'):
        find_signature(known, "Predict_tensor")
