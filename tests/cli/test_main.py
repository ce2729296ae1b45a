"""The commands as a user types them, each in a process of its own where it matters."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fcn
from fcn.cli import data
from fcn.cli.main import COMMANDS, main
from fcn.data.image_io import read_image, read_label
from fcn.system.shell import quoted

HERE = Path(__file__).parents[2]


def run(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Runs a command in this process; returns its exit code, output and errors."""
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out, captured.err


def assert_user_error(result: tuple[int, str, str], *expected: object) -> None:
    code, _, errors = result
    assert code == 2
    assert [line for line in errors.splitlines() if line.startswith("Error: ")]
    assert "Traceback" not in errors
    for text in expected:
        assert str(text) in errors


EVERY_COMMAND = [
    [],
    ["train"],
    ["evaluate"],
    ["calibrate"],
    ["infer"],
    ["export"],
    ["serve"],
    ["import"],
    ["convolutionalize"],
    ["inspect"],
    ["compare"],
    ["plan"],
    ["slim"],
    ["suggest"],
    ["data"],
    ["data", "generate"],
    ["data", "download"],
    ["data", "preview"],
    ["data", "splits"],
    ["weights"],
    ["weights", "get"],
    ["weights", "verify"],
    ["weights", "remove"],
    ["doctor"],
]


