"""Published nets by name, from an empty folder to labels, with a server on this machine as the mirror."""

import json
import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from caffe_net import build_fcn, write_caffemodel
from eager_training import eager_training
from file_server import FileServer, dropping, serving, whole, without_ranges
from PIL import Image
from progress_lines import without_progress

from fcn.cli.main import main
from fcn.weights.catalog import NETS

HERE = Path(__file__).parents[2]
NAME = "fcn8s-at-once-voc"  # its file has no public checksum: any net will do
FILE = NETS[NAME].file.name


def run(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out, captured.err


@pytest.fixture(scope="module")
def thin_net_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    layers = build_fcn(8, at_once=True, width=1 / 32, fc_channels=8)
    return write_caffemodel(tmp_path_factory.mktemp("net") / "net", layers).read_bytes()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of weights; nothing is asked but what a test names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FCN_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("FCN_WEIGHTS_MIRROR", "http://127.0.0.1:9")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    return tmp_path / "weights"


def mirror_of(server: FileServer) -> str:
    return server.url.removesuffix("/file")


def test_the_list_has_all_that_is_known(folder: Path, tmp_path: Path, capsys) -> None:
    code, output, errors = run(["weights"], capsys)
    assert (code, errors) == (0, "")
    for name, net in NETS.items():
        assert f"{name}: {net.title}, " in output
        assert net.license.name in output
        assert net.license.commercial_use in output
    assert "fcn8s-voc: FCN-8s, Pascal VOC, 21 classes; 65.5% mean IoU on seg11valid" in output
    assert "MD5 c03b2953ebd846c270da1a8e8f200c09 (wkentaro/fcn)" in output
    assert "no public checksum" in output
    assert "\n21 classes: background, aeroplane, " in output
    assert "\n11 classes: building, tree, " in output
    assert f"Files are kept in {folder}" in output
    assert "here: " not in output
    folder.mkdir()
    (folder / FILE).touch()
    listed = run(["weights"], capsys)[1]
    assert f"here: {folder / FILE}" in listed
    assert "imported: " not in listed
    (folder / "nets" / NAME).mkdir(parents=True)
    assert f"\n  imported: {folder / 'nets' / NAME}\n" in run(["weights"], capsys)[1]
    copy = tmp_path / "keras" / "models" / NETS["vgg16-keras-notop"].file.name
    copy.parent.mkdir(parents=True)
    with copy.open("wb") as file:
        file.truncate(NETS["vgg16-keras-notop"].size)
    assert f"\n  here: {copy}\n" in run(["weights"], capsys)[1]
    document = json.loads(run(["weights", "--json"], capsys)[1])
    paths = {net["name"]: net["path"] for net in document["nets"] if net["path"]}
    assert paths == {NAME: str(folder / FILE), "vgg16-keras-notop": str(copy)}


def test_the_list_is_there_for_machines(folder: Path, capsys) -> None:
    code, output, _ = run(["weights", "--json"], capsys)
    document = json.loads(output)
    assert (code, document["folder"], len(document["nets"])) == (0, str(folder), len(NETS))
    keras = next(net for net in document["nets"] if net["name"] == "vgg16-keras")
    assert keras["checksum"] == {
        "kind": "md5",
        "digits": "64373286793e3c8b2b4e3219cbf3544b",
        "source": "keras.applications.vgg16",
    }
    assert (keras["size"], keras["size_is_exact"], keras["classes"], keras["path"]) == (
        553_467_096,
        True,
        None,
        None,
    )
    assert len(keras["urls"]) == 2
    net = next(net for net in document["nets"] if net["name"] == "fcn32s-voc")
    assert (net["checksum"], net["size_is_exact"], net["score"]) == (
        None,
        False,
        "63.6% mean IoU on seg11valid",
    )
    assert net["license"]["commercial_use"] == "yes"
    for listed in document["nets"]:
        assert len(set(listed["class_names"])) == (listed["classes"] or 0)


def test_get_verify_and_remove(folder: Path, thin_net_file: bytes, capsys) -> None:
    with serving(dropping(thin_net_file, 100_000), whole(thin_net_file, ETag='"1"')) as server:
        code, output, errors = run(["weights", "get", NAME, "--mirror", mirror_of(server)], capsys)
    assert code == 0
    assert output.startswith(f"{NAME}: {folder / FILE}\nNext: python infer.py {NAME} IMAGES")
    assert "License: " in errors
    assert "no checksum is public" in errors
    code, output, _ = run(["weights", "get", NAME, "--json"], capsys)
    assert json.loads(output) == {"name": NAME, "path": str(folder / FILE)}
    code, output, _ = run(["weights", "verify"], capsys)
    assert (code, output) == (0, f"{folder / FILE}: equals its SHA-256 at the first download\n")
    (folder / FILE).write_bytes(thin_net_file[:-1] + b"?")
    code, output, errors = run(["weights", "verify", NAME, "--json"], capsys)
    assert code == 1
    assert json.loads(output)["nets"][0]["state"] == "damaged"
    assert errors.startswith("Error: Damaged nets. Remove them;")
    assert errors.endswith(f"  python -m fcn weights remove {NAME}\n")
    code, output, _ = run(["weights", "remove", NAME], capsys)
    assert (code, output) == (0, f"Removed {folder / FILE}.\n")
    assert run(["weights", "remove", NAME], capsys)[1] == f"{NAME}: is not here.\n"
    assert run(["weights", "verify"], capsys)[1] == f"{folder} holds no published nets.\n"
    code, _, errors = run(["weights", "verify", NAME], capsys)
    assert (code, f"is not in {folder}" in errors) == (2, True)


def test_a_terminal_shows_a_bar(folder: Path, thin_net_file: bytes) -> None:
    ours, theirs = pty.openpty()
    environment = os.environ | {"PYTHONPATH": str(HERE), "TERM": "xterm", "COLUMNS": "200"}
    command = [sys.executable, "-m", "fcn", "weights", "get", NAME, "--json"]
    shown = b""
    with serving(whole(thin_net_file)) as server:
        environment["FCN_WEIGHTS_MIRROR"] = mirror_of(server)
        with subprocess.Popen(command, env=environment, stderr=theirs, stdout=subprocess.PIPE) as process:
            os.close(theirs)
            with suppress(OSError):  # when the last process that writes has ended
                while part := os.read(ours, 4096):
                    shown += part
            assert json.loads(process.communicate()[0]) == {"name": NAME, "path": str(folder / FILE)}
    os.close(ours)
    text = shown.decode()
    assert text.index("License: ") < text.index(f"fetching {FILE}") < text.index("no checksum is public")
    size = f"{len(thin_net_file) / 1000:.1f}"
    assert f"{size}/{size} kB" in text


def test_a_damaged_import_is_found(folder: Path, thin_net_file: bytes, capsys) -> None:
    checkpoint = folder / "nets" / NAME / "checkpoints" / "best.keras"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"nothing")
    code, output, errors = run(["weights", "verify"], capsys)
    assert (code, "is damaged: File is not a zip file" in output) == (1, True)
    assert f"fcn weights remove {NAME}\n" in errors


