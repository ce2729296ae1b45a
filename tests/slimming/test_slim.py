"""Tests of slim runs."""

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import fcn
from fcn.cli.main import build_parser, main
from fcn.cli.slim import _train_command
from fcn.config.file import load_config
from fcn.data.voc import read_split
from fcn.errors import OutputError, RunError
from fcn.inspection.facts import inspect_model
from fcn.runs.folder import RunFolder
from fcn.runs.licenses import WeightLicense, read_licenses
from fcn.runs.lineage import training_of
from fcn.slimming.channels import keep_channels
from fcn.slimming.connections import count_channels
from fcn.slimming.slim import score, slim

pytestmark = pytest.mark.usefixtures("eager")
WriteRun = Callable[..., Path]
LICENSE = WeightLicense("fcn8s-voc", "some", "no", "https://example.org")


@pytest.mark.slow
def test_a_slim_run_is_a_run(write_run: WriteRun, dataset: Path, tmp_path: Path) -> None:
    path, output = write_run(), tmp_path / "small"
    done = slim(path, output, speedup=3, images=2, size=(96, 128), scored_images=2)
    net, small = fcn.load_model(path), fcn.load_model(output)
    assert {name: after for name, (_, after) in done.kept.items()} == count_channels(small)
    before, after = (inspect_model(one, (96, 128)) for one in (net, small))
    assert done.gflop == pytest.approx((before.gflop, after.gflop))
    assert 0.98 / 3 <= after.gflop / before.gflop <= 1 / 3
    assert done.parameters == (before.parameters, after.parameters)
    assert done.scored_images == 2
    assert done.mean_iou == (score(net, val := read_split(dataset, "val")[:2]), score(small, val))
    # What it was made of, and what that was trained on, stays with it.
    config, own = RunFolder(path).load_config(), RunFolder(output).load_config()
    assert own == config.with_values("model", channels=dict(small.channels), weights=str(output))
    assert read_licenses(output) == (LICENSE,)
    training = training_of(output, read_split(dataset, "train"))
    assert training is not None
    assert (training.split, training.num_images, training.num_scored) == ("train", 4, 4)
    assert json.loads((output / "slim.json").read_text()) == json.loads(json.dumps(done.document()))


@pytest.mark.slow
def test_a_width_of_one_is_the_same_net(write_run: WriteRun, tmp_path: Path) -> None:
    path = write_run(batch_normalization=True)
    slim(path, tmp_path / "same", width=1, images=1, scored_images=0)
    net, same = fcn.load_model(path), fcn.load_model(tmp_path / "same")
    assert same.get_config() == net.get_config()
    image = np.random.default_rng(0).uniform(0, 255, (1, 45, 37, 3)).astype(np.float32)
    np.testing.assert_allclose(same(image), net(image), rtol=0, atol=1e-6)


def test_without_images_filters_are_compared(write_run: WriteRun, dataset: Path, tmp_path: Path) -> None:
    path = write_run()
    (tmp_path / "run" / "digests.json").unlink()
    done = slim(path, tmp_path / "s", channels_by="norm", images=0, scored_images=0, fc_channels=5)
    # It trains on from its own weights. The run lacks digests as those of older versions: they are made.
    assert RunFolder(tmp_path / "s").load_config().model.weights == str(tmp_path / "s")
    training = training_of(tmp_path / "s", read_split(dataset, "train"))
    assert training is not None
    assert (training.split, training.num_images, training.num_scored) == ("train", 4, 4)
    assert done.mean_iou is None
    assert (done.kept["block3_conv1"], done.kept["fc6"], done.kept["fc7"]) == ((16, 8), (32, 5), (32, 5))
    net = fcn.load_model(path)
    norms = np.abs(net.get_layer("block1_conv1").get_weights()[0]).sum(axis=(0, 1, 2))
    kept = {name: np.arange(count) for name, count in count_channels(net).items()}
    kept["block1_conv1"] = np.sort(np.argsort(-norms)[:2])
    expected = keep_channels(net, kept).get_layer("block1_conv1").get_weights()
    found = fcn.load_model(tmp_path / "s").get_layer("block1_conv1").get_weights()
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_all_layers_are_trained_on_at_one_rate(write_run: WriteRun, tmp_path: Path) -> None:
    path = write_run()
    config = RunFolder(path).load_config().with_values("model", weights="imagenet")
    changes = {"freeze": ("block1_*",), "learning_rate_multipliers": {"score_*": 4.0}}
    (path / "config.yaml").write_text(config.with_values("train", **changes).to_yaml())
    done = slim(path, tmp_path / "s", channels_by="norm", images=0, scored_images=0)
    words = shlex.split(_train_command(done, tmp_path / "t").removeprefix("python -m fcn "))
    options = build_parser().parse_args(words)
    train = load_config(options.config, options.set).train
    assert (train.learning_rate, train.learning_rate_multipliers) == (4e-4, {})
    assert not train.freeze


