import shutil
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from grpc_server import running_services
from http_server import model_metrics, running_app, running_service, server_resources
from pausable_engine import PausableEngine, flat

from fcn.data.image_io import encode_png
from fcn.errors import RunError
from fcn.inference.predictor import Predictor
from fcn.runs.arrival import Arrivals, write_file_sizes
from fcn.server.app import ServerSettings, create_app
from fcn.server.grpc.messages import read_message
from fcn.server.interface import ErrorKind, ServerError
from fcn.server.served_models import ServedModels
from fcn.server.service import Service
from fcn.server.versions import VersionManager

NEVER = float("inf")


def add_version(folder, number):
    (folder / str(number)).mkdir(parents=True)
    (folder / str(number) / "saved_model.pb").touch()


class Opened(dict):
    """The engines that were opened, by the names of their folders; a version tells apart as many classes."""

    def __init__(self):
        super().__init__()
        self.broken = set()

    def __call__(self, path):
        if path.name in self.broken:
            raise RunError(f"{path}: cannot be read.")
        self[path.name] = PausableEngine(num_classes=int(path.name))
        return Predictor.from_engine(self[path.name])


@pytest.fixture
def opened():
    return Opened()


@pytest.fixture
def folder(tmp_path):
    add_version(tmp_path, 2)
    add_version(tmp_path, 3)
    return tmp_path


@pytest.fixture
def versions(folder, opened):
    resources = server_resources(stop_seconds=20, answer_seconds=2)
    versions = VersionManager(
        folder, opened, resources, model_metrics(), poll_seconds=0.02, settle_seconds=0.5
    )
    yield versions
    for engine in opened.values():
        engine.resumed.set()
    versions.close()


def wait_until(happened):
    until = time.monotonic() + 10
    while not happened():
        if time.monotonic() > until:
            raise TimeoutError("it did not happen")
        time.sleep(0.01)


def opens(engine):
    """Returns a function that opens an engine, whatever the path."""
    return lambda path: Predictor.from_engine(engine)


def states(versions):
    return {state.version: state.state for state in versions.states()}


def newest(versions):
    with versions.lease(None) as loaded:
        return loaded.number


def test_the_highest_version_is_loaded_and_warm(versions, opened):
    assert states(versions) == {3: "AVAILABLE"}
    assert list(opened) == ["3"]
    assert len(opened["3"].batches) == 1
    with versions.lease(3) as loaded:
        assert loaded.signatures["predict_logits"].outputs["logits"].shape[-1] == 3


def test_another_version_is_refused_with_the_one_to_ask_for(versions):
    with pytest.raises(ServerError, match="request version 3") as refused, versions.lease(2):
        pass
    assert refused.value.kind is ErrorKind.NOT_FOUND


def test_a_new_version_takes_over_while_the_old_one_answers_what_it_has(versions, folder, opened):
    with versions.lease(None) as old:
        opened["3"].resumed.clear()
        waiting = old.batcher.submit(flat(7), NEVER)
        add_version(folder, 10)  # higher as a number, not as a word
        wait_until(lambda: newest(versions) == 10)
        assert states(versions)[3] == "UNLOADING"
        # A running request may still use the old one.
        late = old.batcher.submit(flat(8), NEVER)
        opened["3"].resumed.set()
        assert [waiting.result(10).label[0, 0], late.result(10).label[0, 0]] == [7, 8]
    wait_until(lambda: states(versions) == {10: "AVAILABLE", 3: "END"})


def test_no_request_is_dropped_while_versions_change(versions, folder):
    answers, errors, stop = set(), [], threading.Event()

    def ask():
        while not stop.is_set():
            try:
                with versions.lease(None) as loaded:
                    label = loaded.batcher.submit(flat(5), NEVER).result(10)
                    answers.add((loaded.number, int(label.label[0, 0])))
            except Exception as error:
                errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in (4, 5, 6):
        add_version(folder, number)
        wait_until(lambda: states(versions).get(number) == "AVAILABLE")  # noqa: B023
    wait_until(lambda: (6, 5) in answers)
    stop.set()
    for thread in threads:
        thread.join(20)
    assert not errors
    assert {(3, 5), (6, 5)} <= answers


def test_the_version_before_comes_back_when_the_newest_is_taken_away(versions, folder):
    shutil.rmtree(folder / "3")
    wait_until(lambda: newest(versions) == 2)


