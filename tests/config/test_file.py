"""Tests of the configuration: what is read, and what is refused with which words."""

import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fcn.config.file import Config, changed_keys, load_config, load_saved_config
from fcn.config.sections import AugmentationConfig, DataConfig, LossConfig, ModelConfig, TrainConfig
from fcn.errors import ConfigError
from fcn.system.remedies import naming_options


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text("data:\n  root: some/where\nmodel:\n  net: fcn16s\n")
    return path


def refusal(path: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(path, overrides)
    assert caught.value.exit_code == 2
    return str(caught.value)


def refusal_of(folder: Path, content: str | bytes) -> str:
    path = folder / "bad.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    message = refusal(path)
    assert str(path) in message
    return message


def test_what_a_file_leaves_out_has_its_default(recipe: Path) -> None:
    config = load_config(recipe)
    assert config.data == DataConfig(root=Path("some/where"))
    assert config.model == ModelConfig(net="fcn16s")
    assert config.augmentation == AugmentationConfig()
    assert config.train == TrainConfig()


# A root with "$" or "~" names a variable or a folder of a user, which `expand_path` looks for.
roots = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="$~"), min_size=1).map(Path)
names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1)
positive = st.floats(1e-12, 1e12)
fractions = st.floats(0, 1, exclude_max=True)
counts = st.integers(1, 10**9)
configs = st.builds(
    Config,
    data=st.builds(DataConfig, root=roots, train_split=names, val_split=names)
    | st.builds(DataConfig, root=roots, sampling=st.just("balanced"), sampling_temperature=positive),
    augmentation=st.builds(
        AugmentationConfig,
        crop_size=st.tuples(counts, counts),
        scale=st.tuples(positive, positive).map(lambda pair: tuple(sorted(pair))),
        flip=st.booleans(),
        color_jitter=fractions,
    ),
    model=st.builds(ModelConfig, width=positive, fc_channels=st.none() | counts, dropout=fractions),
    loss=st.builds(
        LossConfig,
        terms=st.dictionaries(st.sampled_from(["ohem", "dice", "lovasz"]), positive).map(
            lambda terms: {"cross_entropy": 1.0, **terms}
        ),
        class_weights=st.sampled_from(["none", "median_frequency"])
        | st.lists(st.floats(0, 9), min_size=1).map(tuple),
    ),
    train=st.builds(
        TrainConfig,
        steps=counts,
        learning_rate=positive,
        learning_rate_multipliers=st.dictionaries(names, st.floats(0, 100)),
        freeze=st.lists(names).map(tuple),
        weight_decay=st.floats(0, 1e9),
        devices=counts | st.just("all"),
    ),
)


