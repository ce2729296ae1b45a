"""Archives that hypothesis damages and builds: one folder comes out of them, or nothing does."""

import gzip
import io
import os
import signal
import tarfile
import tracemalloc
from contextlib import suppress
from pathlib import Path

import pytest
from damaged_files import damaged
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fcn.data.download.archive import Limits, unpack
from fcn.errors import DataError

LIMITS = Limits(members=20, file_bytes=10_000, total_bytes=50_000)
SECONDS, MEMORY = 10, 4 << 20
FORMATS = (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)
KINDS = (
    *(tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE),
    *(tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE, b"Z"),
)
PARTS = ("set", "a", "..", ".", "", "/", "\\", "C:", "victim", "~", "é", "\x01", "b" * 200, "set/a")


def packed(members: list[tarfile.TarInfo], form: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for info in members:
            with suppress(ValueError):  # the format cannot hold such a name or header
                tar.addfile(info, io.BytesIO(bytes(info.size)) if info.isreg() else None)
    return buffer.getvalue()


def described(
    name: str, kind: bytes, target: str, size: int, mode: int, said: dict[str, str]
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.pax_headers = kind, target, mode, said
    info.size = size if info.isreg() else 0
    return info


names = st.lists(st.sampled_from(PARTS), min_size=1, max_size=4).map("/".join)
headers = st.dictionaries(
    st.sampled_from(["path", "linkpath", "size", "uid", "GNU.sparse.major", "GNU.sparse.map", "comment"]),
    names | st.sampled_from(["0", "-1", "5", "99999999999999999999", "nan"]),
    max_size=2,
)
members = st.builds(
    described,
    names,
    st.sampled_from(KINDS[:3] * 3 + KINDS),
    st.sampled_from(["../victim", "/etc/passwd", "set", ".", "victim/file"]),
    st.integers(0, 3000) | st.just(20_000),
    st.sampled_from([0, 0o777, 0o6777]),
    headers,
)
built = st.builds(packed, st.lists(members, max_size=6), st.sampled_from(FORMATS))
GOOD = [
    packed(
        [described(f"set/{name}", tarfile.REGTYPE, "", 700, 0o644, {}) for name in ("a", "d/b", "c" * 150)],
        form,
    )
    for form in FORMATS
]
archives = st.one_of(
    built,
    damaged(GOOD),
    damaged([gzip.compress(data) for data in GOOD]),
    damaged(GOOD).map(gzip.compress),
    built.map(gzip.compress),
)


def fuzz(folder: Path, examples: int) -> None:
    archive, outputs, victim = folder / "archive", folder / "outputs", folder / "victim"
    outputs.mkdir()
    victim.write_bytes(b"mine")
    seen = {"unpacked": 0, "refused": 0}

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=archives)
    def is_unpacked_or_refused(data: bytes) -> None:
        archive.write_bytes(data)
        target = outputs / f"{sum(seen.values())}"
        signal.alarm(SECONDS)  # ends the process
        tracemalloc.start()
        try:
            unpack(archive, "set", target, LIMITS)
            seen["unpacked"] += 1
            for place, folders, files in os.walk(target):
                for name in (*folders, *files):
                    path = Path(place, name)
                    assert not path.is_symlink()
                    assert path.is_dir() or (path.is_file() and not path.stat().st_mode & 0o7000)
        except DataError as error:
            assert str(archive) in str(error)  # noqa: PT017
            assert not target.exists()
            seen["refused"] += 1
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            signal.alarm(0)
        assert peak < MEMORY
        assert not [path for path in os.listdir(outputs) if path.startswith(".")]
        assert sorted(os.listdir(folder)) == ["archive", "outputs", "victim"]
        assert victim.read_bytes() == b"mine"

    is_unpacked_or_refused()
    assert seen["refused"] > 0


def test_40_archives_are_unpacked_or_refused(tmp_path: Path) -> None:
    fuzz(tmp_path, 40)


@pytest.mark.exhaustive
def test_2000_archives_are_unpacked_or_refused(tmp_path: Path) -> None:
    fuzz(tmp_path, 2000)