def test_all_versions_taken_away_leave_the_loaded_one(versions, folder, opened):
    for number in ("2", "3"):
        shutil.rmtree(folder / number)
    time.sleep(0.2)
    assert newest(versions) == 3


def test_a_version_that_cannot_be_loaded_changes_nothing_and_is_tried_again(versions, folder, opened, caplog):
    opened.broken.add("9")
    add_version(folder, 9)
    wait_until(lambda: states(versions).get(9) == "END")
    (broken,) = (state for state in versions.states() if state.version == 9)
    assert broken.error == "cannot be read."  # its path is in the log only
    said = f"{folder}/9: cannot be read."  # by the thread that set the state, a moment later
    wait_until(lambda: said in [getattr(record, "error", None) for record in caplog.records])
    assert newest(versions) == 3
    opened.broken.clear()
    wait_until(lambda: newest(versions) == 9)


def test_a_damaged_newest_version_does_not_keep_a_server_from_starting(folder, opened):
    opened.broken.add("3")
    versions = VersionManager(folder, opened, server_resources(), model_metrics(), 0.02, 0.5)
    assert states(versions) == {3: "END", 2: "AVAILABLE"}
    opened.broken.clear()
    wait_until(lambda: newest(versions) == 3)
    versions.close()


def test_no_version_that_can_be_loaded_is_said(folder, opened):
    opened.broken |= {"2", "3"}
    with pytest.raises(RunError, match="3: cannot be read"):
        VersionManager(folder, opened, server_resources(), model_metrics(), settle_seconds=0.0)


def test_a_version_that_cannot_label_is_not_taken(folder, opened):
    class Broken(PausableEngine):
        def label(self, images):
            raise RuntimeError("no such operation")

    with pytest.raises(RuntimeError, match="no such operation"):
        VersionManager(
            folder,
            opens(Broken()),
            server_resources(),
            model_metrics(),
            settle_seconds=0.0,
        )


def test_a_version_that_has_too_little_memory_to_begin_with_is_a_mistake_of_who_runs_it(folder, opened):
    class Large(PausableEngine):
        def label(self, images):
            raise MemoryError

    with pytest.raises(RunError, match=r"3: cannot label a first image of 512 x 384 pixels.*memory"):
        VersionManager(
            folder,
            opens(Large()),
            server_resources(),
            model_metrics(),
            settle_seconds=0.0,
        )


def test_a_version_that_is_named_itself_is_not_replaced(folder, opened):
    versions = VersionManager(folder / "2", opened, server_resources(), model_metrics(), 0.02, 0.5)
    add_version(folder, 4)
    time.sleep(0.2)
    assert newest(versions) == 2
    versions.close()


def test_no_model_at_all_is_said_before_anything_is_opened(tmp_path, opened):
    with pytest.raises(RunError, match="no such model"):
        VersionManager(tmp_path / "none", opened, server_resources(), model_metrics(), settle_seconds=0.0)
    assert not opened


def test_a_version_that_is_still_copied_is_not_taken(versions, folder, opened):
    copied = folder / "7"
    (copied / "variables").mkdir(parents=True)
    (copied / "saved_model.pb").touch()
    for size in range(1, 40):  # for longer than a version settles
        (copied / "variables" / "data").write_bytes(bytes(size))
        time.sleep(0.02)
        assert newest(versions) == 3
    wait_until(lambda: newest(versions) == 7)


@pytest.mark.parametrize("first", ["files.json", "saved_model.pb"])
def test_a_version_that_lists_its_files_is_taken_when_all_are_there(
    versions, folder, tmp_path_factory, first
):
    whole = tmp_path_factory.mktemp("whole")
    (whole / "saved_model.pb").write_bytes(bytes(9))
    (whole / "openvino").mkdir()
    (whole / "openvino" / "model.bin").write_bytes(bytes(99))
    write_file_sizes(whole)
    copied = folder / "7"
    (copied / "openvino").mkdir(parents=True)
    shutil.copy(whole / first, copied)
    for name in ("files.json", "saved_model.pb"):
        shutil.copy(whole / name, copied)
    (copied / "openvino" / "model.bin").write_bytes(bytes(98))
    time.sleep(0.5)
    assert newest(versions) == 3
    shutil.copy(whole / "openvino" / "model.bin", copied / "openvino")
    wait_until(lambda: newest(versions) == 7)