@settings(max_examples=30, deadline=None)
@given(config=configs)
def test_a_configuration_survives_being_written_and_read(
    config: Config, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "round_trip.yaml"
    path.write_text(config.to_yaml(), encoding="utf-8")
    assert load_config(path) == config
    assert changed_keys(load_config(path), config) == []


@pytest.mark.parametrize("split", ["no", "1e3", "null", "007", "2001-01-01", "a: b", "#x", "~", "- x", "'"])
def test_words_that_yaml_could_take_for_something_else_stay_words(tmp_path: Path, split: str) -> None:
    config = Config(data=DataConfig(root=Path(split), train_split=split))
    (tmp_path / "config.yaml").write_text(config.to_yaml(), encoding="utf-8")
    assert load_config(tmp_path / "config.yaml") == config


def test_every_default_is_spelled_out(recipe: Path) -> None:
    text = load_config(recipe).to_yaml()
    for section in (DataConfig, AugmentationConfig, ModelConfig, LossConfig, TrainConfig):
        for key in section.model_fields:
            assert f"\n  {key}:" in text


@pytest.mark.parametrize(
    ("override", "section", "key", "value"),
    [
        ("augmentation.crop_size=null", "augmentation", "crop_size", None),
        ("augmentation.crop_size=[64, 96]", "augmentation", "crop_size", (64, 96)),
        ("augmentation.scale=[1, 1.5]", "augmentation", "scale", (1.0, 1.5)),
        ("augmentation.flip=false", "augmentation", "flip", False),
        ("data.root=/a b/c=d", "data", "root", Path("/a b/c=d")),
        ("data.train_split=no", "data", "train_split", "no"),
        ("model.net=fcn32s", "model", "net", "fcn32s"),
        ("model.width=1", "model", "width", 1.0),
        ("model.weights=none", "model", "weights", "none"),
        ("train.steps=3", "train", "steps", 3),
        ("train.learning_rate=1e-3", "train", "learning_rate", 1e-3),
        ("train.learning_rate=1.5E+2", "train", "learning_rate", 150.0),
    ],
)
def test_an_override_is_read_as_yaml(recipe: Path, override: str, section: str, key: str, value: Any) -> None:
    config = load_config(recipe, [override])
    assert getattr(getattr(config, section), key) == value
    expected = load_config(recipe).model_dump()
    expected[section][key] = value
    assert config.model_dump() == expected


def test_the_last_override_wins_and_can_make_a_section(tmp_path: Path) -> None:
    path = tmp_path / "empty.yaml"
    path.write_text("# nothing yet\ntrain:\n")
    config = load_config(path, ["data.root=x", "train.steps=3", "train.steps=4", "train.seed=5"])
    assert (config.data.root, config.train.steps, config.train.seed) == (Path("x"), 4, 5)


def test_1e_3_is_a_number_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("data: {root: x}\ntrain: {learning_rate: 1e-3, weight_decay: 5e-4}\n")
    assert load_config(path).train.learning_rate == 1e-3
    assert load_config(path).train.weight_decay == 5e-4


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    lines = refusal_of(tmp_path, "data: {root: x}\ntrain: {steps: 0, sede: 1}").splitlines()
    assert len(lines) == 2
    assert "train.steps" in lines[0]
    assert "train.sede" in lines[1]


@pytest.mark.parametrize("content", ["", "model: {net: fcn8s}", "data: {}", "data: {train_split: a}"])
def test_a_missing_root_says_how_to_give_it(tmp_path: Path, content: str) -> None:
    with naming_options():
        message = refusal_of(tmp_path, content)
    advice = message.partition("--set ")[2].removesuffix("=VALUE.")
    assert f"overrides=['{advice}=VALUE']" in refusal_of(tmp_path, content)
    assert load_config(tmp_path / "bad.yaml", [f"{advice}=x"]).data.root == Path("x")


def test_a_list_that_is_too_short_gives_no_advice_that_fails(tmp_path: Path) -> None:
    message = refusal_of(tmp_path, "data: {root: x}\naugmentation: {crop_size: [64]}")
    assert "augmentation.crop_size" in message
    assert "--set augmentation.crop_size.1" not in message


@pytest.mark.parametrize(
    "content",
    [
        "data: [",
        "data: {root: a: b}",
        "\tdata: 5",
        "data: {root: x}\ndata: {root: y}",
        "data: {root: x, root: y}",
        "--- \ndata: {root: x}\n---\ndata: {root: y}",
        "data: {root: !Path x}",
        "data: {root: !!int x}",
        "data: {root: !!float x}",
        "data: {root: !!bool x}",
        "data: {root: 2001-99-99}",
        "data: &data\n  root: *data",
        "data: {root: x, [a, b]: c}",
        "data: {root: x, ? [a, b] : c}",
        b"data: {root: \x00}",
        b"\xff\xfed\x00",
        "- data",
        "just words",
        "5",
    ],
)
def test_what_is_no_mapping_of_sections_is_refused(tmp_path: Path, content: str | bytes) -> None:
    refusal_of(tmp_path, content)


def test_a_key_given_twice_is_named(tmp_path: Path) -> None:
    message = refusal_of(tmp_path, "data: {root: x}\ntrain: {steps: 3}\ntrain: {seed: 1}")
    assert 'duplicate key "train"' in message
    assert "line 3" in message


def test_a_file_that_is_not_there_says_where_recipes_are(tmp_path: Path) -> None:
    message = refusal(tmp_path / "none.yaml")
    assert str(tmp_path / "none.yaml") in message
    assert "by name, such as voc_fcn8s" in message
    assert str(tmp_path) in refusal(tmp_path)


@pytest.mark.parametrize(
    "override",
    ["train.steps", "steps=3", "=3", ".steps=3", "train.=3", "train.steps.x=3", "", "=", "train=3"],
)
def test_an_override_of_another_form_is_refused(recipe: Path, override: str) -> None:
    assert refusal(recipe, override).startswith(f"overrides=['{override}']: expected section.key=value")
    with naming_options():
        assert refusal(recipe, override).startswith(f"--set {shlex.quote(override)}: expected section.key=")


@pytest.mark.parametrize("value", ["[", "'", "a: b: c", "{", "!Path x", "2001-99-99", "!!int x", "\x00"])
def test_an_override_that_is_not_yaml_is_refused(recipe: Path, value: str) -> None:
    assert "overrides=[" in refusal(recipe, f"train.steps={value}")
    with naming_options():
        assert refusal(recipe, f"train.steps={value}").startswith("--set ")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.stesp=3", ["train.stesp", "Did you mean train.steps?"]),
        ("tarin.steps=3", ["tarin", "Did you mean train?"]),
        ("train.steps=", ["train.steps", "integer"]),
        ("train.steps=1e3", ["train.steps", "integer"]),
        ("data.root=null", ["data.root", "None"]),
    ],
)
def test_an_override_is_checked_as_the_file_is(recipe: Path, override: str, words: list[str]) -> None:
    message = refusal(recipe, override)
    for word in words:
        assert word in message


def test_an_override_does_not_hide_a_section_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("data: {root: x}\ntrain: 5\n")
    assert "train" in refusal(path, "train.steps=3")


