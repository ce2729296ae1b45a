import re
import shutil
import time

import numpy as np
import pytest
from http_server import model_metrics, server_resources, wait_until

from fcn.classes import VOC_CLASS_NAMES, Classes
from fcn.inference.engines.exported import classes_document
from fcn.inference.footprint import footprint
from fcn.inference.predictor import Predictor
from fcn.inference.tiling.memory import RESERVED_GIGABYTES, least_map_bytes
from fcn.runs.arrival import write_file_sizes
from fcn.runs.folder import exported_version
from fcn.server.decoding import DECODERS_BYTES
from fcn.server.engine_memory import EngineMemory, NotEnoughMemoryError
from fcn.server.versions import VersionManager
from fcn.system.files import write_json

FULL_NET_BYTES = 540_000_000
"""Of the weights of FCN-8s on VGG16 in float32."""


def full_net(folder, number):
    """Returns a version as large as one of a full net; its file has only holes."""
    version = folder / str(number)
    (version / "variables").mkdir(parents=True)
    (version / "assets").mkdir()
    with (version / "variables" / "variables.data-00000-of-00001").open("wb") as weights:
        weights.truncate(FULL_NET_BYTES)
    (version / "saved_model.pb").touch()
    write_json(version / "assets" / "classes.json", classes_document(Classes.named(VOC_CLASS_NAMES)))
    return version


def test_a_model_takes_its_largest_weights_and_the_smallest_window(tmp_path):
    version = full_net(tmp_path, 1)
    (version / "openvino").mkdir()
    (version / "openvino" / "int8.bin").write_bytes(bytes(1000))
    # 277 MB: 936 bytes for each of the 544 x 544 pixels.
    assert footprint(tmp_path) == footprint(version) == (810_000_000, 936 * 544**2)


def test_the_default_memory_holds_two_full_nets(tmp_path):
    memory = EngineMemory(4, DECODERS_BYTES)
    first = memory.reserve(full_net(tmp_path, 1))
    second = memory.reserve(full_net(tmp_path, 2))
    with pytest.raises(
        NotEnoughMemoryError, match=r"3: needs --memory 4.52 beside what is loaded"
    ) as refused:
        memory.reserve(full_net(tmp_path, 3))
    assert str(refused.value).endswith("Received: 4. Allow more, or serve fewer models.")
    first.free()
    memory.reserve(tmp_path / "3")
    second.free()


def test_a_file_takes_its_size(tmp_path):
    (tmp_path / "net.keras").write_bytes(bytes(1000))
    assert footprint(tmp_path / "net.keras") == (1500, 0)


class LargeImageBatcher:
    """A batcher with a large image that takes longer than anyone waits."""

    def finish_large(self, timeout):
        time.sleep(max(0.0, timeout))


def test_large_images_of_all_models_are_waited_for_together(tmp_path):
    memory = EngineMemory(8)
    for number in (1, 2, 3):
        memory.reserve(full_net(tmp_path, number)).attach(None, LargeImageBatcher())
    begin = time.monotonic()
    memory.finish_large(0.3)
    assert 0.2 < time.monotonic() - begin < 0.6


def settled(versions, number):
    """Waits until a version is loaded or refused; returns its state."""

    def find():
        return [state for state in versions.states() if state.version == number]

    wait_until(lambda: find() and find()[0].state in ("AVAILABLE", "END"))
    return find()[0]


@pytest.mark.slow
def test_real_versions_share_a_small_memory(plain_export, tmp_path):
    version = exported_version(plain_export)
    weights, maps = footprint(version)
    assert weights > 100_000
    assert maps == least_map_bytes(Predictor(version).engine._engine)
    one = RESERVED_GIGABYTES + maps / 1e9
    for gigabytes, fits in ((one + 0.5 * weights / 1e9, False), (one + 1.5 * weights / 1e9, True)):
        folder = tmp_path / str(fits)
        shutil.copytree(version, folder / "1")
        write_file_sizes(folder / "1")

        def open_predictor(path, gigabytes=gigabytes):
            return Predictor(path, memory_gigabytes=gigabytes)

        versions = VersionManager(
            folder, open_predictor, server_resources(gigabytes), model_metrics(), 0.02, 0.5
        )
        shutil.copytree(folder / "1", folder / "2")
        newest = settled(versions, 2)
        assert newest.state == ("AVAILABLE" if fits else "END")
        if not fits:
            needed = float(re.search(r"needs --memory (\S+) beside", newest.error)[1])
            assert one + weights / 1e9 <= needed < one + weights / 1e9 + 0.01
        with versions.lease(None) as loaded:
            assert loaded.number == (2 if fits else 1)
            large = np.zeros((600, 900, 3), np.uint8)  # in windows
            answer = loaded.batcher.submit(large, float("inf")).result(60)
            assert answer.label.shape == (600, 900)
        versions.close()