def test_what_cannot_be_made_is_refused(write_run: WriteRun, tmp_path: Path) -> None:
    path, output = write_run(), tmp_path / "small"
    for options, message in (
        ({"width": 0.5, "speedup": 2}, "one of width, gflop and speedup"),
        ({"width": 1.5}, "at most 1"),
        ({"gflop": -1}, "above 0"),
        ({"speedup": 1}, "above 1"),
        ({"fc_channels": 0}, "at least 1 channel"),
        ({"images": 0}, "at least one image"),
        ({"scored_images": -1}, "images to score on"),
        ({"size": (200,)}, "size of .height, width."),
        ({"channels_by": "size"}, "channels_by to be one of"),
    ):
        with pytest.raises(RunError, match=message):
            slim(path, output, **options)
    for other in (path / "config.yaml", tmp_path, tmp_path / "none"):
        with pytest.raises(RunError, match="expected a run folder"):
            slim(other, output)
    with pytest.raises(OutputError):
        slim(path, path)
    assert not output.exists()


@pytest.mark.slow
def test_the_command_and_a_training_of_what_it_wrote(
    write_run: WriteRun, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, output = write_run(batch_normalization=True), tmp_path / "small"
    command = ["slim", str(path), "--output", str(output), "--width", "0.5", "--images", "2", "--limit", "1"]
    with pytest.raises(SystemExit) as stopped:
        main(command)
    printed = capsys.readouterr().out
    assert stopped.value.code == 0
    assert "block5_conv3" in printed
    assert "GFLOP for an image of 384x512" in printed
    assert "mean IoU on 1 image of the validation split, before any training" in printed
    assert f"train {output}/config.yaml --run {output}-trained --set model.weights={output} " in printed
    assert f" --set train.teacher={path} --set train.learning_rate=0.0001\n" in printed
    words = shlex.split(printed.partition("Next: python -m fcn ")[2].splitlines()[0])
    options = build_parser().parse_args(words)
    assert options.run == Path(f"{output}-trained")
    trained_on = load_config(options.config, options.set)
    assert (trained_on.model.weights, trained_on.train.teacher) == (str(output), str(path))
    assert trained_on.train.learning_rate == 1e-4  # of the 1e-3 for random weights
    assert printed.rstrip().endswith(
        f"Then: python -m fcn export {output}-trained exported/small-trained --format openvino "
        f"--calibrate {dataset}/JPEGImages --accuracy-data {dataset}"
    )
    result = fcn.train(output / "config.yaml", tmp_path / "trained", overrides=["train.steps=1"])
    trained, small = fcn.load_model(result.run.path), fcn.load_model(output)
    assert count_channels(trained) == count_channels(small)
    assert read_licenses(result.run.path) == (LICENSE,)
    # Its own folder can be trained too: from the weights that were kept, whose data stay known.
    fcn.train(None, output, resume=True, overrides=["train.steps=1"])
    moved = zip(fcn.load_model(output).trainable_weights, small.trainable_weights, strict=True)
    assert 0 < max(np.abs(np.subtract(one, other)).max() for one, other in moved) < 0.1
    training = training_of(output, read_split(dataset, "train"))
    assert training is not None
    assert [(one.split, one.num_scored) for one in training.earlier] == [("train", 4)]
    assert read_licenses(output) == (LICENSE,)
    # The run's own configuration lacks the channels; the error names what to set.
    with pytest.raises(RunError, match=r"model\.channels"):
        fcn.train(path / "config.yaml", tmp_path / "other", overrides=[f"model.weights={output}"])


def test_a_net_that_computes_no_numbers_is_refused(write_run: WriteRun, tmp_path: Path) -> None:
    path = write_run()
    net = fcn.load_model(path)
    kernel, bias = net.get_layer("block2_conv2").get_weights()
    net.get_layer("block2_conv2").set_weights([kernel, np.full_like(bias, np.inf)])
    net.save(RunFolder(path).best)
    with pytest.raises(RunError, match="block3_conv1 reads values that are not finite"):
        slim(path, tmp_path / "s", images=1, scored_images=0)
