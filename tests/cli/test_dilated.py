"""Nets that dilate by the same commands as the others, from training to an export's answers."""

import json
from pathlib import Path

import numpy as np
import pytest
from served import Client, served

from fcn.cli.main import main
from fcn.data.image_io import read_label
from fcn.inference.engines.exported import MODEL_CARD
from fcn.runs.model_file import load_model

pytestmark = pytest.mark.slow

CONFIG = """
data: {{root: {root}}}
augmentation: {{crop_size: [24, 24]}}
model: {{net: {net}, width: 0.03125, fc_channels: 8}}
train: {{steps: 2, batch_size: 2, learning_rate: 0.01, optimizer: adamw}}
"""


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    return int(stopped.value.code or 0)


@pytest.mark.parametrize("net", ["context", pytest.param("largefov", marks=pytest.mark.exhaustive)])
def test_a_net_is_trained_scored_run_exported_and_served(net: str, dataset: Path, tmp_path: Path) -> None:
    config = tmp_path / "recipe.yaml"
    config.write_text(CONFIG.format(root=dataset, net=net))
    folder = tmp_path / "run"
    assert run("train", config, "--run", folder) == 0
    assert load_model(folder).name == net
    assert run("evaluate", folder, "--data", dataset) == 0
    photographs = dataset / "JPEGImages"
    assert run("infer", folder, photographs, "--output", tmp_path / "labels") == 0
    version = tmp_path / "exported" / "1"
    assert run("export", folder, version.parent) == 0
    settings = json.loads((version / "assets" / "model.json").read_text(encoding="utf-8"))
    assert settings["fc6"] == ("largefov" if net == "largefov" else "full")
    card = (version / MODEL_CARD).read_text(encoding="utf-8")
    assert ("Chen et al." if net == "largefov" else "Yu & Koltun") in card
    assert "fcn.models.dilated.DilatedNet" in card
    assert run("infer", version, photographs, "--output", tmp_path / "again") == 0
    for path in sorted((tmp_path / "labels").glob("*.png")):
        assert np.mean(read_label(path) == read_label(tmp_path / "again" / path.name)) >= 0.999
    photograph = sorted(photographs.iterdir())[0]
    with served(version.parent, ["--engine", "tensorflow"]) as server:
        client = Client(server.port)
        reply = client.post("/v1/models/fcn:segment?output=label", photograph.read_bytes())
        client.close()
    assert reply.status == 200
    label = read_label(tmp_path / "again" / f"{photograph.stem}.png")
    served_label = tmp_path / "served.png"
    served_label.write_bytes(reply.body)
    np.testing.assert_array_equal(read_label(served_label), label)