def test_a_bad_file_can_be_replaced_by_the_advice_of_the_messages(
    folder: Path, thin_net_file: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    mirror = tmp_path / "mirror" / FILE
    mirror.parent.mkdir()
    mirror.write_bytes(thin_net_file[: len(thin_net_file) // 2])
    monkeypatch.setenv("FCN_WEIGHTS_MIRROR", str(mirror.parent))
    code, _, errors = run(["weights", "get", NAME], capsys)
    assert (code, "was recorded" in errors) == (2, False)
    assert f"{mirror}: is not {FILE} as it was published: " in errors
    assert "The file is damaged or incomplete" in errors
    assert run(["weights", "verify"], capsys)[1] == f"{folder} holds no published nets.\n"
    # Whole weights, but of no net: only the import shows it.
    layers = build_fcn(8, at_once=True, width=1 / 32, fc_channels=8)[:4]
    write_caffemodel(tmp_path / "layers", layers).rename(mirror)
    for command in (["inspect", NAME], ["import", NAME, "--output", "run"]):
        code, _, errors = run(command, capsys)
        assert code == 2
        assert "expected the layers of VGG16" in errors
        assert errors.endswith(f"run python -m fcn weights remove {NAME} first.\n")
    mirror.write_bytes(thin_net_file)
    assert run(["weights", "remove", NAME], capsys)[0] == 0
    assert run(["weights", "get", NAME], capsys)[0] == 0
    assert run(["weights", "verify"], capsys)[0] == 0


@pytest.mark.parametrize("command", ["get", "verify", "remove"])
def test_an_unknown_name_is_named(command: str, capsys) -> None:
    code, _, errors = run(["weights", command, "fcn8s-vok"], capsys)
    assert code == 2
    assert errors == (
        "Error: fcn8s-vok: no published net of this name. Did you mean fcn8s-voc? "
        "python -m fcn weights lists them.\n"
    )


@pytest.mark.parametrize("name", ["fcn8s", "fcn-8s", "fcn8s_voc"])
@pytest.mark.parametrize("command", [["weights", "get"], ["import", "--output", "run"], ["inspect"]])
def test_a_name_as_people_type_it_first_is_answered_with_the_right_one(
    command: list[str], name: str, capsys
) -> None:
    code, _, errors = run([*command, name], capsys)
    assert (code, "Did you mean" in errors, "fcn8s-voc?" in errors) == (2, True, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ["weights", "get", "fcn8s-voc"],
        ["infer", "fcn8s-voc", "a.jpg", "--output", "labels"],
        ["evaluate", "fcn8s-voc", "--data", "."],
        ["serve", "fcn8s-voc"],
        ["inspect", "fcn8s-voc"],
        ["compare", "fcn8s-voc", "--data", "."],
        ["export", "fcn8s-voc", "out"],
    ],
)
def test_without_a_network_one_message_says_what_to_put_where(
    arguments: list[str], folder: Path, tmp_path: Path, capsys
) -> None:
    code, _, errors = run(arguments, capsys)
    assert code == 2
    assert [line.startswith("Error: ") for line in errors.splitlines()].count(True) == 1
    md5 = "c03b2953ebd846c270da1a8e8f200c09"
    wanted = f"put fcn8s-heavy-pascal.caffemodel (about 538 MB, MD5 {md5}) at {folder}/fcn8s-heavy-pascal."
    assert wanted in errors
    assert "The same net from elsewhere: fcn8s-voc-torch, fcn8s-voc-chainer.\n" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "labels").exists()


def test_a_classifier_labels_nothing(capsys) -> None:
    code, _, errors = run(["infer", "vgg16-keras", "a.jpg", "--output", "labels"], capsys)
    assert code == 2
    assert "vgg16-keras: is a classifier of whole images" in errors
    assert "--set model.weights=vgg16-keras. " in errors


def test_labels_do_not_go_to_a_folder_that_hides_the_net(tmp_path: Path, capsys) -> None:
    for place in (NAME, f"./{NAME}/", tmp_path / NAME):
        code, _, errors = run(["infer", NAME, "a.jpg", "--output", place], capsys)
        assert code == 2
        assert f"{NAME} is the name of a published net" in errors
        assert f"choose another one, such as labels-{NAME}" in errors
    (tmp_path / NAME).mkdir()  # as an earlier version made it
    code, _, errors = run(["infer", NAME, "a.jpg", "--output", NAME], capsys)
    assert code == 2
    assert f"To use that net, rename or move {tmp_path / NAME}." in errors
    assert f"{NAME}: holds no model" in errors


def test_a_published_file_that_is_another_one_is_refused(folder: Path, thin_net_file: bytes, capsys) -> None:
    with serving(whole(thin_net_file)) as server:
        code, _, errors = run(["weights", "get", "fcn8s-voc", "--mirror", mirror_of(server)], capsys)
    assert code == 2
    assert "sent another file: expected the MD5 c03b2953ebd846c270da1a8e8f200c09" in errors
    assert not (folder / "fcn8s-heavy-pascal.caffemodel").exists()


def test_import_takes_a_url_a_name_and_a_path(
    folder: Path, thin_net_file: bytes, tmp_path: Path, capsys
) -> None:
    with serving(whole(thin_net_file)) as server:
        code, output, _ = run(["import", f"{server.url}s/net.caffemodel", "--output", "from_url"], capsys)
        assert code == 0
        assert "Found FCN-8s at once, Pascal VOC." in output
        assert not [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"]
        code, _, errors = run(["import", f"{server.url}s/x", "--output", "from_url"], capsys)
        assert (code, "exists already" in errors, server.requests) == (2, True, [0])
    folder.mkdir(exist_ok=True)
    (folder / FILE).write_bytes(thin_net_file)
    assert run(["import", NAME, "--output", "from_name"], capsys)[0] == 0
    assert run(["import", folder / FILE, "--output", "from_path"], capsys)[0] == 0
    assert json.loads(Path("from_name/licenses.json").read_text())[0]["weights"] == NAME
    page = without_ranges(b"<html><title>Quota exceeded</title>", Content_Type="text/html")
    with serving(page) as server:
        code, _, errors = run(["import", server.url, "--output", "page"], capsys)
    assert code == 2
    assert "sent a web page in place of the file ('Quota exceeded')" in errors
    assert not Path("page").exists()


def test_import_asks_a_url_again_after_a_bad_file(folder: Path, thin_net_file: bytes, capsys) -> None:
    bad = (thin_net_file[: len(thin_net_file) // 2], b'{"error": "quota"}')
    with serving(*map(whole, bad), whole(thin_net_file)) as server:
        command = ["import", f"{server.url}/net.caffemodel", "--output", "run"]
        code, _, errors = run(command, capsys)
        assert (code, "damaged or incomplete" in errors) == (2, True)
        assert not [path for path in folder.rglob("*.caffemodel") if path.is_file()]
        code, _, errors = run(command, capsys)
        assert (code, "Received: text, not weights, that begins with b'{" in errors) == (2, True)
        assert run(command, capsys)[0] == 0
        assert server.requests == [0, 0, 0]


def write_image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
    Image.fromarray(image).save(path)
    return path


@pytest.mark.slow
def test_from_an_empty_folder_to_overlays(folder: Path, thin_net_file: bytes, tmp_path: Path) -> None:
    """As a user types it, from a server that breaks off; the second time there is no server."""
    write_image(tmp_path / "photographs" / "a.jpg")
    environment = os.environ | {"PYTHONPATH": str(HERE)}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)  # then only what fails is shown
    command = [sys.executable, HERE / "infer.py", NAME, "photographs/", "--overlay", "--output"]
    with serving(dropping(thin_net_file, 100_000), whole(thin_net_file)) as server:
        done = subprocess.run(
            [*command, "labels"],
            env=environment | {"FCN_WEIGHTS_MIRROR": mirror_of(server)},
            capture_output=True,
            text=True,
            check=True,
        )
    assert f"{NAME}: {NETS[NAME].title}" in done.stderr
    assert "License: " in done.stderr
    assert "Wrote labels and overlays of 1 image to labels/." in done.stdout
    again = subprocess.run([*command, "again"], env=environment, capture_output=True, text=True, check=True)
    assert without_progress(again.stderr).count("\n") == 1
    assert "to label 1 file" in again.stderr
    for name in ("a.png", "a.overlay.jpg"):
        assert (tmp_path / "labels" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    with Image.open(tmp_path / "labels" / "a.png") as label:
        assert label.size == (50, 40)


@pytest.mark.slow
def test_a_name_is_scored_inspected_and_exported_with_its_license(
    folder: Path, thin_net_file: bytes, tmp_path: Path, make_dataset, capsys
) -> None:
    folder.mkdir()
    (folder / FILE).write_bytes(thin_net_file)
    names = [str(index) for index in range(21)]
    make_dataset(tmp_path / "data", {"train": ["a"], "val": ["b"]}, class_names=tuple(names))
    (tmp_path / "data" / "labels.txt").write_text("\n".join(_class_names()) + "\n")
    code, output, _ = run(["evaluate", NAME, "--data", "data", "--json"], capsys)
    assert (code, json.loads(output)["num_images"]) == (0, 1)
    code, output, _ = run(["inspect", NAME, "--size", "32x32", "--json"], capsys)
    assert code == 0
    code, _, errors = run(["export", NAME, "exported"], capsys)
    assert code == 0, errors
    assert json.loads(Path("exported/1/licenses.json").read_text())[0]["weights"] == NAME
    card = Path("exported/1/model_card.md").read_text()
    assert "## License" in card
    assert "unrestricted use" in card
    assert "is not known here" in card


def _class_names() -> tuple[str, ...]:
    from fcn.classes import VOC_CLASS_NAMES

    return VOC_CLASS_NAMES


@pytest.mark.slow
def test_a_training_starts_from_a_name_and_keeps_the_license(
    folder: Path, thin_net_file: bytes, tmp_path: Path, dataset: Path, capsys
) -> None:
    folder.mkdir()
    (folder / FILE).write_bytes(thin_net_file)
    Path("tiny.yaml").write_text(
        f"data: {{root: '{dataset}'}}\naugmentation: {{crop_size: [32, 32]}}\n"
        "model: {width: 0.03125, fc_channels: 8}\ntrain: {steps: 1, learning_rate: 0.01}\n"
    )
    command = ["train", "tiny.yaml", "--set", "train.steps=1", "--run"]
    with eager_training():
        code, _, errors = run([*command, "first", "--set", f"model.weights={NAME}"], capsys)
        assert code == 0, errors
        assert f"Starting from {NAME}: " in errors
        assert json.loads(Path("first/licenses.json").read_text())[0]["weights"] == NAME
        wider = ["--set", "model.weights=first", "--set", "model.fc_channels=12"]
        code, _, errors = run([*command, "second", *wider], capsys)
        assert code == 0, errors
    assert "newly initialized: fc6, fc7" in errors
    assert json.loads(Path("second/licenses.json").read_text())[0]["weights"] == NAME


@pytest.mark.exhaustive
def test_a_net_of_the_published_size_from_an_empty_folder_to_overlays(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mirror").mkdir()
    write_caffemodel(tmp_path / "mirror" / FILE, build_fcn(8, at_once=True))
    write_image(tmp_path / "photographs" / "a.jpg")
    environment = os.environ | {"PYTHONPATH": str(HERE), "FCN_WEIGHTS_MIRROR": str(tmp_path / "mirror")}
    command = [sys.executable, HERE / "infer.py", NAME, "photographs/", "--overlay", "--output", "labels"]
    subprocess.run(command, env=environment, check=True)
    assert (folder / FILE).stat().st_size > 530e6
    assert (tmp_path / "labels" / "a.overlay.jpg").exists()
