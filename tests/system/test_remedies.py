"""Remedies name what the caller can use."""

import shlex

from fcn.system.remedies import naming_options, other_run, resume_run, score_run, set_keys


def test_remedies_are_python_unless_the_command_line_runs() -> None:
    assert eval(resume_run("a b"), {"fcn": Recorder()}) == ((None, "a b"), {"resume": True})
    assert eval(score_run("a b", "c", "val"), {"fcn": Recorder()}) == (("a b", "c", "val"), {})
    assert other_run() == "run_path=NAME"
    with naming_options():
        assert other_run() == "--run NAME"
        with naming_options():
            pass
        assert shlex.split(resume_run("a b")) == ["--resume", "a b"]
    assert set_keys("train.steps=1") == "overrides=['train.steps=1']"


def test_values_are_quoted_for_a_shell() -> None:
    with naming_options():
        settings = ["augmentation.crop_size=[3, 4]", 'data.root="a #1"', "train.steps=1"]
        words = shlex.split(set_keys(*settings))
        command = shlex.split(score_run("a b", "it's", "val"))
    assert words == ["--set", settings[0], "--set", settings[1], "--set", settings[2]]
    assert command[-5:] == ["a b", "--data", "it's", "--split", "val"]


class Recorder:
    def train(self, *arguments: object, **options: object) -> tuple[object, object]:
        return arguments, options

    evaluate = train