def test_a_version_is_loaded_again_when_another_format_arrives(versions, folder, opened):
    before = opened["3"]
    (folder / "3" / "openvino").mkdir()
    (folder / "3" / "openvino" / "model.xml").touch()
    wait_until(lambda: opened["3"] is not before and states(versions) == {3: "AVAILABLE"})
    with versions.lease(None) as loaded:
        assert loaded.batcher.submit(flat(5), NEVER).result(10).label[0, 0] == 5
    after = opened["3"]
    time.sleep(0.8)  # nothing new
    (folder / "3" / "openvino" / "model.xml").unlink()
    time.sleep(0.8)
    assert opened["3"] is after


def test_a_format_that_arrives_while_its_version_is_opened_is_taken_afterwards(manage, tmp_path):
    add_weights(tmp_path, 1, 1)
    formats = []

    def open_engine(path):
        formats.append((path / "openvino").exists())
        (path / "openvino").mkdir(exist_ok=True)
        (path / "openvino" / "model.xml").touch()
        return Predictor.from_engine(Sized())

    versions, _ = manage(4, open_engine=open_engine)
    wait_until(lambda: formats == [False, True] and states(versions) == {1: "AVAILABLE"})
    time.sleep(0.8)
    assert formats == [False, True]


def test_a_format_that_is_still_copied_is_not_taken_into_a_version_that_lists_its_files(
    versions, folder, opened
):
    write_file_sizes(folder / "3")
    wait_until(lambda: len(opened) == 1 and states(versions) == {3: "AVAILABLE"})
    time.sleep(0.5)
    before = opened["3"]
    (folder / "3" / "openvino").mkdir()
    for size in range(1, 40):  # for longer than a version settles
        (folder / "3" / "openvino" / "model.bin").write_bytes(bytes(size))
        time.sleep(0.02)
        assert opened["3"] is before
    wait_until(lambda: opened["3"] is not before)


def test_a_version_that_cannot_be_loaded_again_stays_available(versions, folder, opened):
    opened.broken.add("3")
    (folder / "3" / "model.onnx").touch()
    time.sleep(1.2)
    assert states(versions) == {3: "AVAILABLE"}
    with versions.lease(None) as loaded:
        assert loaded.batcher.submit(flat(5), NEVER).result(10).label[0, 0] == 5


def test_links_in_a_version_are_followed(versions, folder, tmp_path_factory):
    """As Kubernetes mounts a volume: files lie in a folder "..data"."""
    whole = tmp_path_factory.mktemp("whole")
    (whole / "..data" / "variables").mkdir(parents=True)
    (whole / "..data" / "saved_model.pb").write_bytes(bytes(9))
    (whole / "..data" / "variables" / "data").write_bytes(bytes(99))
    write_file_sizes(whole / "..data")
    for name in ("saved_model.pb", "variables", "files.json"):
        (whole / name).symlink_to(Path("..data") / name)
    assert Arrivals(3600).has_arrived(whole)
    (whole / "..data" / "variables" / "data").write_bytes(bytes(98))
    assert not Arrivals(3600).has_arrived(whole)


def test_a_start_waits_for_the_first_version(tmp_path, opened):
    add_version(tmp_path, 1)
    begin = time.monotonic()
    versions = VersionManager(tmp_path, opened, server_resources(), model_metrics(), 0.02, 0.5)
    assert time.monotonic() - begin > 0.3
    assert newest(versions) == 1
    versions.close()


class Sized(PausableEngine):
    """An engine whose maps are limited, as `TiledEngine` limits them."""

    least_map_bytes = 300_000_000

    def __init__(self):
        super().__init__()
        self.map_bytes, self.released = 0, 0

    def limit(self, map_bytes):
        assert map_bytes >= self.least_map_bytes
        self.map_bytes = map_bytes

    def needed_bytes(self, shape):
        return self.map_bytes

    def release(self):
        self.released += 1