@pytest.mark.parametrize("command", EVERY_COMMAND)
def test_help_is_there_with_an_example(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, output, _ = run([*command, "--help"], capsys)
    assert code == 0
    assert "example" in output or not command or command == ["data"]


def test_import_and_help_load_nothing_heavy() -> None:
    check = (
        "import sys, fcn, fcn.cli.main as cli\n"
        f"for arguments in {EVERY_COMMAND}:\n"
        "    try: cli.main([*arguments, '--help'])\n"
        "    except SystemExit as stopped: assert not stopped.code, arguments\n"
        "heavy = {'cv2', 'fastapi', 'h5py', 'jinja2', 'keras', 'numpy', 'PIL', 'ray', 'requests', 'rich',\n"
        "         'tensorflow', 'uvicorn'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_wrong_paths_are_told_before_a_backend_is_loaded(
    recipe: Path, run_path: Path, tmp_path: Path
) -> None:
    none = str(tmp_path / "none")
    commands = [
        ["train", str(recipe), "--set", f"data.root={none}", "--run", str(tmp_path / "run")],
        ["evaluate", str(HERE / "tests/fixtures/runs/same"), "--data", none],
        ["infer", none, none, "--output", str(tmp_path / "labels")],
        *([command, none, *rest] for command, *rest in (["export", none], ["inspect"], ["serve"])),
    ]
    check = (
        "import sys, fcn.cli.main as cli\n"
        f"for arguments in {commands}:\n"
        "    try: cli.main(arguments)\n"
        "    except SystemExit as stopped: assert stopped.code == 2, arguments\n"
        "backends = {'jax', 'keras', 'tensorflow', 'torch'} & set(sys.modules)\n"
        "assert not backends, backends\n"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("no such") == len(commands)


def test_a_file_of_a_command_has_add_parser_and_run_and_nothing_else() -> None:
    commands = (*COMMANDS, *data.COMMANDS)
    for command in commands:
        own = {
            name
            for name, value in vars(command).items()
            if not name.startswith("_") and getattr(value, "__module__", None) == command.__name__
        }
        assert own == {"add_parser", "run"}
    files = {path.stem for path in (HERE / "fcn" / "cli").glob("*.py")}
    arguments = {name for name in files if name.endswith("arguments")}
    parts = {"serve_models", "serve_limits", "infer_result"}
    shared = arguments | parts | {"tables"}
    assert files - {"__init__", "main", "start"} - shared == {
        command.__name__.rpartition(".")[2] for command in commands
    }


def test_public_names() -> None:
    for name in fcn.__all__:
        assert callable(getattr(fcn, name))
    with pytest.raises(AttributeError, match="nonsense"):
        getattr(fcn, "nonsense")  # noqa: B009


@pytest.fixture(scope="module")
def recipe(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.yaml"
    path.write_text(
        f"data: {{root: '{dataset}'}}\n"
        "augmentation: {crop_size: [32, 32]}\n"
        "model: {width: 0.03125, fc_channels: 16}\n"
        "train: {steps: 2, learning_rate: 0.01}\n"
    )
    return path


@pytest.fixture(scope="module")
def run_path(recipe: Path, eager: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("work") / "tiny"
    with pytest.raises(SystemExit) as stopped:
        main(["train", str(recipe), "--run", str(path)])
    assert stopped.value.code == 0
    return path


@pytest.mark.slow
def test_train_writes_a_run_and_is_quiet_about_tensorflow(recipe: Path, tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, HERE / "train.py", recipe],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(HERE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # What it learns from, and how well; on a busy machine the steps take long enough to be reported.
    begins = ("Data: ", "  ", "Device: ", "Net: ", "Steps: ", "Scores: ", "Watch: ", "step ", "Step ")
    expected = (*begins, "Warning: At step 2: ", "Warning: there is an NVIDIA GPU")
    assert not [line for line in done.stderr.splitlines() if not line.startswith(expected)]
    assert "mean IoU" in done.stdout
    assert "Wrote runs/tiny/" in done.stdout
    assert (tmp_path / "runs" / "tiny" / "report.html").exists()


def test_evaluate_writes_the_scores(run_path: Path, dataset: Path, tmp_path: Path, capsys) -> None:
    scores = tmp_path / "scores.json"
    result = run(["evaluate", run_path, "--data", dataset, "--output", scores, "--json"], capsys)
    assert result[0] == 0
    document = json.loads(scores.read_text())
    assert json.loads(result[1]) == document
    assert set(document) == {
        "pixel_accuracy",
        "mean_accuracy",
        "mean_iou",
        "frequency_weighted_iou",
        "class_iou",
        "intervals",
        "split",
        "num_images",
        "data",
        "training",
        "engine",
        "precision",
    }
    assert (document["engine"], document["precision"]) == ("tensorflow", "float32")
    assert document["training"] == {"split": "train", "num_images": 4, "num_scored": 0}


def test_evaluate_prints_a_table(run_path: Path, dataset: Path, tmp_path: Path, capsys) -> None:
    code, output, _ = run(
        ["evaluate", run_path, "--data", dataset, "--split", "train", "--output", tmp_path / "s.json"], capsys
    )
    assert code == 0
    for text in ("mean IoU", "IoU of cat", "4 images", "s.json"):
        assert text in " ".join(output.split())  # the title is as wide as the table


def test_infer_labels_a_folder(run_path: Path, dataset: Path, tmp_path: Path, capsys) -> None:
    images = dataset / "JPEGImages"
    code, output, _ = run(["infer", run_path, images, "--output", tmp_path / "out", "--overlay"], capsys)
    assert code == 0
    assert "7 images" in output
    for path in images.iterdir():
        label = read_label(tmp_path / "out" / f"{path.stem}.png")
        assert label.shape == read_image(path).shape[:2]
        assert (tmp_path / "out" / f"{path.stem}.overlay.jpg").exists()


def test_infer_lists_what_failed(run_path: Path, dataset: Path, tmp_path: Path, capsys) -> None:
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    (photographs / "good.jpg").write_bytes((dataset / "JPEGImages" / "a.jpg").read_bytes())
    (photographs / "bad.jpg").write_bytes(b"nothing")
    code, output, errors = run(["infer", run_path, photographs, "--output", tmp_path / "out"], capsys)
    assert code == 1
    assert "of 1 image to" in output
    assert "bad.jpg" in errors
    assert (tmp_path / "out" / "good.png").exists()


def test_a_single_broken_image_is_a_mistake(run_path: Path, tmp_path: Path, capsys) -> None:
    (tmp_path / "bad.jpg").write_bytes(b"nothing")
    assert_user_error(
        run(["infer", run_path, tmp_path / "bad.jpg", "--output", tmp_path / "o"], capsys), "bad.jpg"
    )


@pytest.mark.exhaustive
def test_export_counts_versions(run_path: Path, tmp_path: Path, capsys) -> None:
    for version in ("1", "2"):
        code, output, _ = run(["export", run_path, tmp_path / "out", "--json"], capsys)
        assert code == 0
        assert json.loads(output)["export"] == str(tmp_path / "out" / version)


@pytest.mark.slow
def test_exported_models_evaluate_like_the_run(
    run_path: Path, dataset: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["export", run_path, tmp_path / "out"], capsys)
    documents = [
        json.loads(
            run(["evaluate", model, "--data", dataset, "--output", tmp_path / "s.json", "--json"], capsys)[1]
        )
        for model in (run_path, tmp_path / "out")
    ]
    assert documents[0]["training"] == {"split": "train", "num_images": 4, "num_scored": 0}
    assert documents[0] == documents[1]  # an export knows what its run was trained on


def test_training_again_needs_resume(recipe: Path, run_path: Path, capsys) -> None:
    assert_user_error(run(["train", recipe, "--run", run_path], capsys), run_path, "--resume")


def test_two_settings_after_one_option_are_explained(capsys) -> None:
    words = ["small.yaml", "--run", "runs/a", "--set", "train.steps=10", "train.batch_size=2"]
    code, _, errors = run(["train", *words], capsys)
    assert code == 2
    assert "train.batch_size=2; each SECTION.KEY=VALUE needs its own --set: --set A=1 --set B=2" in errors
    assert "its own --set" not in run(["train", *words[:-1], "more.yaml"], capsys)[2]


# As a shell gives `loss.terms={focal: 1, dice: 2}` and `loss.terms={focal:1,dice:2}` without quotes.
@pytest.mark.parametrize(
    "words", [["loss.terms={focal:", "1,", "dice:", "2}"], ["loss.terms=focal:1", "loss.terms=dice:2"]]
)
def test_a_setting_without_quotes_is_explained(words: list[str], capsys) -> None:
    code, _, errors = run(["train", "small.yaml", "--run", "runs/a", "--set", *words], capsys)
    assert code == 2
    example = quoted("loss.terms={focal: 1, dice: 2}")
    assert f"a value with spaces or braces needs quotes: --set {example}\n" in errors


@pytest.mark.parametrize("stray", ["photo[1]", "a}", "320]", "a=bc:1"])
def test_another_argument_is_not_taken_for_a_part_of_a_setting(stray: str, capsys) -> None:
    setting = "loss.terms={focal: 1, dice: 2}"
    code, _, errors = run(["train", "small.yaml", "--run", "runs/a", "--set", setting, stray], capsys)
    assert (code, f"unrecognized arguments: {stray}\n" in errors) == (2, True)


def test_a_misspelt_key_is_named(recipe: Path, tmp_path: Path, capsys) -> None:
    result = run(["train", recipe, "--run", tmp_path / "r", "--set", "train.stepz=3"], capsys)
    assert_user_error(result, "train.stepz", "Did you mean train.steps?")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["train", "missing.yaml"], "missing.yaml"),
        (["evaluate", "nowhere", "--data", "nothing"], "nowhere"),
        (["infer", "nowhere", "photograph.jpg", "--output", "out"], "nowhere"),
        (["export", "nowhere", "out"], "nowhere"),
    ],
)
def test_missing_files_are_named(arguments: list[str], expected: str, capsys) -> None:
    assert_user_error(run(arguments, capsys), expected)


@pytest.mark.parametrize("option", ["--train=0", "--val=x", "--seed=-1"])
def test_numbers_out_of_range_are_named(option: str, tmp_path: Path, capsys) -> None:
    code, _, errors = run(["data", "generate", tmp_path / "set", option], capsys)
    assert code == 2
    assert "expected a whole number" in errors


def test_a_place_that_may_not_be_entered_is_named(run_path: Path, dataset: Path, capsys, monkeypatch) -> None:
    closed, stat = str(dataset / "JPEGImages"), os.stat

    def guarded(path, *args, **kwargs):
        if str(path).startswith(closed):
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", guarded)
    assert_user_error(run(["evaluate", run_path, "--data", dataset], capsys), closed, "Permission denied")


def fail_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has every command end with an error once its arguments are read."""

    def run_command(options: object) -> None:
        raise error

    for command in COMMANDS:
        monkeypatch.setattr(command, "run", run_command)


@pytest.mark.parametrize(
    ("arguments", "filename"),
    [
        (["evaluate", "{0}/run", "--data", "{0}/data"], "{0}/data/JPEGImages/a.jpg"),
        (["evaluate", "{0}/run", "--data", "{0}/data"], "{0}/run"),
        (["evaluate", "{0}/linked/run", "--data", "{0}"], "{0}/run/checkpoints"),
        (["evaluate", "run", "--data", "data", "--output={0}/new/folder/scores.json"], "{0}/new"),
        (["infer", "run", "{0}/a.jpg", "other.jpg", "--output", "labels"], "{0}/a.jpg"),
        (["infer", "run", "a.jpg", "--output", "labels"], "labels/a.png"),
        (["train", "recipe.yaml"], "{0}/data of recipe/JPEGImages"),
        (["train", "recipe.yaml", "--set", "model.weights={0}/w.keras"], "{0}/w.keras"),
        (["evaluate", "of recipe", "--data", "data"], "{0}/weights of recipe"),
    ],
)
def test_a_file_that_the_user_named_is_a_message(
    arguments: list[str], filename: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "linked").symlink_to(tmp_path)
    (tmp_path / "of recipe").mkdir()
    recipe = (
        f"data: {{root: '{tmp_path}/data of recipe'}}\nmodel: {{weights: '{tmp_path}/weights of recipe'}}\n"
    )
    for path in ("recipe.yaml", "of recipe/config.yaml"):
        (tmp_path / path).write_text(recipe)
    named = filename.format(tmp_path)
    fail_with(PermissionError(13, "Permission denied", named), monkeypatch)
    result = run([argument.format(tmp_path) for argument in arguments], capsys)
    assert_user_error(result, f"{named}: Permission denied. Check the path")


@pytest.mark.parametrize(
    "filename",
    [
        None,
        3,
        fcn.__file__,
        str(HERE / "fcn" / "templates" / "page.html"),
        os.__file__,
        pytest.__file__,
        "/nowhere/else",
        b"/nowhere/else",
    ],
)
def test_an_error_of_the_operating_system_that_is_a_bug_keeps_its_traceback(
    filename: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(HERE)  # where the package is below the current folder
    fail_with(FileNotFoundError(2, "No such file or directory", filename), monkeypatch)
    with pytest.raises(FileNotFoundError):
        main(["infer", str(tmp_path), str(tmp_path / "a.jpg"), "--output", "."])


def test_a_message_brings_no_hint_about_an_older_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"data: {{root: '{tmp_path}/data', input_scale: 0.5}}\n")
    fail_with(FileNotFoundError(2, "No such file or directory", f"{tmp_path}/data"), monkeypatch)
    result = run(["train", recipe], capsys)
    assert_user_error(result, f"{tmp_path}/data: No such file")
    assert "input_scale" not in result[2]


@pytest.mark.parametrize("filename", [None, 3, "/nowhere/else", os.__file__])
def test_a_full_disk_is_a_message(filename: object, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    fail_with(OSError(errno.ENOSPC, "No space left on device", filename), monkeypatch)
    result = run(["infer", "run", "a.jpg", "--output", "labels"], capsys)
    assert_user_error(result, "No space left on device. Free space", "TMPDIR")
    assert ("/nowhere/else: " in result[2]) == (filename == "/nowhere/else")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_refused_file_is_a_message_unless_it_is_installed(
    number: int, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    arguments = ["infer", "run", "a.jpg", "--output", "labels"]
    fail_with(OSError(number, "Refused", "/nowhere/else"), monkeypatch)
    assert_user_error(run(arguments, capsys), "/nowhere/else: Refused. Check the path")
    for filename in (None, fcn.__file__, os.__file__, pytest.__file__):
        fail_with(OSError(number, "Refused", filename), monkeypatch)
        with pytest.raises(OSError, match="Refused"):
            main(arguments)


def test_scores_of_other_data_do_not_replace_those_of_the_run(
    run_path: Path, dataset: Path, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = (run_path / "scores.json").read_text()
    assert run(["evaluate", run_path, "--data", dataset, "--split", "train"], capsys)[0] == 0
    assert (run_path / "scores.json").read_text() == before
    assert json.loads((tmp_path / "scores.json").read_text())["split"] == "train"
    assert run(["evaluate", run_path, "--data", dataset], capsys)[0] == 0
    assert json.loads((run_path / "scores.json").read_text())["num_images"] == 3


@pytest.mark.parametrize("options", [["--split", "train"], ["--flip"], ["--precision", "bfloat16"]])
def test_scores_that_are_there_are_not_replaced_unless_asked(
    options: list[str], run_path: Path, dataset: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scores.json").write_text("mine")
    command = ["evaluate", run_path, "--data", dataset, *options]
    with monkeypatch.context() as patched:  # nothing is opened or scored before
        patched.setattr("fcn.inference.predictor.Predictor.__init__", None)
        assert_user_error(run(command, capsys), "scores.json: exists already", "--output")
    assert (tmp_path / "scores.json").read_text() == "mine"
    if options[0] == "--split":
        assert run([*command, "--output", "scores.json"], capsys)[0] == 0
        assert json.loads((tmp_path / "scores.json").read_text())["split"] == "train"


def test_scores_that_cannot_be_written_are_told_before_the_work(
    model_path: Path, dataset: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.setattr("fcn.inference.predictor.Predictor.__init__", None)
    (tmp_path / "file").touch()
    for output, reason in (("file/scores.json", "cannot be written"), (".", "Received: a folder")):
        command = ["evaluate", model_path, "--data", dataset, "--output", tmp_path / output]
        assert_user_error(run(command, capsys), tmp_path / output, reason)


@pytest.mark.slow
def test_an_export_inside_of_a_run_does_not_hide_it(run_path: Path, tmp_path: Path, capsys) -> None:
    copied = tmp_path / "run"
    shutil.copytree(run_path, copied)
    for version in ("1", "2"):
        assert run(["export", copied, copied], capsys)[0] == 0
        assert (copied / version / "saved_model.pb").exists()


def test_wrong_data_are_named(run_path: Path, tmp_path: Path, capsys) -> None:
    assert_user_error(run(["evaluate", run_path, "--data", tmp_path], capsys), tmp_path, "JPEGImages")


def test_generate_makes_a_data_set_once(tmp_path: Path, capsys) -> None:
    command = ["data", "generate", tmp_path / "set", "--train", "2", "--val", "1", "--seed", "3"]
    assert run(command, capsys)[0] == 0
    assert len(list((tmp_path / "set" / "JPEGImages").iterdir())) == 3
    assert_user_error(run(command, capsys), tmp_path / "set")


@pytest.mark.slow
def test_sigterm_saves_and_exits_143(recipe: Path, dataset: Path, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "fcn",
            "train",
            recipe,
            "--run",
            tmp_path / "run",
            "--set",
            "train.steps=100000",
        ],
        cwd=HERE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    log = tmp_path / "run" / "log.csv"
    try:
        for _ in range(600):
            if log.exists() and log.read_text().count("\n") > 1:
                break
            try:
                process.wait(0.2)
                break
            except subprocess.TimeoutExpired:
                continue
        process.terminate()
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 143, errors
    assert (tmp_path / "run" / "checkpoints" / "last.keras").exists()


HOSTILE = "a\x1b]0;title\x07\x9b2J\nError: \u202eb"
SHOWN = r"a\x1b]0;title\x07\x9b2J\nError: \u202eb"


@pytest.mark.parametrize(
    "command",
    [
        ["evaluate", HOSTILE, "--data", "nowhere"],  # a message of this package
        ["train", f"{HOSTILE}.yaml"],
        ["train", "configs/camvid.yaml", "--set", HOSTILE],
        ["serve", str(HERE / "tests/fixtures/export"), "--token-file", HOSTILE],  # one of the system
        ["evaluate", "nowhere", "--data", "nowhere", HOSTILE],  # one of the parser
        ["data", "generate", "nowhere", "--train", HOSTILE],
    ],
)
def test_names_in_messages_control_no_terminal(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, output, errors = run(command, capsys)
    assert (code, output) == (2, "")
    assert SHOWN in errors
    assert all(line.isprintable() for line in errors.split("\n"))
    assert "\nError: \\u202e" not in errors


def test_the_traceback_of_a_bug_controls_no_terminal(tmp_path: Path) -> None:
    program = (
        "import fcn.data.generated.dataset as dataset\n"
        "def fail(*_): raise RuntimeError('red \\x1b[31m')\n"
        "dataset.generate_dataset = fail\n"
        "from fcn.cli.main import main\n"
        f"main(['data', 'generate', {str(tmp_path / 'new')!r}])\n"
    )
    environment = os.environ | {"PYTHONPATH": str(HERE)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Traceback (most recent call last):\n")
    assert done.stderr.endswith("RuntimeError: red \\x1b[31m\n")


def test_a_file_that_is_not_yaml_is_explained_in_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("model: [\n")
    _, _, errors = run(["train", path], capsys)
    assert errors.startswith(f"Error: {path}: is not YAML. ")
    assert "\\n" not in errors
    assert len(errors.splitlines()) > 1
