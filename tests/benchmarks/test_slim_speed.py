"""Tests that the benchmark of slim nets times what it says."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import slim_speed as benchmark
import slim_speed_worker as worker

from fcn.inspection.facts import inspect_model
from fcn.models.fcn import FCN
from fcn.runs.model_file import load_model
from fcn.slimming.channels import keep_channels
from fcn.slimming.connections import count_channels


@pytest.mark.exhaustive
def test_nets_are_timed_and_told(
    thin_net: Callable[..., FCN],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = thin_net(8, input_scale=0.5)
    small = keep_channels(full, {name: np.arange(count)[::2] for name, count in count_channels(full).items()})
    files = {"full": tmp_path / "full.keras", "small": tmp_path / "small.keras"}
    full.save(files["full"])
    small.save(files["small"])
    # Or its net in this test would have 4,096 channels too.
    monkeypatch.setattr("fcn.models.architecture.FC_CHANNELS", 64)
    size = (64, 96)
    worker.prepare(files["full"], files["small"], tmp_path, size)
    facts = json.loads((tmp_path / worker.FACTS).read_text())
    assert [*facts] == [*worker.NETS]
    wide = load_model(tmp_path / "4096.keras")
    assert count_channels(wide) == count_channels(full) | {"fc6": 64, "fc7": 64}
    for name, net in (("full", full), ("small", small), ("4096", wide)):
        assert facts[name]["gflop"] == pytest.approx(inspect_model(net, size).gflop)
        assert facts[name]["parameters"] == net.count_params()
    assert facts["small"]["bytes"] == files["small"].stat().st_size < facts["full"]["bytes"]
    options = argparse.Namespace(size=size, rounds=2, warm_up=1, torch_python=None)
    # All in int8, of the size of the image, which the net of half the size enlarges again.
    replies = benchmark.measure([f"{name} int8" for name in worker.NETS], tmp_path, options)
    shapes = [reply["shape"] for answers in replies.values() for reply in answers]
    assert shapes == [[1, *size]] * 6
    assert benchmark.report(facts, replies)
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if " ms" in line]
    assert [row[0] for row in rows] == [*worker.NETS]
    assert rows[0][-2] == "1.00"


def test_ratios_are_of_medians(capsys: pytest.CaptureFixture[str]) -> None:
    net = {"gflop": 2.5, "parameters": 1000, "bytes": 4000}
    facts = dict.fromkeys(worker.NETS, net)
    replies = {
        "full int8": [{"seconds": seconds} for seconds in (0.2, 9.0, 0.1)],
        "small int8": [{"seconds": seconds} for seconds in (0.05, 0.01, 3.0)],
    }
    assert benchmark.report(facts, replies)
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if " ms" in line]
    assert [row[-5:] for row in rows] == [
        ["200.0", "ms", "5.00", "1.00", "x"],
        ["50.0", "ms", "20.00", "4.00", "x"],
    ]
    assert not benchmark.report(facts, {"small int8": replies["small int8"]})


@pytest.mark.parametrize(
    ("changed", "can"),
    [
        ({}, True),
        ({"name": "fcn16s"}, False),
        ({"geometry": "reference"}, False),
        ({"channels": {"fc6": 3}}, False),
    ],
)
def test_pytorch_has_nets_of_one_kind(changed: dict[str, object], can: bool) -> None:
    net = {"name": "fcn8s", "geometry": "same", "channels": None}
    assert (worker.describe_torch(net | changed) is None) == can