def add_weights(folder, number, megabytes):
    """Adds a version whose weights take so many megabytes in memory; on disk, its file has only holes."""
    (folder / str(number) / "variables").mkdir(parents=True)
    with (folder / str(number) / "variables" / "variables.data-00000-of-00001").open("wb") as weights:
        weights.truncate(megabytes * 1_000_000 * 2 // 3)
    (folder / str(number) / "saved_model.pb").touch()
    write_file_sizes(folder / str(number))


@pytest.fixture
def manage(tmp_path):
    """Makes managers of the versions in a folder, whose engines have limits."""
    managers, engines = [], {}

    def open_engine(path):
        engines[path.name] = Sized()
        return Predictor.from_engine(engines[path.name])

    def manage(gigabytes, swap="beside", open_engine=open_engine, **limits):
        resources = server_resources(gigabytes, swap, **{"answer_seconds": 2, **limits})
        managers.append(VersionManager(tmp_path, open_engine, resources, model_metrics(), 0.02, 0.5))
        return managers[-1], engines

    yield manage
    for manager in managers:
        manager.close()


def test_versions_that_fit_share_the_memory_and_the_new_one_gets_it_all(manage, tmp_path):
    add_weights(tmp_path, 1, 800)
    versions, engines = manage(4)
    assert engines["1"].map_bytes == pytest.approx(1.5e9)
    lowest = []
    engines["1"].limit = lambda map_bytes: lowest.append(map_bytes)
    with versions.lease(None) as loaded:  # the old one has a request until both are loaded
        add_weights(tmp_path, 2, 800)
        wait_until(lambda: newest(versions) == 2)
        assert engines["2"].map_bytes == pytest.approx(0.7e9)
        assert loaded.batcher.submit(flat(5), NEVER).result(10).label[0, 0] == 5
    wait_until(lambda: states(versions) == {1: "END", 2: "AVAILABLE"})
    assert min(lowest) == pytest.approx(0.7e9)
    assert engines["2"].map_bytes == pytest.approx(1.5e9)


def test_engines_are_within_the_lower_limit_before_a_version_is_opened(manage, tmp_path):
    add_weights(tmp_path, 1, 800)
    opened = []

    def open_engine(path):
        engine = Sized()
        opened.append((path.name, [other.released for _, _, other in opened], engine))
        return Predictor.from_engine(engine)

    versions, _ = manage(4, open_engine=open_engine, answer_seconds=20, stop_seconds=20)
    (_, _, first) = opened[0]
    first.resumed.clear()
    first.started.clear()
    with versions.lease(None) as loaded:
        waiting = loaded.batcher.submit(flat(5), NEVER)  # in one piece, with 1.5 GB
    assert first.started.wait(10)
    add_weights(tmp_path, 2, 800)
    wait_until(lambda: first.map_bytes == pytest.approx(0.7e9))
    time.sleep(0.2)
    assert len(opened) == 1
    first.resumed.set()
    assert waiting.result(10).label[0, 0] == 5
    wait_until(lambda: newest(versions) == 2)
    assert [(name, released) for name, released, _ in opened] == [("1", []), ("2", [1])]


def test_a_version_that_does_not_fit_is_refused_with_the_number_needed(manage, tmp_path, caplog):
    add_weights(tmp_path, 1, 800)
    versions, engines = manage(3.5)
    add_weights(tmp_path, 2, 900)
    wait_until(lambda: states(versions).get(2) == "END")
    (refused,) = (state for state in versions.states() if state.version == 2)
    # 2.5 for the process with the larger weights, 0.8 for the others, and the maps of a window.
    assert "needs --memory 3.60 beside what is loaded. Received: 3.5." in refused.error
    assert "--swap drain" in refused.error
    assert "version could not be loaded" in [record.message for record in caplog.records]
    assert (newest(versions), list(engines)) == (1, ["1"])
    assert engines["1"].map_bytes == pytest.approx(1e9)


def test_a_version_that_does_not_fit_takes_the_place_of_the_old_one_with_drain(manage, tmp_path):
    add_weights(tmp_path, 1, 800)
    loads = threading.Event()

    def open_engine(path):
        if path.name == "2":
            assert loads.wait(20)
        return Predictor.from_engine(Sized())

    versions, _ = manage(3.5, "drain", open_engine)
    with versions.lease(None) as loaded:
        add_weights(tmp_path, 2, 900)
        wait_until(lambda: states(versions).get(1) == "UNLOADING")
        # What was accepted is answered by the old one.
        assert loaded.batcher.submit(flat(5), NEVER).result(10).label[0, 0] == 5
        assert states(versions)[2] == "END"
        assert "--swap" not in versions.states()[0].error  # it is drained
    wait_until(lambda: states(versions) == {1: "END", 2: "LOADING"})
    with pytest.raises(ServerError, match="Another version") as refused:
        newest(versions)
    assert refused.value.kind is ErrorKind.STOPPING
    assert refused.value.retry_after_seconds >= 1
    loads.set()
    wait_until(lambda: states(versions) == {1: "END", 2: "AVAILABLE"})
    assert newest(versions) == 2


def test_the_old_version_comes_back_when_the_new_one_cannot_be_loaded_and_that_is_tried_once(
    manage, tmp_path
):
    add_weights(tmp_path, 1, 800)
    opened = []

    def open_engine(path):
        opened.append(path.name)
        if path.name == "2" and len(opened) < 4:
            raise RunError(f"{path}: cannot be read.")
        return Predictor.from_engine(Sized())

    versions, _ = manage(3.5, "drain", open_engine)
    add_weights(tmp_path, 2, 900)
    wait_until(lambda: len(opened) == 3 and states(versions) == {1: "AVAILABLE", 2: "END"})
    time.sleep(0.3)
    assert opened == ["1", "2", "1"]
    assert newest(versions) == 1
    (tmp_path / "2" / "assets").mkdir()
    (tmp_path / "2" / "assets" / "model.json").touch()
    write_file_sizes(tmp_path / "2")
    wait_until(lambda: len(opened) == 4)
    wait_until(lambda: states(versions) == {1: "END", 2: "AVAILABLE"})


@pytest.mark.slow
def test_a_version_that_takes_too_long_to_unload_is_served_again_when_its_memory_is_free(manage, tmp_path):
    add_weights(tmp_path, 1, 800)
    versions, engines = manage(3.5, "drain", answer_seconds=1, stop_seconds=1)
    slow = engines["1"]
    slow.resumed.clear()
    with versions.lease(None) as loaded:
        waiting = loaded.batcher.submit(flat(5), NEVER)
    assert slow.started.wait(10)
    add_weights(tmp_path, 2, 900)
    wait_until(lambda: states(versions) == {1: "END", 2: "END"})
    time.sleep(1)
    with pytest.raises(ServerError, match="Another version"):
        newest(versions)
    slow.resumed.set()
    assert waiting.result(10).label[0, 0] == 5
    wait_until(lambda: states(versions) == {1: "AVAILABLE", 2: "END"})
    assert engines["1"].map_bytes == pytest.approx(1e9)
    assert newest(versions) == 1


@pytest.mark.slow
def test_the_first_image_may_take_longer_than_clients_are_promised_for_theirs(manage, tmp_path):
    class Compiling(Sized):
        def label(self, images):
            if not self.batches:
                time.sleep(1)
            return super().label(images)

    add_weights(tmp_path, 1, 1)
    versions, _ = manage(4, open_engine=opens(Compiling()), answer_seconds=0.25)
    assert newest(versions) == 1


@pytest.mark.slow
def test_an_engine_that_hangs_with_its_first_image_is_left_behind(manage, tmp_path, monkeypatch):
    monkeypatch.setattr("fcn.server.loaded_version._WARM_UP_SECONDS", 3.0)
    add_weights(tmp_path, 1, 1)
    hanging = Sized()
    hanging.resumed.clear()
    versions, _ = manage(
        4, open_engine=lambda path: Predictor.from_engine(hanging if path.name == "2" else Sized())
    )
    add_weights(tmp_path, 2, 1)
    wait_until(lambda: states(versions).get(2) == "END")
    (state,) = (state for state in versions.states() if state.version == 2)
    assert state.error.startswith("has not labeled a first image of 512 x 384 pixels within 4 s")
    with versions.lease(None) as loaded:
        assert loaded.number == 1
        assert loaded.batcher.submit(flat(5), NEVER).result(10).label[0, 0] == 5
    hanging.resumed.set()


@pytest.mark.slow
def test_the_time_to_stop_is_for_all_models_and_threads_together(tmp_path):
    resources = server_resources(answer_seconds=1.5, stop_seconds=1.5)
    managers, engines, go_on = [], [], threading.Event()
    with ExitStack() as requests:
        for name in ("voc", "camvid", "own"):
            add_version(tmp_path / name, 1)
            write_file_sizes(tmp_path / name / "1")
            engines.append(PausableEngine())
            managers.append(VersionManager(tmp_path / name, opens(engines[-1]), resources, model_metrics()))
            engines[-1].resumed.clear()
            loaded = requests.enter_context(managers[-1].lease(None))
            loaded.batcher.submit(flat(1), NEVER)
        running = [resources.codec_threads.submit(go_on.wait, 20) for _ in range(3)]
        begin = time.monotonic()
        for manager in managers:
            manager.close()
        resources.close()
        assert 1.4 < time.monotonic() - begin < 3
        assert [one.cancelled() for one in running] == [False, False, True]
    go_on.set()
    for engine in engines:
        engine.resumed.set()


def test_no_exception_ends_the_watch(manage, tmp_path, monkeypatch, caplog):
    add_weights(tmp_path, 1, 1)
    versions, _ = manage(4)
    broken = threading.Event()

    def find(manager):
        broken.set()
        raise KeyError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr(VersionManager, "_find_wanted", find)
        assert broken.wait(10)
        time.sleep(0.2)
    assert [record.exc_info[1].args for record in caplog.records if record.exc_info] == [("a bug",)]
    add_weights(tmp_path, 2, 1)
    wait_until(lambda: newest(versions) == 2)


@pytest.mark.slow
def test_requests_are_told_when_to_come_again_while_a_version_is_replaced(tmp_path):
    add_weights(tmp_path, 1, 800)
    loads = threading.Event()

    def open_predictor(path):
        assert path.name == "1" or loads.wait(30)
        return Predictor.from_engine(Sized())

    resources = server_resources(3.5, "drain")
    service = Service("fcn", tmp_path, open_predictor, resources)
    try:
        with running_service(service) as server:
            add_weights(tmp_path, 2, 900)
            wait_until(lambda: server.client.get("/v2/health/ready").status_code == 503)
            for method, path in (
                ("POST", "/v1/models/fcn:segment"),
                ("GET", "/v1/models/fcn:classes"),
                ("GET", "/v2/models/fcn/ready"),
            ):
                refused = server.client.request(method, path, content=encode_png(flat(1)))
                assert (refused.status_code, int(refused.headers["retry-after"]) >= 1) == (503, True)
                assert refused.json()["error"].startswith("Another version of the model is being loaded")
            states = server.client.get("/v1/models/fcn").json()["model_version_status"]
            assert {state["version"]: state["state"] for state in states}["1"] == "END"
            index = server.client.post("/v2/repository/index").json()
            assert {one["version"]: one["state"] for one in index}["1"] == "UNAVAILABLE"
            loads.set()
            wait_until(lambda: server.client.get("/v2/health/ready").status_code == 200)
            answer = server.client.post("/v1/models/fcn:segment", content=encode_png(flat(1)))
            assert (answer.status_code, answer.headers["x-fcn-version"]) == (200, "2")
    finally:
        loads.set()
        service.close()
        resources.close()


@pytest.mark.slow
def test_lists_have_the_other_models_while_a_version_is_replaced(tmp_path):
    for name, megabytes in (("voc", 800), ("camvid", 1)):
        add_weights(tmp_path / name, 1, megabytes)
    loads = threading.Event()

    def open_predictor(path):
        assert path.name == "1" or loads.wait(30)
        return Predictor.from_engine(Sized())

    resources = server_resources(3.5, "drain")
    services = [Service(name, tmp_path / name, open_predictor, resources) for name in ("voc", "camvid")]
    models = ServedModels(services)
    try:
        with running_app(create_app(models, resources, ServerSettings()), resources) as (_, client):
            add_weights(tmp_path / "voc", 2, 900)
            wait_until(lambda: client.get("/v2/models/voc/ready").status_code == 503)
            assert client.get("/v2/models/camvid/ready").status_code == 200
            statistics = client.get("/v2/models/stats")
            assert statistics.status_code == 200
            assert [one["name"] for one in statistics.json()["model_stats"]] == ["camvid"]
            assert client.get("/v2/models/voc/stats").status_code == 503
            assert {one["name"] for one in client.post("/v2/repository/index").json()} == {"voc", "camvid"}
            with running_services(services) as server:
                answer = server.call("/inference.GRPCInferenceService/ModelStatistics", b"")
                listed = read_message("inference.ModelStatisticsResponse", answer).model_stats
                assert [one.name for one in listed] == ["camvid"]
            loads.set()
            wait_until(lambda: len(client.get("/v2/models/stats").json()["model_stats"]) == 2)
    finally:
        loads.set()
        for service in services:
            service.close()
        resources.close()