def test_a_configuration_does_not_change(recipe: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_config(recipe).train.steps = 3


def test_changed_keys_are_those_that_differ(recipe: Path) -> None:
    saved = load_config(recipe)
    wanted = load_config(recipe, ["train.steps=7", "augmentation.crop_size=null", "data.root=other"])
    assert changed_keys(saved, saved) == []
    assert changed_keys(saved, wanted) == [
        "data.root: some/where -> other",
        "augmentation.crop_size: [384, 384] -> None",
        "train.steps: 20000 -> 7",
    ]


OLD = "data: {root: some/where, input_scale: 0.5}\n"
NEW = "data: {root: some/where}\nmodel: {input_scale: 0.5}\n"


@pytest.mark.parametrize(
    ("content", "overrides"),
    [
        (OLD, []),
        (OLD + "model:\n", []),
        (OLD + "model: {input_scale: 0.50}\n", []),
        ("data: {root: some/where}\n", ["data.input_scale=0.5"]),
        ("data: {root: some/where}\nmodel: {input_scale: 1}\n", ["data.input_scale=0.5"]),
        (OLD.replace("0.5", "1"), ["model.input_scale=0.5"]),
        (OLD, ["data.input_scale=0.5", "model.input_scale=0.5"]),
    ],
)
def test_the_old_name_of_input_scale_works_with_a_hint(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], content: str, overrides: list[str]
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(content)
    config = load_config(path, overrides)
    (hint,) = capfd.readouterr().err.splitlines()
    assert str(path) in hint
    assert "data.input_scale is now called model.input_scale" in hint
    path.write_text(NEW)
    assert config == load_config(path)
    assert capfd.readouterr().err == ""
    assert config.model.options()["input_scale"] == 0.5
    assert config.to_yaml().count("input_scale: 0.5") == config.to_yaml().count("input_scale") == 1


def test_both_names_of_input_scale_with_different_values_are_refused(recipe: Path) -> None:
    message = refusal(recipe, "data.input_scale=0.5", "model.input_scale=0.25")
    assert "data.input_scale=0.5 and model.input_scale=0.25" in message


def test_a_configuration_that_an_earlier_version_saved_is_the_same_and_gets_no_hint(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "old.yaml").write_text(OLD)
    (tmp_path / "new.yaml").write_text(NEW)
    saved = load_saved_config(tmp_path / "old.yaml")
    assert changed_keys(saved, load_config(tmp_path / "new.yaml")) == []
    assert changed_keys(saved, load_config(tmp_path / "new.yaml", ["model.input_scale=1"])) == [
        "model.input_scale: 0.5 -> 1.0"
    ]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("value", ["~/data", "$PLACE/data", "${PLACE}/data", "$PLACE/./data"])
def test_home_and_variables_in_paths_are_replaced(
    recipe: Path, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setenv("PLACE", "/home/me")
    for overrides in ([f"data.root={value}", f"model.weights={value}"], ['data.root="$PLACE/data"']):
        assert load_config(recipe, overrides).data.root == Path("/home/me/data")
    assert load_config(recipe, [f"model.weights={value}"]).model.weights.startswith("/home/me/")
    recipe.write_text(f"data:\n  root: {value}\n")
    config = load_config(recipe)
    assert config.data.root == Path("/home/me/data")
    assert load_config(recipe).to_yaml() == config.to_yaml()


def test_folders_that_are_called_like_variables_stay(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("~/a", "$PLACE", "~me/a"):
        (tmp_path / name).mkdir(parents=True)
        assert load_config(recipe, [f"data.root={name}"]).data.root == Path(name)
    assert load_config(recipe, ["data.root=cost$"]).data.root == Path("cost$")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("$NOWHERE/data", "NOWHERE is not set"),
        ("${NOWHERE}", "NOWHERE is not set"),
        ("~nobody_here/a", "home"),
    ],
)
def test_variables_that_are_not_set_are_refused(recipe: Path, value: str, words: str) -> None:
    for key in ("data.root", "model.weights"):
        message = refusal(recipe, f"{key}={value}")
        assert f"{key}={value}" in message
        assert words in message


@pytest.mark.parametrize(
    "override", ["data.root=/data/set #1", "train.steps=5 # short", "data.train_split=a  #b", "data.root=#1"]
)
def test_a_value_that_would_end_at_a_comment_is_refused(recipe: Path, override: str) -> None:
    assert "' #' begins a comment" in refusal(recipe, override)
    with naming_options():
        message = refusal(recipe, override)
    assert message.startswith(f"--set '{override}': ' #' begins a comment")
    remedy = message.partition("in quotes: --set ")[2].partition(". Leave")[0]
    key, _, value = override.partition("=")
    assert shlex.split(remedy) == [f'{key}="{value}"']


@pytest.mark.parametrize(
    ("text", "value"),
    [('"/data/set #1"', "/data/set #1"), ("'a #1 #2'", "a #1 #2"), ("/data/set#1", "/data/set#1")],
)
def test_marks_in_quotes_and_words_stay(recipe: Path, text: str, value: str) -> None:
    assert load_config(recipe, [f"data.root={text}"]).data.root == Path(value)


def test_the_classes_of_the_data_may_be_those_of_voc(recipe: Path) -> None:
    assert load_config(recipe).data.classes is None
    assert load_config(recipe, ["data.classes=voc"]).data.classes == "voc"
    assert "expected voc, or null, for example data.classes=voc" in refusal(recipe, "data.classes=coco")
