"""Options of annotations as a user types them."""

import json
from pathlib import Path

import pytest
from infer_command import run
from photographs import write_image


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--min-area", "5"], "--min-area: needs --outputs polygons or labelme or cvat. Add that"),
        (["--outputs", "rle", "--simplify"], "--simplify: needs --outputs polygons. Add that"),
        (["--outputs", "cvat", "--coco-background"], "--coco-background: needs --outputs rle or polygons"),
        (["--outputs", "polygons", "--min-area", "101%"], "Expected a number of pixels, such as 50"),
    ],
)
def test_an_option_without_its_output_is_refused(
    options: list[str], message: str, model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = write_image(tmp_path / "a.png")
    code, _, errors = run([model_path, image, "--output", tmp_path / "out", *options], capsys)
    assert (code, message in errors) == (2, True)
    assert not (tmp_path / "out").exists()


def test_the_same_command_goes_on_with_its_options(
    model_path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(tmp_path / "in" / "a.png")
    output = tmp_path / "out"
    command = [model_path, tmp_path / "in", "--output", output, "--outputs", "polygons"]
    options = ["--min-area", "50%", "--simplify", "--coco-background"]
    code, _, _ = run([*command, *options], capsys)
    document = json.loads((output / "coco.json").read_text())
    least = 0.5 * 24 * 32
    assert all(one["area"] >= least for one in document["annotations"])
    assert document["categories"][0]["id"] == 0
    assert code == 0
    for again in (command, [*command, *options]):
        assert run(again, capsys)[:2] == (0, f"Nothing to do: {output}/ has polygons of 1 image.\n")
    code, _, errors = run([*command, "--min-area", "0"], capsys)
    assert code == 2
    assert "regions: --min-area 50% --simplify --coco-background, now --min-area 0" in errors
