"""`fcn evaluate`, as a user types it."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from fcn.cli.main import main
from fcn.models.fcn import FCN

NAMES = [f"n{number}" for number in range(5)]


def run(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out, captured.err


@pytest.mark.slow
def test_probabilities_and_corrupted_images_are_scored_too(
    thin_net: Callable[..., FCN],
    make_dataset: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = make_dataset(tmp_path / "data", {"val": ["a", "b"]})
    thin_net(class_names=("ground", "cat", "dog"), seed=1).save(tmp_path / "net.keras")
    output = tmp_path / "scores.json"
    command: list[object] = ["evaluate", tmp_path / "net.keras", "--data", root, "--output", output]
    details = tmp_path / "details"
    code, printed, said = run([*command, "--calibration", "--robustness", "--details", details], capsys)
    assert code == 0
    assert "worst.html, reliability.svg, robustness.svg, images.csv and images.json." in said
    assert "jpeg compression, strength 5" in (details / "robustness.svg").read_text()
    document = json.loads(output.read_text())
    assert len(document["calibration"]["bins"]) == 15
    assert len(document["robustness"]["mean_iou"]) == 15
    assert document["intervals"]["class_iou"].keys() == {"ground", "cat", "dog"}
    for expected in ("95% interval", "expected error", "(15 bins, ", "Brier score", "jpeg compression"):
        assert expected in " ".join(printed.split())
    code, printed, _ = run(command, capsys)
    assert code == 0
    plain = json.loads(output.read_text())
    assert plain == {
        key: value for key, value in document.items() if key not in ("calibration", "robustness")
    }
    assert "expected error" not in printed


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_the_division_of_the_run_is_scored(
    make_dataset: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    root = make_dataset(tmp_path / "data", {"train": NAMES})
    Path("recipe.yaml").write_text(
        f"data: {{root: {root}, val_share: 0.4}}\n"
        "augmentation: {crop_size: [16, 16]}\n"
        "model: {net: fcn32s, width: 0.03125, fc_channels: 8}\n"
        "train: {steps: 1}\n"
    )
    assert run(["train", "recipe.yaml", "--run", "run"], capsys)[0] == 0
    kept = json.loads(Path("run/scores.json").read_text())
    chosen = {name: Path(f"run/splits/{name}.txt").read_text().split() for name in ("train", "val")}
    assert (len(chosen["train"]), len(chosen["val"])) == (3, 2)

    # No list val: it is that of the run, and the scores are those of its training.
    code, output, errors = run(["evaluate", "run", "--data", root, "--json"], capsys)
    assert code == 0
    said = f"val: the images that the training chose from {root} (data.val_share)"
    assert errors == f"{said}, listed in run/splits/val.txt.\n"
    document = json.loads(output)
    assert document["mean_iou"] == pytest.approx(kept["mean_iou"])
    assert (document["num_images"], document["training"]["num_scored"]) == (2, 0)
    assert json.loads(Path("run/scores.json").read_text()) == document
    # The list train of the data set names all five images; that of the run, those it has learned from.
    evaluate: list[object] = ["evaluate", "run/checkpoints/best.keras", "--output", "scores.json"]
    code, _, errors = run([*evaluate, "--data", root, "--split", "train"], capsys)
    assert code == 0
    assert "was trained on 3 of the 3 scored images" in errors

    # A net outside of the run has no division: the error names the way, which leads to the same scores.
    shutil.copy("run/checkpoints/best.keras", "net.keras")
    shutil.move(root, tmp_path / "moved")
    root = tmp_path / "moved"
    alone: list[object] = ["evaluate", "net.keras", "--data", root, "--output", "alone.json"]
    for command in (
        alone,
        ["data", "export", root, "--split", "val", "--format", "yolo", "--output", "yolo"],
    ):
        code, output, errors = run(command, capsys)
        assert (code, output) == (2, "")
        assert f"{root}/ImageSets/Segmentation/val.txt: no such split. The data set has: train." in errors
        assert f"copy the lists of such a run, RUN/splits, to {root}/ImageSets/Segmentation." in errors
    # The run knows its images also where they are now, and says if its list is gone.
    assert run([*evaluate, "--data", root], capsys)[0] == 0
    assert json.loads(Path("scores.json").read_text())["mean_iou"] == pytest.approx(kept["mean_iou"])
    for path in Path("run/splits").iterdir():
        shutil.move(path, root / "ImageSets" / "Segmentation" / path.name)
    assert run(alone, capsys)[0] == 0
    assert json.loads(Path("alone.json").read_text())["mean_iou"] == pytest.approx(kept["mean_iou"])
    (root / "ImageSets" / "Segmentation" / "val.txt").unlink()
    code, _, errors = run([*evaluate, "--data", root], capsys)
    assert code == 2
    assert "run/splits/val.txt: no such split." in errors
    assert "Restore the list from a copy of the run." in errors
