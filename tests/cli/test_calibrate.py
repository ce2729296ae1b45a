"""`fcn calibrate`, as a user types it, and what `fcn evaluate` says of a calibrated net."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fcn.cli.main import main
from fcn.models.fcn import FCN
from fcn.runs.model_file import load_model


def run(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), " ".join(captured.out.split()), captured.err


@pytest.mark.slow
def test_a_net_is_calibrated_and_evaluated(
    thin_net: Callable[..., FCN],
    make_dataset: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = make_dataset(tmp_path / "data", {"val": ["a", "b", "c"], "one": ["a"]})
    net, output, details = tmp_path / "net.keras", tmp_path / "scores.json", tmp_path / "details"
    thin_net(class_names=("ground", "cat", "dog"), seed=1).save(net)
    command: list[object] = ["calibrate", net, "--data", root]
    code, printed, _ = run([*command, "--per-class"], capsys)
    assert code == 0
    for expected in (
        "1 image of val that the temperatures were not fitted on, ",
        "expected calibration error",
        "negative log likelihood",
        "labeled as temperature expected error before after",
        "net.keras keeps a temperature for each class, fitted on 2 images.",
    ):
        assert expected in printed
    values = load_model(net).temperatures
    assert len(values) == 3
    code, printed, notices = run(
        [
            *("evaluate", net, "--data", root, "--output", output),
            *("--calibration", "--details", details),
        ],
        capsys,
    )
    assert code == 0
    assert printed.index("Calibration: expected error") < printed.index("Calibration with temperatures:")
    document = json.loads(output.read_text())
    assert document["calibration_with_temperatures"]["bins"] != document["calibration"]["bins"]
    fitted = (
        f"Half of these images were fitted to: {net} has its temperatures from 2 images of val of {root}."
    )
    assert fitted in notices
    assert any(one.startswith(fitted) for one in document["warnings"])
    without, tempered = document["calibration"], document["calibration_with_temperatures"]
    assert tempered["negative_log_likelihood"] < without["negative_log_likelihood"]
    assert tempered["num_pixels"] == without["num_pixels"]
    assert "reliability.svg, images.csv and images.json" in notices
    picture = (details / "reliability.svg").read_text()
    assert picture.index(">without temperature<") < picture.index(">with temperature<")
    code, _, notices = run([*command, "--split", "one"], capsys)
    assert code == 2
    assert "expected at least 2 images in one" in notices
    assert load_model(net).temperatures == values
