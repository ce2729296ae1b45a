import socket
import sqlite3
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from photographs import write_image

from fcn.cli.main import main
from fcn.errors import BackendError
from fcn.jobs.ray.cluster import Share, open_cluster, reason, share_out
from fcn.jobs.store import STORE_NAME


@pytest.mark.parametrize(
    ("nodes", "actors", "share"),
    [
        ([{"CPU": 2.0}], None, Share(1, 2, 0)),
        ([{"CPU": 2.0}], 2, Share(2, 1, 0)),
        ([{"CPU": 64.0}], None, Share(16, 4, 0)),
        ([{"CPU": 9.0}, {"CPU": 3.0}, {}], None, Share(4, 3, 0)),
        ([{"CPU": 10.0}, {"CPU": 5.0}], 3, Share(3, 5, 0)),
        ([{"CPU": 10.0}, {"CPU": 5.0}], 4, Share(4, 3, 0)),
        ([{"CPU": 16.0, "GPU": 2.0}, {"CPU": 16.0, "GPU": 1.0}, {"CPU": 64.0}], None, Share(3, 1, 1)),
        ([{"CPU": 16.0, "GPU": 2.0}], 1, Share(1, 1, 1)),
    ],
)
def test_a_cluster_is_shared_out(nodes: list[dict[str, float]], actors: int | None, share: Share) -> None:
    assert share_out(nodes, actors) == share


@pytest.mark.parametrize(
    ("node", "actors", "said"),
    [({"CPU": 2.0}, 3, "2 CPUs"), ({"CPU": 8.0, "GPU": 2.0}, 3, "2 GPUs"), ({}, None, "0 CPUs")],
)
def test_more_actors_than_there_is_room_for_are_refused(
    node: dict[str, float], actors: int | None, said: str
) -> None:
    with pytest.raises(BackendError, match=f"the cluster has {said}"):
        share_out([node], actors)


def test_a_line_without_its_end_is_the_reason() -> None:
    assert reason(RuntimeError("\n it is.\n")) == "it is"
    assert reason(TimeoutError()) == "TimeoutError"


def infer(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stopped:
        main(["infer", *(str(argument) for argument in arguments)])
    return int(stopped.value.code or 0), capsys.readouterr().err


def test_without_ray_the_message_says_how_to_install_it(
    model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    photograph = write_image(tmp_path / "a.jpg")
    output = tmp_path / "labels"
    code, errors = infer([model_path, photograph, "--output", output, "--ray"], capsys)
    assert (code, errors.count("\n")) == (2, 2)
    assert "pip install 'keras-fcn[distributed]'" in errors
    assert not output.exists()


@pytest.mark.slow
def test_what_failed_is_not_tried_again_where_no_cluster_is(model_path: Path, tmp_path: Path, capsys) -> None:
    pytest.importorskip("ray")
    write_image(tmp_path / "photographs" / "a.jpg")
    (tmp_path / "photographs" / "b.jpg").write_bytes(b"nothing")
    command: list[object] = [model_path, tmp_path / "photographs", "--output", tmp_path / "labels"]
    assert infer(command, capsys)[0] == 1
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{server.getsockname()[1]}"
        code, errors = infer([*command, "--retry-failed", "--ray", address], capsys)
    assert code == 2
    assert "Ray does not answer" in errors
    with closing(sqlite3.connect(tmp_path / "labels" / STORE_NAME)) as connection:
        statuses = connection.execute("SELECT status FROM images ORDER BY place").fetchall()
    assert statuses == [("done",), ("failed",)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--ray", "photographs"], "--ray after the images"),
        (["--ray", "ray://host:10001"], "expected HOST:PORT,"),
        (["--ray", "host:"], "expected HOST:PORT,"),
        (["--ray", "--actors", "0"], "a whole number of 1 or more"),
        (["--actors", "2"], "needs --ray"),
    ],
)
def test_what_is_no_address_is_refused(options: list[str], said: str, tmp_path: Path, capsys) -> None:
    code, errors = infer(["net.keras", "a.jpg", "--output", tmp_path, *options], capsys)
    assert code == 2
    assert said in errors


def test_where_ray_does_not_answer_is_known_in_seconds() -> None:
    pytest.importorskip("ray")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(BackendError, match=r"refused.* Start it"), open_cluster(address):
            pass
        server.listen()

        def answer() -> None:
            with server.accept()[0] as connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(BackendError, match="another program has this port"), open_cluster(address):
            pass
        thread.join()
        with pytest.raises(BackendError, match="timed out"), open_cluster(address):
            pass
