"""Files that hypothesis damages: with parts that are replaced, cut out, repeated or inserted."""

from hypothesis import strategies as st

sizes = st.sampled_from(
    [0, 1, 2, 7, 8, 127, 128, 255, 256, 65_535, 1 << 31, (1 << 32) - 1, 1 << 40, 1 << 62, 1 << 63]
)
numbers = sizes | st.integers(0, 40)


def little_endian(width: int) -> st.SearchStrategy[bytes]:
    return numbers.map(lambda number: (number & (1 << 8 * width) - 1).to_bytes(width, "little"))


short = st.binary(max_size=9)
patches = st.one_of(short, *(little_endian(width) for width in (1, 2, 4, 8)))


@st.composite
def damaged(draw: st.DrawFn, samples: list[bytes]) -> bytes:
    """A file with a few parts replaced, cut out, repeated or inserted."""
    data = bytearray(draw(st.sampled_from(samples)))
    for _ in range(draw(st.integers(1, 4))):
        # The beginning and the end hold the structure of most formats.
        at = draw(st.integers(0, len(data)) | st.integers(0, 400) | st.integers(1, 300).map(lambda n: -n))
        at = at % (len(data) + 1)
        patch = draw(patches)
        end = at + draw(st.sampled_from([0, len(patch), len(patch), 1, 20]))
        data[at:end] = patch
        if draw(st.integers(0, 9)) == 0:
            data[at:at] = data[at : at + draw(st.integers(0, 300))] * draw(st.integers(1, 20))
    return bytes(data)
