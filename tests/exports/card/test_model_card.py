"""Tests of the page that comes with an exported version; of what lies beside it: `test_card_results.py`."""

from pathlib import Path

import pytest
from markdown_page import rows, sections, text

from fcn.exports.card.model_card import write_card
from fcn.models.fcn import FCN

NAMES = ("ground", "cat|dog", "<b>x</b>")
PALETTE = ((0, 0, 0), (255, 0, 16), (1, 2, 3))


@pytest.fixture(scope="module")
def net(thin_net) -> FCN:
    """A net whose arguments are all its own."""
    options = {"input_scale": 0.5, "channel_order": "bgr", "mean": (1, 2.5, 3)}
    return thin_net(class_names=NAMES, palette=PALETTE, **options)


@pytest.fixture(scope="module")
def page(net: FCN, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list]:
    folder = tmp_path_factory.mktemp("version")
    write_card(net, folder)
    return sections((folder / "model_card.md").read_text())


def test_the_net_stands_there_as_it_is(page: dict[str, list], net: FCN) -> None:
    assert next(iter(page)) == "fcn8s: 3 classes"
    described = dict(rows(page["Architecture"])[1:])
    assert (described["stride"], described["input_scale"]) == ("8", "0.5")
    assert described["parameters"] == f"{sum(weight.size for weight in net.get_weights()):,}"


def test_classes_have_names_and_colors(page: dict[str, list]) -> None:
    assert rows(page["Classes"])[1:] == [
        ["0", "ground", "#000000"],
        ["1", "cat|dog", "#ff0010"],
        ["2", "<b>x</b>", "#010203"],
    ]


def test_signatures_and_preprocessing_are_told(page: dict[str, list]) -> None:
    requests = {name: (takes, answers) for name, takes, answers in rows(page["Signatures"])}
    assert requests["predict_logits"] == ("images: uint8[B, H, W, 3]", "logits: float32[B, H, W, 3]")
    assert requests["serving_default"][1].endswith("class_areas: float32[B, 3], mean_confidence: float32[B]")
    prepared = text(page["Signatures"])
    assert "blue, green, red, are reduced by 1, 2.5, 3 and" in prepared
    assert "at 0.5 of their size" in prepared
    assert "predict_shrunk_logits" in prepared


def test_every_section_says_something(page: dict[str, list]) -> None:
    assert all(text(tokens) for tokens in page.values())
    assert dict(rows(page["Versions of packages"])).keys() >= {"python", "tensorflow", "keras", "numpy"}


def test_its_examples_are_python(page: dict[str, list]) -> None:
    fences = [token for token in page["Usage"] if token.type == "fence"]
    assert [token.info for token in fences] == ["sh", "sh", "python", "python"]
    for token in fences[2:]:
        compile(token.content, "model_card.md", "exec")


@pytest.mark.parametrize("name", ["litert/model.tflite", "onnx/model.onnx"])
def test_files_for_apps_have_an_example(net: FCN, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.parent.mkdir()
    file.write_bytes(bytes(2_500_000))
    write_card(net, tmp_path)
    usage = sections((tmp_path / "model_card.md").read_text())["Usage"]
    assert "2.5 MB" in text(usage)
    example = [token.content for token in usage if token.type == "fence"][-1]
    assert f"VERSION/{name}" in example
    compile(example, "model_card.md", "exec")
