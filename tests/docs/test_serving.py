"""The clients of docs/serving.md, copied from the page."""

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_server import running_grpc
from http_server import running_server
from pausable_engine import PausableEngine
from tensorflow import make_ndarray, make_tensor_proto
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from fcn.data.image_io import Pixels, encode_png, read_label

TEXT = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()
ADDRESS = "http://localhost:8501/v1/models/fcn/labels/stable:predict"


def blocks(language: str) -> list[str]:
    """The code of the page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


CURL, (SEGMENT, CLIENT, GRPC) = "".join(blocks("sh")), blocks("python")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a server that says of each pixel what its red is; it has no labels of versions."""
    with running_server(tmp_path_factory.mktemp("model"), PausableEngine(num_classes=4)) as server:
        yield f"http://127.0.0.1:{server.port}/v1/models/fcn:predict"


def image_and_label(seed: int, height: int, width: int) -> tuple[bytes, Pixels]:
    """Returns a file, and what its label is going to be."""
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0] = np.random.default_rng(seed).integers(0, 4, (height, width))
    return encode_png(image), image[..., 0]


def test_the_lines_for_curl_write_a_label(url: str, tmp_path: Path) -> None:
    if shutil.which("curl") is None or shutil.which("jq") is None:
        pytest.skip("needs curl and jq")
    data, label = image_and_label(0, 31, 47)
    (tmp_path / "image.jpg").write_bytes(data)
    assert CURL.count(ADDRESS) == 1
    lines = ["bash", "-euo", "pipefail", "-c", CURL.replace(ADDRESS, url)]
    subprocess.run(lines, cwd=tmp_path, check=True, timeout=60)
    assert np.array_equal(read_label(tmp_path / "label.png"), label)


def test_the_client_of_segment_writes_a_label(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, label = image_and_label(0, 31, 47)
    monkeypatch.chdir(tmp_path)
    Path("image.jpg").write_bytes(data)
    shown = "http://127.0.0.1:8501/v1/models/fcn:segment"
    assert SEGMENT.count(shown) == 1
    exec(SEGMENT.replace(shown, url.replace(":predict", ":segment")), {})
    assert np.array_equal(read_label(Path("label.png")), label)
    assert sum(ast.literal_eval(capsys.readouterr().out).values()) == pytest.approx(1, abs=1e-4)


def run_client(url: str, *images: Path) -> subprocess.CompletedProcess[str]:
    assert CLIENT.count(ADDRESS) == 1
    command = [sys.executable, "-I", "-c", CLIENT.replace(ADDRESS, url), *images]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_client_labels_images_of_several_sizes(url: str, tmp_path: Path) -> None:
    labels = {}
    for seed, size in enumerate([(20, 30), (41, 23)]):
        path = tmp_path / f"{seed}.jpg"
        data, labels[path] = image_and_label(seed, *size)
        path.write_bytes(data)
    done = run_client(url, *labels)
    assert done.returncode == 0, done.stderr
    for (path, label), line in zip(labels.items(), done.stdout.splitlines(), strict=True):
        assert np.array_equal(read_label(path.with_name(path.name + ".label.png")), label)
        largest = np.bincount(label.ravel()).argmax()
        share = np.count_nonzero(label == largest) / label.size
        assert line.startswith(f"{path}: class {largest}: {share:.1%}, ")
        assert line.endswith("; mean confidence 0.500")


def test_the_client_says_what_the_server_said(url: str, tmp_path: Path) -> None:
    (tmp_path / "words.jpg").write_text("no image")
    done = run_client(url, tmp_path / "words.jpg")
    assert done.returncode == 1
    assert done.stderr.startswith("400: ")
    assert "Traceback" not in done.stderr


def test_the_client_needs_python_alone_and_is_short() -> None:
    imports = [node for node in ast.walk(ast.parse(CLIENT)) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {alias.name for node in imports if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in imports if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names
    assert len([line for line in CLIENT.splitlines() if line]) <= 24


class Servicer(prediction_service_pb2_grpc.PredictionServiceServicer):  # type: ignore[misc]
    """Answers with a label of 5 MiB, and keeps what it was asked."""

    LABEL = b"label" * 2**20

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def Predict(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self.asked.append(request)
        answer = predict_pb2.PredictResponse()
        answer.outputs["label_png_bytes"].CopyFrom(make_tensor_proto([self.LABEL]))
        return answer


@pytest.fixture
def servicer() -> Iterator[tuple[Servicer, str]]:
    """A server of TensorFlow Serving's own messages, and its address."""
    with ThreadPoolExecutor(1) as pool:
        server, servicer = grpc.server(pool), Servicer()
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(servicer, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield servicer, f"127.0.0.1:{port}"
        server.stop(None).wait()


def test_the_client_for_grpc_takes_answers_beyond_4_mib(
    servicer: tuple[Servicer, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, address = servicer
    monkeypatch.chdir(tmp_path)
    Path("image.jpg").write_bytes(b"image")
    exec(GRPC.replace("localhost:8500", address), {})
    assert Path("label.png").read_bytes() == Servicer.LABEL
    (request,) = server.asked
    assert (request.model_spec.name, request.model_spec.version_label) == ("fcn", "stable")
    assert make_ndarray(request.inputs["image_bytes"]).tolist() == [b"image"]
    careless, count = re.subn(r", options=\[.*\]", "", GRPC.replace("localhost:8500", address))
    assert count == 1
    with pytest.raises(grpc.RpcError, match="larger than max") as refused:
        exec(careless, {})
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_the_client_for_grpc_works_with_our_server_without_the_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, label = image_and_label(0, 31, 47)
    monkeypatch.chdir(tmp_path)
    Path("image.jpg").write_bytes(data)
    code, count = re.subn(r"(\.name), request\.model_spec\.version_label = (\S+), .*", r"\1 = \2", GRPC)
    assert count == 1
    (tmp_path / "model").mkdir()
    with running_grpc(tmp_path / "model", PausableEngine(num_classes=4)) as server:
        exec(code.replace("localhost:8500", server.address), {})
    assert np.array_equal(read_label(tmp_path / "label.png"), label)


def test_what_is_said_of_sizes_is_so() -> None:
    height, width, num_classes = 375, 500, 21
    text = " ".join(TEXT.split())  # lines may end anywhere
    numbers = np.random.default_rng(0).integers(0, 256, height * width * 3).tolist()
    assert f"{len(numbers):,} numbers" in text
    assert f"{len(json.dumps(numbers)) / 1e6:.1f} MB of text" in text
    assert f"{height * width * num_classes * 4 / 1e6:.2f} million bytes" in text
