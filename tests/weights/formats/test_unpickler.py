import io
import os
import pickle
import struct
import time
import tracemalloc
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from fcn.errors import RunError
from fcn.weights.formats.unpickler import Global, Span, Unpickler
from fcn.weights.reader import read_layers

PATH = Path("weights.npy")


def load(content: bytes, **options):
    options = {"calls": {}, **options}
    return Unpickler(io.BytesIO(content), PATH, 0, len(content), **options).load()


PLAIN = [
    None,
    True,
    False,
    0,
    255,
    65535,
    -1,
    2**31 - 1,
    2**70,
    -(2**70),
    1.5,
    "text",
    "tëxt",
    b"bytes",
    [],
    {},
    (),
    [1, [2, [3]]],
    (1, 2, 3, 4),
    {"a": [1, 2], b"b": (None,), 3: {}},
    ["again"] * 3,
]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("value", PLAIN, ids=repr)
def test_plain_values_come_back(value, protocol):
    if type(value) is bytes or (type(value) is dict and b"b" in value):
        # Protocol 2 has no bytes; Python 3 writes a call.
        protocol = max(protocol, 3)
    found = load(pickle.dumps(value, protocol))
    assert found == value
    assert type(found) is type(value)


def test_text_of_python_2_is_bytes():
    assert load(b"\x80\x02U\x07conv1_1.") == b"conv1_1"
    assert load(b"\x80\x02T\x03\0\0\0abc.") == b"abc"


def test_pickles_follow_one_another():
    content = pickle.dumps([1], 2) + pickle.dumps({"a": 2}, 4)
    unpickler = Unpickler(io.BytesIO(content), PATH, 0, len(content), {})
    assert [unpickler.load(), unpickler.load()] == [[1], {"a": 2}]
    assert unpickler.position == len(content)


def test_long_bytes_stay_in_the_file():
    content = pickle.dumps(b"x" * 1000, 4)
    span = load(content)
    assert span == Span(content.index(b"xxx"), 1000, encoded=False)
    assert load(pickle.dumps("x" * 1000, 4)).encoded


def test_a_call_is_looked_up_in_the_table():
    class Pair:
        def __reduce__(self):
            return os.path.join, ("a", "b")

    content = pickle.dumps(Pair(), 2)
    assert load(content, calls={"posixpath join": lambda arguments: arguments[::-1]}) == ("b", "a")


def test_a_name_is_a_value_and_cannot_be_called():
    content = pickle.dumps(OrderedDict, 2)
    assert load(content, names=frozenset({"collections OrderedDict"})) == Global("collections OrderedDict")
    with pytest.raises(RunError, match="cannot be read"):
        load(b"\x80\x02ccollections\nOrderedDict\n)R.", names=frozenset({"collections OrderedDict"}))


def nested(opening: bytes, closing: bytes, depth: int) -> bytes:
    return b"\x80\x02" + opening * depth + closing * depth + b"."


HOSTILE = {
    "os.system": b"\x80\x02cposix\nsystem\nX\x05\0\0\0touch\x85R.",
    "eval": b"\x80\x02cbuiltins\neval\nX\x01\0\0\x001\x85R.",
    "getattr": b"\x80\x02cbuiltins\ngetattr\n.",
    "stack global": b"\x80\x04\x8c\x02os\x8c\x06system\x93.",
    "name that is a number": b"\x80\x04K\1K\2\x93.",
    "other function of numpy": b"\x80\x02cnumpy\nload\n.",
    "numpy testing": b"\x80\x02cnumpy.testing._private.utils\nrunstring\n.",
    "protocol 0": b"cos\nsystem\n(S'ls'\ntR.",
    "INST": b"(S'ls'\nios\nsystem\n.",
    "OBJ": b"\x80\x02(cos\nsystem\no.",
    "NEWOBJ": b"\x80\x02]]\x81.",
    "EXT1": b"\x80\x02\x82\x01.",
    "DUP": b"\x80\x02]2222.",
    "call of a list": b"\x80\x02])R.",
    "call without a tuple": b"\x80\x02K\1K\1R.",
    "state of a list": b"\x80\x02]}b.",
    "state of a number": b"\x80\x02K\1}b.",
    "state of a name": b"\x80\x02cnumpy\nndarray\n}b.",
    "memo that is not there": b"\x80\x02h\5.",
    "memo of 2^27 places": b"\x80\x02Nr\0\0\0\x08.",
    "memo of 2^31 places": b"\x80\x02Nr\xff\xff\xff\x7fN.\x00"[:-2],
    "8 exabytes": b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b".",
    "4 gigabytes of text": b"\x80\x02X\xff\xff\xff\xff.",
    "frame and nothing": b"\x80\x04\x95" + struct.pack("<Q", 1 << 62),
    "byte array": b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b".",
    "empty stack": b"\x80\x02.",
    "pop below a mark": b"\x80\x02K\1(a.",
    "no mark": b"\x80\x02K\1t.",
    "persistent id": b"\x80\x02K\1Q.",
    "text persistent id": b"P1\n.",
    "tuple as key, nested a hundred thousand deep": b"\x80\x02})" + b"\x85" * 100_000 + b"Ns.",
    "list as key": b"\x80\x02}]Ns.",
    "key without a value": b"\x80\x02}(Nu.",
    "no utf-8": b"\x80\x02X\1\0\0\0\xff.",
    "endless name": b"\x80\x02c" + b"a" * 100_000,
    "more operations than any net": b"\x80\x02" + b"N" * 310_000 + b".",
    "more lists than any net": b"\x80\x02" + b"]" * 310_000 + b".",
    "no stop": b"\x80\x02N",
    "nothing": b"",
}


