"""EXIF orientation inside a graph: read from the bytes of a file, with operations of TensorFlow alone.

It is the orientation that Pillow reads (`fcn.data.orientation`): in a JPEG from EXIF, which may be in several
segments, or XMP; in a PNG from EXIF or uncompressed XMP, before or after the pixels. Not read are PNG texts
that are compressed or hold EXIF as hexadecimal digits, values of the tag that are fractions, and what comes
after 4,096 segments.
"""

import tensorflow as tf

from fcn.exports.exif import EXIF, begins, is_between, pad, read_exif, read_integer, read_xmp

_MOST_SEGMENTS = 4096
"""Segments of a JPEG, or chunks of a PNG, that are looked at."""

_MOST_EXIF_SEGMENTS = 64
_WINDOW = 1 << 16
_MOST_CHUNKS_AT_ONCE = 1 << 13
_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_PNG_SIGNATURE, _PNG_XMP = b"\x89PNG\r\n\x1a\n", b"XML:com.adobe.xmp\0\0"
_METADATA, _NO_MARKER = 0xE1, 0x01
# What comes after the second byte of a marker: a length and a segment; the next marker; padding, or bytes
# without a marker; or nothing that is looked at.
_SEGMENT, _NEXT, _PADDING, _LAST = range(4)


def _after(marker: int) -> int:
    if marker in (_NO_MARKER, 0xFF):
        return _PADDING
    if marker in (0x00, 0xC8) or 0xD0 <= marker <= 0xD9 or 0xF0 <= marker <= 0xFD:
        return _NEXT
    return _LAST if marker < 0xC0 or marker == 0xDA else _SEGMENT


_AFTER_MARKER = [_after(marker) for marker in range(256)]


def turn_upright(image: tf.Tensor, data: tf.Tensor) -> tf.Tensor:
    """Turns the pixels of a file upright.

    Args:
        image: `uint8[H, W, 3]`, in stored pixel order.
        data: `string[]`, the content of the file.
    """
    turns = [
        lambda: image,
        lambda: image[:, ::-1],
        lambda: image[::-1, ::-1],
        lambda: image[::-1],
        lambda: tf.transpose(image, (1, 0, 2)),
        lambda: tf.transpose(image[::-1], (1, 0, 2)),
        lambda: tf.transpose(image[::-1, ::-1], (1, 0, 2)),
        lambda: tf.transpose(image[:, ::-1], (1, 0, 2)),
    ]
    return tf.switch_case(read_orientation(data) - 1, turns)


# Of several exports in a process only the first builds this graph, which is larger than that of a net.
@tf.function(input_signature=[tf.TensorSpec([], tf.string)], autograph=False)  # type: ignore[untyped-decorator]
def read_orientation(data: tf.Tensor) -> tf.Tensor:
    """Returns the orientation of a file.

    Args:
        data: `string[]`, its content.

    Returns:
        `int32[]`, 1 to 8; 1 if it has none or a damaged one.
    """
    content = tf.io.decode_raw(data, tf.uint8)
    is_png = tf.equal(tf.strings.substr(data, 0, len(_PNG_SIGNATURE)), _PNG_SIGNATURE)
    value = tf.case(
        [(tf.io.is_jpeg(data), lambda: _read_jpeg(content)), (is_png, lambda: _read_png(content))],
        default=lambda: tf.constant(1),
        exclusive=True,
    )
    return tf.where(is_between(value, 1, 8), value, 1)


def _read_jpeg(content: tf.Tensor) -> tf.Tensor:
    """Returns the orientation of a JPEG; any other number if it has none."""
    size = tf.size(content)
    content = tf.concat([content, tf.zeros([len(_XMP)], tf.uint8)], 0)
    after_marker = tf.constant(_AFTER_MARKER)

    def step(steps: tf.Tensor, place: tf.Tensor, metadata: tf.Tensor) -> tuple[tf.Tensor, ...]:
        head = tf.cast(tf.gather(content, place + tf.range(4)), tf.int32)
        marker = tf.where(tf.equal(head[0], 0xFF), head[1], _NO_MARKER)
        kind = after_marker[marker]
        length = tf.maximum(2, 256 * head[2] + head[3])
        following = place + tf.where(tf.equal(kind, _SEGMENT), 2 + length, 2)
        following = tf.cond(
            tf.equal(kind, _PADDING), lambda: _skip(content[:size], place, head), lambda: following
        )
        is_last = tf.equal(kind, _LAST) | (following > size)
        is_metadata = tf.equal(marker, _METADATA) & ~is_last
        metadata = tf.concat([metadata, tf.fill([tf.cast(is_metadata, tf.int32)], place)], 0)
        return steps + 1, tf.where(is_last, size, following), metadata

    _, _, places = tf.while_loop(
        lambda steps, place, _: (steps < _MOST_SEGMENTS) & (place + 1 < size),
        step,
        # The third byte is the first of a marker.
        (tf.constant(0), tf.constant(2), tf.zeros([0], tf.int32)),
        shape_invariants=tuple(tf.TensorShape(shape) for shape in ([], [], [None])),
    )

    def look() -> tf.Tensor:
        heads = tf.gather(content, places[:, tf.newaxis] + tf.range(4 + len(_XMP)))
        ends = places + 2 + tf.maximum(2, tf.reduce_sum(tf.cast(heads[:, 2:4], tf.int32) * (256, 1), axis=1))

        def parts(start: bytes) -> tf.Tensor:
            """Returns the segments with a beginning, `int32[N, 2]`, without it."""
            is_found = tf.reduce_all(tf.equal(heads[:, 4 : 4 + len(start)], list(start)), axis=1)
            begins = places + 4 + len(start)
            order = tf.where(is_found & (begins <= ends), tf.range(tf.size(places)), tf.size(places))
            # In their order: those that are found come first.
            order = -tf.math.top_k(-order, tf.reduce_sum(tf.cast(order < tf.size(places), tf.int32))).values
            return tf.gather(tf.stack([begins, ends], axis=1), order)

        exif, xmp = parts(EXIF), parts(_XMP)
        exif_bytes = tf.reduce_sum(exif[:, 1] - exif[:, 0])
        last_xmp = tf.concat([[[0, 0]], xmp], 0)[-1]

        def read_last() -> tf.Tensor:
            return read_xmp(content[last_xmp[0] : last_xmp[1]])

        return tf.cond(
            tf.shape(exif)[0] > 0,
            lambda: read_exif(_joined(content, exif[:_MOST_EXIF_SEGMENTS]), exif_bytes, read_last),
            read_last,
        )

    return tf.cond(tf.size(places) > 0, look, lambda: tf.constant(1))


