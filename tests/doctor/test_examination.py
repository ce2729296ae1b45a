"""The machine, optional packages and the command."""

import itertools
import json
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from fcn.cli.main import main
from fcn.doctor.extras import EXTRAS, examine_extras
from fcn.doctor.machine import (
    LEAST_LIMIT,
    NEWEST,
    OLDEST,
    examine_disk,
    examine_memory,
    examine_nets,
    examine_python,
)
from fcn.inference.tiling.memory import RESERVED_GIGABYTES, smallest_window_bytes
from fcn.models.fields import NetDescription
from fcn.weights.cache import WeightCache
from fcn.weights.catalog import NETS

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]


def test_extras_are_those_of_the_project() -> None:
    expected = set(PROJECT["optional-dependencies"]) - {"gpu", "jax"}
    assert set(EXTRAS) == expected
    known = packages_distributions()
    for name, extra in EXTRAS.items():
        listed = " ".join(PROJECT["optional-dependencies"][name]).replace("-", "_")
        for module in extra.modules:
            packages = known.get(module.partition(".")[0], [module])
            assert any(package.replace("-", "_") in listed for package in packages), module
        assert len(extra.modules) == len(PROJECT["optional-dependencies"][name])


def test_a_missing_package_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.setenv("PATH", "")
    found = {one.topic: one for one in examine_extras()}
    assert found["openvino"].state == "absent"
    assert found["openvino"].text.endswith("openvino not installed")
    # The shell finds no pip, so it is named by its environment.
    assert found["openvino"].remedy == f"{sys.executable} -m pip install 'keras-fcn[openvino]'"
    assert found["onnx"].state == "good"
    assert found["ffmpeg"].state == "absent"


def test_python_memory_and_disk_are_judged(tmp_path: Path) -> None:
    assert examine_python().state == "good"
    assert examine_python((3, 9)).state == examine_python((3, 15)).state == "bad"
    low, high = PROJECT["requires-python"].removeprefix(">=").split(",<")
    assert low == ".".join(map(str, OLDEST))
    assert high == f"{NEWEST[0]}.{NEWEST[1] + 1}"
    assert "CPU core" in examine_memory().text
    assert examine_memory(4 * 10**9).state == "good"
    assert examine_memory(10**9).remedy == "Close other programs: labeling takes 3 GB"
    assert examine_disk(tmp_path).text.endswith(str(tmp_path))
    assert examine_disk(tmp_path, 10**8).state == "bad"


def test_the_memory_limit_that_is_advised_is_enough() -> None:
    remedy = examine_memory(int(3.5e9)).remedy
    assert remedy == f"Close other programs, or label with --memory {LEAST_LIMIT}"
    for stride, geometry in itertools.product((8, 16, 32), ("same", "reference")):
        window = smallest_window_bytes(NetDescription(stride, geometry, 1.0, 1.0, 21))
        assert RESERVED_GIGABYTES + window / 1e9 <= LEAST_LIMIT


def test_nets_that_are_kept_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FCN_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    assert "none is kept" in examine_nets().text
    WeightCache().path(NETS["fcn8s-voc"]).write_bytes(bytes(2_000_000))
    assert examine_nets().text == f"fcn8s-voc in {tmp_path} (2 MB)"


@pytest.mark.slow
def test_the_command_lists_all_and_ends_with_1_if_something_does_not_work(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    with pytest.raises(SystemExit) as stopped:
        main(["doctor", "--json"])
    assert stopped.value.code == 1
    captured = capsys.readouterr()
    topics = {one["topic"] for one in json.loads(captured.out)["findings"]}
    assert {"Python", "TensorFlow", "GPU", "memory", "disk", "published nets", *EXTRAS} <= topics
    assert "Does not work: KERAS_BACKEND" in captured.err