@pytest.mark.slow
@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_pickles_are_refused_quickly_in_little_memory(content):
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(RunError, match=r"weights\.npy"):
            load(content)
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()
    assert time.process_time() - started < 10


NESTED_TUPLES = b")" + b"\x85" * 100_000
HOSTILE_FILES = {
    "100,000 nested tuples": (b"\x80\x02" + NESTED_TUPLES + b".", "does not hold"),
    # Python's own unpickler reserves a gigabyte for this.
    "LONG_BINPUT of 2^27": (b"\x80\x02}r\0\0\0\x08.", "place 134217728"),
    "GLOBAL, then BUILD": (b"\x80\x02ccollections\nOrderedDict\n}b.", "is given one"),
    "100,000 nested tuples as a type": (
        b"\x80\x02cnumpy\ndtype\n" + NESTED_TUPLES + b"\x85R.",
        r"values of the type \(tuple\)",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "format"),
    [
        *((name, "npy") for name in HOSTILE_FILES),
        *(
            (name, format)
            for name in ("LONG_BINPUT of 2^27", "GLOBAL, then BUILD")
            for format in ("zip", "legacy")
        ),
    ],
)
def test_hostile_files_are_refused_quickly_in_little_memory(name, format, writers, place):
    content, message = HOSTILE_FILES[name]
    if format == "npy":
        # The name that these files may use.
        content = content.replace(b"collections\nOrderedDict", b"numpy\nndarray")
        header = b"{'descr': '|O', 'fortran_order': False, 'shape': (), }".ljust(117) + b"\n"
        data = b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header + content
    elif format == "zip":
        with io.BytesIO() as file:
            with zipfile.ZipFile(file, "w") as archive:
                archive.writestr("archive/data.pkl", content)
            data = file.getvalue()
    else:
        before = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
        data = b"".join([*(pickle.dumps(value, 2) for value in before), content, pickle.dumps([], 2)])
    path = place(data)
    tracemalloc.start()
    started = time.process_time()
    try:
        with pytest.raises(RunError, match=message) as caught:
            list(read_layers(path))
        assert str(path) in str(caught.value)
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()
    assert time.process_time() - started < 10


def test_deep_values_are_harmless():
    value = load(b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".")
    assert len(value) == 1
    assert len(load(b"\x80\x02)" + b"\x85" * 100_000 + b".")) == 1


class Canary:
    """Creates a file when Python's own unpickler reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


class EvalCanary(Canary):
    def __reduce__(self):
        return eval, (f"__import__('os').mkdir({str(self.path)!r})",)


class StateCanary(Canary):
    def __reduce__(self):
        return OrderedDict, (), {"x": Canary(self.path)}


@pytest.mark.parametrize("kind", [Canary, EvalCanary, StateCanary])
@pytest.mark.parametrize("protocol", [2, 4])
def test_no_file_runs_code(kind, protocol, tmp_path, writers, place):
    path = tmp_path / "canary"
    canary = kind(path)
    array = np.zeros(3, np.float32)
    files = {
        "npy": writers.npy({"conv1_1": [array], "evil": [canary]}, protocol),
        "zip": writers.torch({"a.weight": writers.Tensor(array), "evil": canary}, protocol=protocol),
        "legacy": writers.torch(
            {"a.weight": writers.Tensor(array), "evil": canary}, legacy=True, protocol=protocol
        ),
    }
    # The canary works, or this test could not fail.
    pickle.loads(pickle.dumps(canary, protocol))
    path.rmdir()
    for content in files.values():
        with pytest.raises(RunError, match="no code was run"):
            list(read_layers(place(content)))
        assert not path.exists()


def test_a_canary_in_place_of_the_magic_number_is_not_run(tmp_path, writers, place):
    path = tmp_path / "canary"
    magic = pickle.dumps(0x1950A86A20F9469CFC6C, 2)
    with pytest.raises(RunError):
        list(read_layers(place(pickle.dumps(Canary(path), 2))))
    with pytest.raises(RunError, match="no code was run"):
        list(read_layers(place(magic + pickle.dumps(Canary(path), 2))))
    assert not path.exists()