def _skip(content: tf.Tensor, place: tf.Tensor, head: tf.Tensor) -> tf.Tensor:
    """Returns the place after bytes that are not of a marker, or after the padding of one."""
    window = content[place : place + _WINDOW]
    is_padding = tf.equal(head[0], 0xFF)
    is_wanted = tf.not_equal(tf.equal(window, 0xFF), is_padding)
    count = tf.reduce_min(tf.where(is_wanted, tf.range(tf.size(window)), tf.size(window)))
    # The last byte of padding is the first of a marker.
    return place + tf.maximum(1, count - tf.cast(is_padding, tf.int32))


def _joined(content: tf.Tensor, parts: tf.Tensor) -> tf.Tensor:
    """Returns parts of a file, `int32[N, 2]` with their starts and ends, one after the other."""

    def add(index: tf.Tensor, joined: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return index + 1, tf.concat([joined, content[parts[index, 0] : parts[index, 1]]], 0)

    return tf.while_loop(
        lambda index, _: index < tf.shape(parts)[0],
        add,
        (tf.constant(1), content[parts[0, 0] : parts[0, 1]]),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None])),
    )[1]


def _read_png(content: tf.Tensor) -> tf.Tensor:
    """Returns the orientation of a PNG; any other number if it has none."""
    content_size = tf.size(content, tf.int64)

    def step(steps: tf.Tensor, place: tf.Tensor, exif: tf.Tensor, xmp: tf.Tensor) -> tuple[tf.Tensor, ...]:
        head = pad(content[place : place + 8], 8, 0)
        length = read_integer(head[:4], tf.constant(False))
        start, kind = place + 8, head[4:]
        bounds = tf.stack([start, start + length])
        is_exif, is_pixels = begins(kind, b"eXIf"), begins(kind, b"IDAT")
        is_xmp = begins(kind, b"iTXt") & begins(content[start : start + len(_PNG_XMP)], _PNG_XMP)
        # After the pixels Pillow only looks for what was not before them.
        is_last = begins(kind, b"IEND") | (is_pixels & (exif[1] > 0)) | (start + length + 4 > content_size)
        count = tf.cond(
            is_pixels, lambda: _count_alike(content, place, length + 12), lambda: tf.constant(1, tf.int64)
        )
        return (
            steps + 1,
            tf.where(is_last, content_size, place + count * (length + 12)),
            tf.where(is_exif & ~is_last, bounds, exif),
            tf.where(is_xmp & ~is_last, tf.stack([start + len(_PNG_XMP), start + length]), xmp),
        )

    nowhere = tf.zeros([2], tf.int64)
    _, _, exif, xmp = tf.while_loop(
        lambda steps, place, *_: (steps < _MOST_SEGMENTS) & (place + 12 <= content_size),
        step,
        (tf.constant(0), tf.constant(len(_PNG_SIGNATURE), tf.int64), nowhere, nowhere),
    )
    block = content[exif[0] : exif[1]]
    return read_exif(block, tf.size(block), lambda: read_xmp(content[xmp[0] : xmp[1]]))


def _count_alike(content: tf.Tensor, place: tf.Tensor, stride: tf.Tensor) -> tf.Tensor:
    """Returns how many chunks in a row are of the kind and length of the first, as most of the pixels are."""
    most = tf.minimum((tf.size(content, tf.int64) - place - 8) // stride + 1, _MOST_CHUNKS_AT_ONCE)
    places = place + stride * tf.range(most)
    heads = tf.gather(content, places[:, tf.newaxis] + tf.range(8, dtype=tf.int64))
    is_alike = tf.reduce_all(tf.equal(heads, heads[0]), axis=1)
    return tf.reduce_min(tf.where(is_alike, most, tf.range(most)))
