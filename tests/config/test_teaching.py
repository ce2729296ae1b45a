"""Keys of a training with a teacher that change nothing without another one."""

from pathlib import Path

import pytest

from fcn.config.file import as_config, load_config
from fcn.errors import ConfigError

TEACHER = "train: {teacher: runs/large}"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("loss: {distillation: 3}", ["loss.distillation=3 changes nothing without train.teacher"]),
        ("loss: {distillation_temperature: 1}", ["loss.distillation_temperature=1 changes nothing"]),
        (f"{TEACHER}\nloss: {{distillation: 0}}", ["loss.distillation: expected a value greater than 0"]),
        (
            'train: {teacher: ""}',
            ["train.teacher: expected a trained net, or null, for example", "runs/large"],
        ),
        ("data: {root: x, unlabeled: y}", ["data.unlabeled=y changes nothing without train.teacher"]),
        (f"{TEACHER}\ndata: {{root: x, unlabeled_share: 0.1}}", ["data.unlabeled_share=0.1 changes nothing"]),
        (
            f"{TEACHER}\ndata: {{root: x, unlabeled: y, unlabeled_share: 1.5}}",
            ["data.unlabeled_share: expected a value less than or equal to 1"],
        ),
        (
            "train: {teacher: runs/large, epochs: 2}\ndata: {root: x, unlabeled: y, unlabeled_share: 1}",
            ["train.epochs=2: are passes over the training split", "data.unlabeled_share=1", "train.steps"],
        ),
    ],
)
def test_what_does_not_fit_is_refused(content: str, words: list[str], tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(content if "data:" in content else f"{content}\ndata: {{root: x}}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    for word in words:
        assert word in str(caught.value)


def test_what_fits_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLACE", "/nets")
    config = as_config(
        {
            "data": {"root": "x", "unlabeled": "$PLACE/photos", "unlabeled_share": 1},
            "loss": {"distillation": 0.5, "distillation_temperature": 4},
            "train": {"teacher": "$PLACE/large"},
        }
    )
    assert (config.train.teacher, config.data.unlabeled) == ("/nets/large", Path("/nets/photos"))
    assert config.data.labeled_share == 0
    path = tmp_path / "config.yaml"
    path.write_text(config.to_yaml())
    assert load_config(path) == config
    assert as_config({"data": {"root": "x"}}).data.labeled_share == 1
