"""`fcn inspect`, as a user types it."""

import json
import re
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from html_page import Page, decoded

from fcn.cli.main import main
from fcn.data.image_io import encode_jpeg

EXPORT = Path(__file__).parents[1] / "fixtures" / "export"


def run(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out, captured.err


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "thin.yaml"
    path.write_text(
        f"data:\n  root: {tmp_path / 'none'}\nmodel:\n  net: fcn16s\n  width: 0.03125\n  fc_channels: 8\n"
    )
    return path


def test_a_configuration_as_json(config: Path, capsys) -> None:
    code, output, errors = run(["inspect", config, "--size", "64x96", "--json"], capsys)
    assert (code, errors) == (0, "")
    document = json.loads(output)
    assert (document["name"], document["size"]) == ("fcn16s", [64, 96])
    found = {layer["name"]: layer for layer in document["layers"]}
    fc6 = found["fc6"]
    assert (fc6["stride"], fc6["receptive_field"]) == (32, 404)
    assert fc6["output_shape"] == [1, 2, 3, 8]
    # pool5 sees from -90 on (five blocks of padding), and fc6 three elements of it further: 96.
    assert fc6["receptive_field_offset"] == [-186, -186]
    assert fc6["parameters"] == 49 * 16 * 8 + 8
    assert fc6["gflop"] == pytest.approx(2 * 2 * 3 * 49 * 16 * 8 / 1e9)
    assert fc6["activation_bytes"] == 4 * 2 * 3 * 8
    assert found["score_fr"]["output_shape"][-1] == 21
    assert document["timing"] is fc6["time"] is None
    totals = document["totals"]
    assert totals["parameters"] == sum(layer["parameters"] for layer in document["layers"])
    assert totals["gflop"] == pytest.approx(sum(layer["gflop"] for layer in document["layers"]))
    assert totals["effective_field"] is None


def test_classes_come_from_the_data_set_where_it_is(config: Path, dataset: Path, capsys) -> None:
    config.write_text(config.read_text().replace(str(config.parent / "none"), str(dataset)))
    document = json.loads(run(["inspect", config, "--size", "32x32", "--json"], capsys)[1])
    assert document["layers"][-1]["output_shape"] == [1, 32, 32, 3]


def test_a_model_as_a_table(model_path: Path, capsys) -> None:
    code, output, errors = run(["inspect", model_path, "--size", "64x64", "--effective"], capsys)
    assert (code, errors) == (0, "")
    row = next(line.split() for line in output.splitlines() if line.startswith("  block5_pool "))
    assert row[1:6] == ["MaxPooling2D", "2x2x16", "32", "212", "-90"]
    assert "16x16 transposed, strides 8: upscore8" in output
    assert "●·······●" in output
    assert "95% of the gradient within" in output


def test_the_time_of_each_layer(model_path: Path, tmp_path: Path, capsys) -> None:
    page_file = tmp_path / "page.html"
    arguments = ["inspect", model_path, "--size", "64x64", "--time", "--html", page_file]
    code, output, errors = run(arguments, capsys)
    assert (code, errors) == (0, "")
    assert re.search(r"engine +tensorflow, float32\n", output)
    row = next(line.split() for line in output.splitlines() if line.startswith("  block1_conv2 "))
    assert float(row[-2]) > 0
    assert float(row[-1].removesuffix("%")) > 0
    for shown in ("ms", "of peak", "with block1_conv2", "measured peak", "of the peak"):
        assert shown in output
    page = Page(page_file.read_text())
    assert page.open == []
    for shown in ("of peak", "with block1_conv2", "on tensorflow in float32, by the engine's own profiler"):
        assert shown in page.text


@pytest.mark.parametrize("engine", ["onnx", "openvino"])
def test_the_time_of_each_layer_of_an_export(engine: str, capsys) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip({"onnx": "onnxruntime"}.get(engine, engine))
    arguments = ["inspect", EXPORT, "--size", "48x64", "--time", "--engine", engine, "--json"]
    code, output, errors = run(arguments, capsys)
    assert (code, errors) == (0, "")
    document = json.loads(output)
    assert document["name"] == "largefov"
    timing = document["timing"]
    assert (timing["engine"], timing["precision"], timing["passes"]) == (engine, "float32", 7)
    assert timing.keys() == {
        *("engine", "precision", "passes", "pass_milliseconds", "layers_milliseconds"),
        *("other_milliseconds", "peak_gflop_per_second", "peak_of"),
    }
    assert timing["layers_milliseconds"] > 0
    times = {layer["name"]: layer["time"] for layer in document["layers"]}
    assert times["block1_conv1"].keys() == {
        *("milliseconds", "computed_with", "gflop_per_second", "share_of_peak")
    }
    assert times["block1_conv1"]["milliseconds"] > 0
    assert times["block1_conv1_relu"]["computed_with"] == "block1_conv1"


@pytest.mark.parametrize("given", [True, False])
def test_the_page_shows_the_field_over_an_image(
    given: bool, model_path: Path, tmp_path: Path, capsys, rng
) -> None:
    pixels = cv2.resize(rng.integers(0, 256, (6, 8, 3), np.uint8), (72, 56))
    (tmp_path / "photo.jpg").write_bytes(encode_jpeg(pixels))
    chosen = ["--image", tmp_path / "photo.jpg"] if given else ["--size", "64x64"]
    page_file = tmp_path / "page.html"
    code, output, errors = run(["inspect", model_path, "--html", page_file, *chosen], capsys)
    assert (code, errors) == (0, "")
    assert str(page_file) in output
    text = page_file.read_text()
    page = Page(text)
    assert page.open == []
    assert not re.search(r"https?:|url\(|@import|<script", text)
    (picture,) = page.all("img")
    assert decoded(picture).size == ((72, 56) if given else (64, 64))
    assert all(found["aria-label"] for found in page.all("svg"))
    for shown in ("upscore_pool4", "score_pool3", "receptive field", "95% of the gradient"):
        assert shown in page.text


@pytest.mark.parametrize("size", [(1, 1), (12, 300)])
def test_small_pictures_are_made_up_too(size: tuple[int, int], tmp_path: Path, capsys) -> None:
    start = {"kernel_initializer": "zeros", "name": "score"}
    stack = [keras.layers.Conv2D(2, 3, padding="same"), keras.layers.Conv2D(2, 1, **start)]
    keras.Sequential([keras.Input((None, None, 3)), *stack]).save(tmp_path / "small.keras")
    page_file = tmp_path / "page.html"
    arguments = ["inspect", tmp_path / "small.keras", "--size", "{}x{}".format(*size), "--html", page_file]
    code, output, errors = run(arguments, capsys)
    assert (code, errors) == (0, "")
    said = "The weights of score were zero; random ones were measured."
    assert said in output
    page = Page(page_file.read_text())
    assert said in page.text
    assert f"Element ({size[0] // 2}, {size[1] // 2}) of the last map" in page.text


def test_a_classifier_has_a_page(tmp_path: Path, capsys) -> None:
    stack = [keras.layers.Conv2D(2, 3), keras.layers.GlobalMaxPooling2D(), keras.layers.Dense(3)]
    keras.Sequential([keras.Input((40, 32, 3)), *stack]).save(tmp_path / "classifier.keras")
    page_file = tmp_path / "page.html"
    code, output, errors = run(["inspect", tmp_path / "classifier.keras", "--html", page_file], capsys)
    assert (code, errors) == (0, "")
    timed = run(["inspect", tmp_path / "classifier.keras", "--time"], capsys)
    assert (timed[0], "--time: expected a net of this package" in timed[2]) == (2, True)
    assert "The weights" not in output
    assert "The output: the brighter a pixel" in Page(page_file.read_text()).text


def test_a_net_of_one_axis(tmp_path: Path, capsys) -> None:
    stack = [keras.layers.Conv1D(2, 2, padding="causal", dilation_rate=2**n) for n in range(6)]
    keras.Sequential([keras.Input((None, 1)), *stack]).save(tmp_path / "wave.keras")
    document = json.loads(run(["inspect", tmp_path / "wave.keras", "--size", "200", "--json"], capsys)[1])
    assert [layer["receptive_field"] for layer in document["layers"]] == [1, 2, 4, 8, 16, 32, 64]
    code, _, errors = run(["inspect", tmp_path / "wave.keras", "--size", "200", "--effective"], capsys)
    assert (code, "expected a net of color images" in errors) == (2, True)
    code, _, errors = run(["inspect", tmp_path / "wave.keras"], capsys)
    assert (code, "expected images of the size length. Received: 384x512" in errors) == (2, True)


def test_a_net_of_one_size_is_shown_at_it(tmp_path: Path, capsys) -> None:
    net = keras.Sequential([keras.Input((9, 9, 1)), keras.layers.Conv2DTranspose(1, 3)])
    net.save(tmp_path / "transposed.keras")
    code, output, _ = run(["inspect", tmp_path / "transposed.keras"], capsys)
    assert (code, "one image of 9x9" in output, "11x11x1" in output) == (0, True, True)
    assert "Transposed: the inputs are spread" in output
    assert "Dilated:" not in output


@pytest.mark.parametrize(("width", "shown"), [(140, True), (80, False)])
def test_a_narrow_terminal_shows_the_numbers_that_count(
    width: int, shown: bool, model_path: Path, capsys, monkeypatch
) -> None:
    for name, value in (("FORCE_COLOR", "1"), ("NO_COLOR", "1"), ("COLUMNS", str(width))):
        monkeypatch.setenv(name, value)
    output = re.sub(r"\x1b\[[0-9;]*m", "", run(["inspect", model_path], capsys)[1])
    row = next(line.split() for line in output.splitlines() if line.startswith("  fc6 "))
    assert ("Conv2D" in row, "12x16x16" in row, "404" in row) == (shown, True, True)
    assert ("A wider terminal also shows: kind" in output) == (not shown)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["none.keras"], "none.keras: no such model"),
        (["none.yaml"], "none.yaml: cannot be read"),
        (["none.keras", "--size", "64"], "no such model"),
        (["none.keras", "--size", "64x0"], "expected HxW in pixels"),
        (["none.keras", "--size", "64x64x3"], "expected HxW in pixels"),
        (["none.keras", "--image", "photo.jpg"], "--effective and --html"),
        (["none.keras", "--engine", "onnx"], "are only used by --time"),
        (["none.keras", "--precision", "int8"], "are only used by --time"),
    ],
)
def test_mistakes_are_told(arguments: list[str], said: str, capsys) -> None:
    code, output, errors = run(["inspect", *arguments], capsys)
    assert (code, output) == (2, "")
    assert said in errors


def test_sizes_and_nets_that_do_not_fit_are_told(model_path: Path, tmp_path: Path, capsys) -> None:
    code, _, errors = run(["inspect", model_path, "--size", "64"], capsys)
    assert (code, "expected images of the size" in errors) == (2, True)
    (tmp_path / "exported" / "1").mkdir(parents=True)
    (tmp_path / "exported" / "1" / "saved_model.pb").touch()
    code, _, errors = run(["inspect", model_path, "--html", tmp_path], capsys)
    assert (code, f"{tmp_path}: is a folder" in errors) == (2, True)
    code, _, errors = run(["inspect", tmp_path / "exported"], capsys)
    assert (code, "does not tell its layers" in errors) == (2, True)
    code, _, errors = run(["inspect", model_path, "--time", "--engine", "onnx"], capsys)
    assert (code, "expected an exported model" in errors) == (2, True)
    code, _, errors = run(["inspect", EXPORT, "--time", "--engine", "litert"], capsys)
    assert (code, "among tensorflow, openvino, onnx" in errors) == (2, True)
