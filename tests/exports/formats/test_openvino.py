"""Tests of OpenVINO's form of a net beside its SavedModel, and of its int8."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from photographs import write_image, write_video

import fcn.exports.formats.openvino
from fcn.data.image_io import read_image
from fcn.errors import DataError, QuantizationError
from fcn.evaluation.evaluate import evaluate_split
from fcn.exports.export import export
from fcn.exports.formats.openvino import Calibration
from fcn.exports.formats.quantization import (
    KEPT_IN_FLOAT,
    choose_images,
    float_layers,
    quantize,
    read_images,
)
from fcn.exports.photographs import LARGEST_SIDE
from fcn.inference.engines.choose import open_engine
from fcn.inference.engines.exported import openvino_file
from fcn.inference.engines.openvino import import_openvino
from fcn.inference.engines.openvino_graph import convert_net
from fcn.inference.engines.table import Choice, read_table
from fcn.inference.predictor import Predictor
from fcn.models.fcn import FCN
from fcn.runs.folder import RunFolder
from fcn.system.bfloat16 import bfloat16_instructions

import_openvino()
pytest.importorskip("nncf")


@pytest.fixture(scope="module")
def exported(calibrated_export: Path) -> Path:
    return calibrated_export / "1"


def by_precision(version: Path) -> dict[str, Choice]:
    return {row.precision: row for row in read_table(version) if row.engine == "openvino"}


def test_agreement_in_the_table_is_that_of_the_files(exported: Path, smooth_photographs: Path) -> None:
    rows = by_precision(exported)
    compared = choose_images(smooth_photographs)[1]
    reference = Predictor(exported, "openvino", "float32")
    for precision in ("int8", *(["bfloat16"] if bfloat16_instructions() else [])):
        other = Predictor(exported, "openvino", precision)
        equal = total = 0
        for path in compared:
            one = reference.predict(path).label
            equal, total = equal + int((one == other.predict(path).label).sum()), total + one.size
        assert rows[precision].agreement == pytest.approx(equal / total)
    assert 0.8 < rows["int8"].agreement < 1
    assert rows["float32"].agreement == 1


def test_int8_is_int8(exported: Path, smooth_photographs: Path) -> None:
    text = openvino_file(exported, "int8").read_text()
    assert text.count("FakeQuantize") >= 10 or text.count('element_type="i8"') >= 10
    weights = [
        openvino_file(exported, name).with_suffix(".bin").stat().st_size for name in ("int8", "float32")
    ]
    assert weights[0] < 0.5 * weights[1]
    image = read_image(sorted(smooth_photographs.iterdir())[0])[np.newaxis]
    logits = [open_engine(exported, "openvino", name).logits(image) for name in ("int8", "float32")]
    assert logits[0].shape == image.shape
    assert 1e-3 < np.abs(logits[0] - logits[1]).mean() / logits[1].std() < 0.2


def test_auto_follows_the_table(exported: Path) -> None:
    best = open_engine(exported, "auto", "auto")
    assert (best.name, best.precision) == ("openvino", "int8")
    exact = open_engine(exported)
    assert (exact.name, exact.precision) == ("openvino", "float32")


@pytest.mark.slow
def test_without_images_auto_stays_with_float32(net: FCN, tmp_path: Path) -> None:
    version = export(net, tmp_path / "out", ["openvino"])
    engine = open_engine(version, "auto", "auto")
    assert (engine.name, engine.precision) == ("openvino", "float32")
    assert by_precision(version)["bfloat16"].agreement is None
    assert not openvino_file(version, "int8").exists()


@pytest.mark.slow
def test_labels_decide_where_there_are_some(
    net: FCN, smooth_photographs: Path, make_dataset, tmp_path: Path
) -> None:
    names = [str(index) for index in range(4)]
    root = make_dataset(tmp_path / "data", {"train": names}, sizes=((40, 50),), class_names=net.class_names)
    # A run that divided its images is scored on those it left out.
    run = RunFolder(tmp_path / "run")
    run.best.parent.mkdir(parents=True)
    net.save(run.best)
    run.config.write_text(f"data: {{root: {root}, val_share: 0.25}}\n")
    run.splits.mkdir()
    (run.splits / "val.txt").write_text("2\n")
    version = export(
        run.path, tmp_path / "out", ["openvino"], Calibration(smooth_photographs, root, accuracy_drop=50)
    )
    rows = by_precision(version)
    exact = Predictor(version, "openvino", "float32")
    shutil.copy(run.splits / "val.txt", root / "ImageSets" / "Segmentation")
    assert rows["float32"].mean_iou == evaluate_split(exact, root, "val").scores.mean_iou
    assert rows["int8"].mean_iou == pytest.approx(rows["float32"].mean_iou, abs=0.5)
    with pytest.raises(
        QuantizationError, match=r"mean IoU of .*with nothing in float.*--accuracy-drop"
    ) as caught:
        export(net, tmp_path / "out", ["openvino"], Calibration(smooth_photographs, root, accuracy_drop=-100))
    assert caught.value.exit_code == 2
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["1"]


def test_what_int8_lacks_is_told_before_the_work(smooth_photographs: Path, tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    for calibration in (Calibration(nowhere), Calibration(smooth_photographs, nowhere)):
        with pytest.raises(DataError, match="nowhere"):
            export(tmp_path / "no net", tmp_path / "out", ["openvino"], calibration)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_agreement_decides_where_there_are_no_labels(
    net: FCN, smooth_photographs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for lowest in (0.5, 1.01):
        monkeypatch.setattr(fcn.exports.formats.openvino, "LOWEST_AGREEMENT", lowest)
        if lowest < 1:
            export(net, tmp_path / "out", ["openvino"], Calibration(smooth_photographs))
        else:
            with pytest.raises(
                QuantizationError,
                match=r"agree with float32 on 101% .*in float; .*in float;.*decide with --accuracy-data",
            ):
                export(net, tmp_path / "out", ["openvino"], Calibration(smooth_photographs))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["1"]


def test_images_to_compare_are_not_those_to_calibrate(smooth_photographs: Path, tmp_path: Path) -> None:
    calibrate, compare = choose_images(smooth_photographs)
    assert len(calibrate) == 10
    assert len(compare) == 2
    assert not set(calibrate) & set(compare)
    with pytest.raises(DataError, match="no images"):
        choose_images(tmp_path)


def test_images_are_chosen_by_their_names_and_videos_are_not(tmp_path: Path) -> None:
    # In no order in which a file system might list them.
    for number in (7, 2, 11, 0, 9, 5, 1, 10, 3, 8, 6, 4):
        write_image(tmp_path / f"{number:02}.png")
        write_video(tmp_path / f"{number:02}.mp4", 1)
    calibrate, compare = choose_images(tmp_path)
    assert [path.name for path in compare] == ["00.png", "10.png"]
    assert [path.name for path in calibrate] == [
        f"{number:02}.png" for number in range(12) if number not in (0, 10)
    ]


@pytest.mark.slow
def test_what_stays_in_float_does(thin_net, smooth_photographs: Path) -> None:
    model = convert_net(thin_net(8, fc_channels=16))
    count = {}
    for kept in KEPT_IN_FLOAT:
        quantized = quantize(model, sorted(smooth_photographs.iterdir())[:2], kept)
        layers = {found.get_friendly_name(): found for found in quantized.get_ops()}
        names = float_layers(model, kept)
        sources = [value.get_node() for name in names for value in layers[name].input_values()]
        assert not any(source.get_type_name() == "FakeQuantize" for source in sources)
        convolutions = [layers[name] for name in names if layers[name].get_type_name() == "Convolution"]
        count[kept] = (len(convolutions), len(names))
    # One first layer, three scores; three upsamplings, two sums; then a second layer and fc7.
    assert list(count.values()) == [(0, 0), (4, 9), (6, 11)]


def test_of_a_large_image_the_middle(tmp_path: Path) -> None:
    pixels = np.zeros((LARGEST_SIDE + 20, 30, 3), np.uint8)
    pixels[10, :, :], pixels[9, :, :] = 1, 255
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    (image,) = read_images([tmp_path / "a.png"], "reading")
    assert image.shape == (LARGEST_SIDE, 30, 3)
    assert image.max() == 1


def test_formats_are_checked(net: FCN, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="abacus"):
        export(net, tmp_path, ["abacus"])
    with pytest.raises(ValueError, match="openvino"):
        export(net, tmp_path, calibration=Calibration(tmp_path))
