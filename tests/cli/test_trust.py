"""Tests of `--trust`, which every command has that loads models."""

import zipfile
from pathlib import Path

import keras
import pytest
from photographs import write_image

from fcn.cli.main import main

LOADING = ("train", "evaluate", "infer", "export", "serve", "convolutionalize", "inspect", "compare", "slim")


def run(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out, captured.err


@pytest.mark.parametrize("command", LOADING)
def test_help_says_in_plain_words_what_a_model_of_a_stranger_can_do(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, output, _ = run([command, "--help"], capsys)
    text = " ".join(output.split())
    assert code == 0
    assert "--trust" in text
    assert "Exported models and .keras files are programs" in text
    assert "from strangers" in text
    assert "run code on this machine" in text


@pytest.fixture
def with_lambda(tmp_path: Path) -> Path:
    path = tmp_path / "net.keras"
    layers = keras.layers
    keras.Sequential(
        [
            keras.Input((16, 16, 3)),
            layers.Lambda(lambda x: 2 * x, output_shape=(16, 16, 3)),
            layers.Conv2D(2, 3, padding="same"),
            layers.Flatten(),
            layers.Dense(2),
        ]
    ).save(path)
    return path


def test_a_net_with_a_lambda_layer_needs_it(
    with_lambda: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    convert = ["convolutionalize", with_lambda, "--output", tmp_path / "new.keras"]
    for command, said in (
        (["inspect", with_lambda], 0),
        (convert, 0),
        (["infer", with_lambda, tmp_path / "in", "--output", tmp_path / "out"], 1),
        (["export", with_lambda, tmp_path / "exported"], 1),
    ):
        write_image(tmp_path / "in" / "a.jpg")
        code, _, errors = run(command, capsys)
        assert code == 2
        assert "net.keras: holds the layer of 'keras.layers' 'Lambda'" in errors
        assert "add --trust" in errors
        assert errors.count("\n") == 1 + said
        assert errors.count(f"Loading {with_lambda}") == said
    assert not (tmp_path / "new.keras").exists()
    code, output, errors = run(["inspect", with_lambda, "--trust"], capsys)
    assert (code, errors) == (0, "")
    assert "conv2d" in output
    assert run([*convert, "--trust"], capsys)[0] == 0
    assert zipfile.is_zipfile(tmp_path / "new.keras")
