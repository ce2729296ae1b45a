"""Tests of the values of a grid, and of the names that they give to nets and folders."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcn.comparison.grid import (
    Variation,
    check_different,
    folder_name,
    points,
    read_variations,
    value_text,
)
from fcn.errors import ConfigError
from fcn.system.places import path_below


def test_all_combinations_in_the_order_of_the_command() -> None:
    variations = read_variations(["train.learning_rate=1e-4,3e-4", "model.net=fcn8s,largefov"], {})
    assert [point.overrides for point in points(variations)] == [
        ("train.learning_rate=1e-4", "model.net=fcn8s"),
        ("train.learning_rate=1e-4", "model.net=largefov"),
        ("train.learning_rate=3e-4", "model.net=fcn8s"),
        ("train.learning_rate=3e-4", "model.net=largefov"),
    ]
    assert [point.overrides for point in points(())] == [()]


def test_an_old_name_of_a_key_is_the_same_key() -> None:
    assert read_variations(["data.input_scale=0.5,1"], {}) == (Variation("model.input_scale", ("0.5", "1")),)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["train.seed"], "--vary train.seed: expected section.key=value"),
        (["train.seed="], "--vary train.seed: expected values separated by commas, none of them empty"),
        (["train.seed=1,,2"], "--vary train.seed: expected values"),
        (["train.seed=1,"], "--vary train.seed: expected values"),
        (["train.seed=[1,2"], "--vary 'train.seed=[1,2': the value is not YAML."),
        (["train.seed=1,2 #3"], "--vary 'train.seed=1,2 #3': ' #' begins a comment"),
        (["train.seed=1", "train.seed=2"], "--vary train.seed: is given twice"),
        (["model.net=a,b"], "--vary model.net: --nets gives one value to it"),
    ],
)
def test_mistakes_name_the_key(texts: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_variations(texts, {"model.net": "--nets"})
    assert str(caught.value).startswith(said)


def test_one_value_in_two_spellings_is_refused() -> None:
    variations = (Variation("a.b", ("1e-4", "0.0001", "2")), Variation("c.d", ("x", "y")))
    values = [{"a.b": b, "c.d": d} for b in (1e-4, 1e-4, 2.0) for d in ("x", "y")]
    with pytest.raises(ConfigError) as caught:
        check_different(values, variations)
    message = "--vary a.b: expected different values. Received: 1e-4, 0.0001, 2, which are 0.0001, 2.0."
    assert str(caught.value) == message
    check_different(values[2:], (Variation("a.b", ("0.0001", "2")), variations[1]))


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"train.learning_rate": 1e-4, "model.net": "fcn8s"}, "train.learning_rate=0.0001,model.net=fcn8s"),
        ({"train.learning_rate": 3e-05}, "train.learning_rate=3e-05"),
        (
            {"train.ema": None, "model.batch_normalization": True},
            "train.ema=null,model.batch_normalization=true",
        ),
    ],
)
def test_simple_values_are_read_in_the_name_of_the_folder(values: dict, name: str) -> None:
    assert folder_name(values) == name


def test_similar_values_have_different_folders() -> None:
    weights = [
        "a/b",
        "a b",
        "a\\b",
        "a__b",
        "a/../b",
        "é",
        "e",
        "e.",
        "x" * 300,
        "x" * 301,
        "../../etc",
        "a\nb",
    ]
    names = [folder_name({"model.weights": text}) for text in weights]
    assert len(set(names)) == len(weights)


_TEXT = st.text(st.characters(codec="utf-8"), max_size=40)


@settings(max_examples=50)
@given(
    st.dictionaries(
        st.sampled_from(["model.weights", "data.root"]), _TEXT | st.lists(_TEXT, max_size=3), min_size=1
    )
)
def test_every_name_is_safe_and_stable(tmp_path_factory, values: dict) -> None:
    name = folder_name(values)
    folder = tmp_path_factory.getbasetemp()
    assert path_below(folder, name, "a test").parent == folder
    assert len(name.encode()) < 200
    assert not set(name) & set('/\\:*?"<>| \n\0')
    assert not name.endswith(".")
    assert folder_name(dict(values)) == name


def test_values_are_shown_the_same_in_all_spellings() -> None:
    assert [value_text(value) for value in ("fcn8s", 1e-4, 0.0001, [320, 320], None, True, {"a*": 2})] == [
        *("fcn8s", "0.0001", "0.0001", "[320, 320]", "null", "true", '{"a*": 2}')
    ]
