"""Reads weight files that hypothesis damages or builds, in a process with little memory.

`python weight_fuzz_program.py EXAMPLES FOLDER FORMAT=SAMPLE...`: a file gives layers or one `RunError` that
names it; anything else, a MemoryError included, ends this process with a traceback.
"""

import resource
import signal
import struct
import sys
from pathlib import Path

from damaged_files import damaged, little_endian, numbers
from hostile_weights import array, legacy, npy, number, tensor, zipped
from hostile_weights import numbers as tuple_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from weight_files import field, varint

from fcn.errors import RunError
from fcn.weights.reader import read_layers

# What a reading may take, far more than it does.
MEMORY = 1 << 30
SECONDS_PER_FILE = 30

NAMES = {
    "npy": [
        "numpy ndarray",
        "numpy dtype",
        "numpy.core.multiarray _reconstruct",
        "_codecs encode",
        "os system",
    ],
    "torch": [
        "collections OrderedDict",
        "torch FloatStorage",
        "torch LongStorage",
        "torch._utils _rebuild_tensor",
    ],
}
TEXTS = b"storage f4 f8 O8 < | latin1 0 cpu conv1_1 a.weight a.bias".split()


def text(content: bytes) -> bytes:
    """The pickle of a text."""
    return b"X" + struct.pack("<I", len(content)) + content


texts = st.sampled_from(TEXTS).map(text)
# Mostly small, so that some fit, and now and then longer than anything.
lengths = st.sampled_from([0, 1, 1, 2, 2, 3]) | numbers
shapes = st.lists(lengths, max_size=4)
data = st.sampled_from([b"U\0", b"U\4" + bytes(4), b"U\x08" + bytes(8), b"U\x10" + bytes(16), b"N"])
arrays = st.builds(lambda shape, data: array(tuple_of(shape), data), shapes, data)
tensors = st.builds(
    lambda length, shape, steps: tensor(length, shape, (steps * 4)[: len(shape)]),
    st.sampled_from([2, 2, 2, 0, 1, 1 << 40]),
    shapes,
    st.lists(lengths, min_size=1, max_size=4),
)
layers = {
    "npy": st.builds(lambda name, content: name + b"](" + content + b"e", texts, arrays),
    "torch": st.builds(bytes.__add__, texts, tensors),
}


def pickles(kind: str) -> st.SearchStrategy[bytes]:
    """Pickles of a dictionary: of layers, and of operations in any order."""
    operations = st.one_of(
        st.sampled_from([bytes([code]) for code in b"(tausebRQ])}N\x88\x89\x85\x86\x87\x93\x94"]),
        st.sampled_from([b"q\0", b"q\1", b"h\0", b"h\1", b"K\0", b"K\1", b"K\2", b"K\x40"]),
        st.sampled_from(NAMES[kind]).map(lambda name: b"c" + name.replace(" ", "\n").encode() + b"\n"),
        texts,
        st.sampled_from(TEXTS).map(lambda name: b"U" + bytes([len(name)]) + name),
        little_endian(4).map(lambda number: b"J" + number),
        numbers.map(number),
        st.sampled_from([300, 300, 301, 1 << 31]).map(
            lambda length: b"T" + struct.pack("<I", length) + b"N" * 300
        ),
    )
    mixed = st.lists(operations | layers[kind], max_size=20)
    return (st.lists(layers[kind], max_size=5) | mixed).map(lambda parts: b"}(" + b"".join(parts) + b"u")


def message(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Fields of a message, whose content is sometimes a message too."""
    tags = st.sampled_from([1, 2, 4, 5, 6, 7, 8, 9, 100])
    more = st.sampled_from([0, 0, 0, 0, 0, 1, -1])
    return st.lists(
        st.one_of(
            st.builds(lambda tag, value: varint(tag << 3) + varint(value), tags, numbers),
            st.builds(lambda tag, value: varint(tag << 3 | 5) + value, tags, little_endian(4)),
            st.builds(lambda tag, value: varint(tag << 3 | 1) + value, tags, little_endian(8)),
            st.builds(
                lambda tag, content, more: (
                    varint(tag << 3 | 2) + varint(max(0, len(content) + more)) + content
                ),
                tags,
                inner,
                more,
            ),
        ),
        max_size=8,
    ).map(b"".join)


messages = st.recursive(st.binary(max_size=12), message, max_leaves=12)
blobs = st.lists(
    st.one_of(
        shapes.map(lambda shape: field(7, field(1, b"".join(map(varint, shape))))),
        st.builds(field, st.integers(1, 4), lengths),
        st.integers(0, 4).map(lambda count: field(5, bytes(4 * count))),
        st.integers(1, 4).map(lambda count: field(5, bytes(4), 5) * count),
        st.integers(0, 4).map(lambda count: field(8, bytes(8 * count))),
        messages,
    ),
    max_size=4,
).map(lambda parts: field(7, b"".join(parts)))
net_layers = st.lists(blobs | st.just(field(1, b"a")) | messages, max_size=4).map(
    lambda parts: field(100, b"".join(parts))
)


def built(format: str) -> st.SearchStrategy[bytes] | None:
    """Files of a format that are built from its parts; None if only samples are damaged."""
    return {
        "npy": pickles("npy").map(npy),
        "torch zip": pickles("torch").map(lambda content: zipped(content, bytes(8))),
        "torch legacy": pickles("torch").map(
            lambda content: legacy(content, ["0"]) + struct.pack("<q", 2) + bytes(8)
        ),
        "caffe": st.lists(net_layers, min_size=1, max_size=3).map(b"".join),
    }.get(format)


def fuzz(format: str, samples: list[bytes], examples: int, path: Path) -> None:
    """Reads damaged and built files of a format."""
    files = damaged(samples)
    if (others := built(format)) is not None:
        files |= others

    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(content=files)
    def reads_or_refuses(content: bytes) -> None:
        path.write_bytes(content)
        signal.alarm(SECONDS_PER_FILE)  # ends the process
        try:
            list(read_layers(path))
        except RunError as error:
            if str(path) not in str(error):
                raise AssertionError(f"the error does not name the file: {error}") from error
        finally:
            signal.alarm(0)

    reads_or_refuses()


def main() -> None:
    """Reads the files."""
    examples, path = int(sys.argv[1]), Path(sys.argv[2]) / "weights"
    samples: dict[str, list[bytes]] = {}
    for argument in sys.argv[3:]:
        format, _, name = argument.partition("=")
        samples.setdefault(format, []).append(Path(name).read_bytes())
        list(read_layers(Path(name)))  # and whatever it loads
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY,) * 2)
    for format, contents in samples.items():
        fuzz(format, contents, examples, path)


if __name__ == "__main__":
    main()
