"""EXIF orientation inside a graph: read from the bytes of a file, with operations of TensorFlow alone.

It is the orientation that Pillow reads (`fcn.data.orientation`): in a JPEG from EXIF, which may be in several
segments, or XMP; in a PNG from EXIF or uncompressed XMP, before or after the pixels. Not read are PNG texts
that are compressed or hold EXIF as hexadecimal digits, values of the tag that are fractions, and what comes
after 4,096 segments.
"""

from collections.abc import Callable

import tensorflow as tf

_MOST_SEGMENTS = 4096
"""Segments of a JPEG, or chunks of a PNG, that are looked at."""

_MOST_EXIF_SEGMENTS = 64
_WINDOW = 1 << 16
_MOST_CHUNKS_AT_ONCE = 1 << 13
_TAG, _TAGS = 274, 1 << 16
# Bytes of a value by its type, 0 for those that do not exist (TIFF 6.0, section 2; 16 is of BigTIFF).
_TYPE_BYTES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 0)
_INTEGER_TYPES = (3, 4, 6, 8, 9, 13, 16)
_VALUE_BYTES = 8
# Beginnings of EXIF blocks that Pillow reads, some of them in spite of a mistake.
_LITTLE_ENDIAN, _BIG_ENDIAN = (b"II*\0", b"II\0*"), (b"MM\0*", b"MM*\0", b"MM\0+")
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_PNG_SIGNATURE, _PNG_XMP = b"\x89PNG\r\n\x1a\n", b"XML:com.adobe.xmp\0\0"
_XMP_TAG = b"tiff:Orientation"
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


def read_orientation(data: tf.Tensor) -> tf.Tensor:
    """Returns the orientation of a file.

    Args:
        data: `string[]`, its content.

    Returns:
        `int32[]`, 1 to 8; 1 if it has none or a damaged one.
    """
    # Without this, TensorFlow would rewrite each function here before it calls it.
    return tf.autograph.experimental.do_not_convert(_read)(data)


def _read(data: tf.Tensor) -> tf.Tensor:
    content = tf.io.decode_raw(data, tf.uint8)
    is_png = tf.equal(tf.strings.substr(data, 0, len(_PNG_SIGNATURE)), _PNG_SIGNATURE)
    value = tf.case(
        [(tf.io.is_jpeg(data), lambda: _read_jpeg(content)), (is_png, lambda: _read_png(content))],
        default=lambda: tf.constant(1),
        exclusive=True,
    )
    return tf.where(_between(value, 1, 8), value, 1)


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

        exif, xmp = parts(_EXIF), parts(_XMP)
        exif_bytes = tf.reduce_sum(exif[:, 1] - exif[:, 0])
        last_xmp = tf.concat([[[0, 0]], xmp], 0)[-1]

        def read_xmp() -> tf.Tensor:
            return _read_xmp(content[last_xmp[0] : last_xmp[1]])

        return tf.cond(
            tf.shape(exif)[0] > 0,
            lambda: _read_exif(_joined(content, exif[:_MOST_EXIF_SEGMENTS]), exif_bytes, read_xmp),
            read_xmp,
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
        head = _padded(content[place : place + 8], 8, 0)
        length = _integer(head[:4], tf.constant(False))
        start, kind = place + 8, head[4:]
        bounds = tf.stack([start, start + length])
        is_exif, is_pixels = _begins(kind, b"eXIf"), _begins(kind, b"IDAT")
        is_xmp = _begins(kind, b"iTXt") & _begins(content[start : start + len(_PNG_XMP)], _PNG_XMP)
        # After the pixels Pillow only looks for what was not before them.
        is_last = _begins(kind, b"IEND") | (is_pixels & (exif[1] > 0)) | (start + length + 4 > content_size)
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
    return _read_exif(block, tf.size(block), lambda: _read_xmp(content[xmp[0] : xmp[1]]))


def _count_alike(content: tf.Tensor, place: tf.Tensor, stride: tf.Tensor) -> tf.Tensor:
    """Returns how many chunks in a row are of the kind and length of the first, as most of the pixels are."""
    most = tf.minimum((tf.size(content, tf.int64) - place - 8) // stride + 1, _MOST_CHUNKS_AT_ONCE)
    places = place + stride * tf.range(most)
    heads = tf.gather(content, places[:, tf.newaxis] + tf.range(8, dtype=tf.int64))
    is_alike = tf.reduce_all(tf.equal(heads, heads[0]), axis=1)
    return tf.reduce_min(tf.where(is_alike, most, tf.range(most)))


def _read_exif(block: tf.Tensor, size: tf.Tensor, read_xmp: Callable[[], tf.Tensor]) -> tf.Tensor:
    """Returns the orientation in an EXIF block.

    Args:
        block: `uint8[N]`, the block.
        size: `int32[]`, how long it is; more than N if only its beginning is given.
        read_xmp: Called for an orientation if the block has none.
    """
    again = len(_EXIF) * tf.cast(_begins(block, _EXIF), tf.int32)  # written twice
    block, size = block[again:], size - again
    is_little = tf.reduce_any([_begins(block, start) for start in _LITTLE_ENDIAN])
    is_big = tf.reduce_any([_begins(block, start) for start in _BIG_ENDIAN])
    is_whole = (is_little | is_big) & (tf.size(block) >= 8)
    value = tf.cond(
        is_whole,
        lambda: _read_directory(block, tf.cast(size, tf.int64), is_little),
        lambda: tf.where(size > 0, 1, 0),
    )
    return tf.cond(tf.equal(value, 0), read_xmp, lambda: value)


def _read_directory(block: tf.Tensor, size: tf.Tensor, is_little: tf.Tensor) -> tf.Tensor:
    """Returns the orientation in the first directory of a TIFF; 0 if it has none, 1 if that is not one."""
    directory = _integer(_padded(block[4:8], 4, 0), is_little)
    count = _integer(_padded(block[directory : directory + 2], 2, 0), is_little)
    count = tf.maximum(tf.minimum(count, (tf.size(block, tf.int64) - directory - 2) // 12), 0)
    entries = tf.reshape(block[directory + 2 : directory + 2 + 12 * count], (-1, 12))
    entries = tf.concat([entries, tf.zeros([1, 12], tf.uint8)], 0)  # so that there is one
    index = tf.range(count + 1)
    tags, types = _integer(entries[:, :2], is_little), _integer(entries[:, 2:4], is_little)
    unit = tf.gather(tf.constant(_TYPE_BYTES, tf.int64), tf.minimum(types, len(_TYPE_BYTES) - 1))
    length = unit * _integer(entries[:, 4:8], is_little)
    place = _integer(entries[:, 8:], is_little)
    # What Pillow does: it ignores a tag that it has read already. Values that do not fit into an entry are
    # elsewhere. If they are longer than the block, all together, it ignores them; if one ends after it, it
    # reads no further.
    has_value = length > 0
    firsts = tf.math.unsorted_segment_min(tf.where(has_value, index, count), tags, _TAGS)
    is_outside = length > 4
    is_read = has_value & is_outside & tf.equal(tf.gather(firsts, tags), index)
    is_too_long = tf.cumsum(tf.where(is_read, length, 0)) > size
    end = tf.reduce_min(tf.where(is_read & ~is_too_long & (place + length > size), index, count))
    is_orientation = tf.equal(tags, _TAG) & has_value & ~(is_outside & is_too_long) & (index < end)
    found = tf.reduce_min(tf.where(is_orientation, index, count))
    start = tf.where(is_outside[found], place[found], directory + 2 + 12 * found + 8)
    value = _value(_padded(block[start : start + _VALUE_BYTES], _VALUE_BYTES, 0), unit[found], is_little)
    is_sound = tf.reduce_any(tf.equal(types[found], _INTEGER_TYPES)) & _between(value, 1, 8)
    return tf.cast(tf.where(found < count, tf.where(is_sound, value, 1), 0), tf.int32)


def _read_xmp(packet: tf.Tensor) -> tf.Tensor:
    """Returns the first orientation in XMP, `uint8[N]`; 0 if it has none."""

    def search() -> tf.Tensor:
        text = tf.cast(tf.concat([packet, tf.zeros([len(_XMP_TAG) + 3], tf.uint8)], 0), tf.int32)
        count = tf.size(packet)

        def at(offset: int) -> tf.Tensor:
            return text[offset : offset + count]

        is_tag = tf.reduce_all([tf.equal(at(offset), byte) for offset, byte in enumerate(_XMP_TAG)], axis=0)
        after = len(_XMP_TAG)
        is_attribute = tf.equal(at(after), ord("=")) & tf.equal(at(after + 1), ord('"'))
        digit = tf.where(is_attribute, at(after + 2), at(after + 1)) - ord("0")
        is_found = is_tag & (is_attribute | tf.equal(at(after), ord(">"))) & _between(digit, 0, 9)
        first = tf.reduce_min(tf.where(is_found, tf.range(count), count))
        return tf.concat([digit, [0]], 0)[first]

    return tf.cond(tf.size(packet) > 0, search, lambda: tf.constant(0))


def _begins(content: tf.Tensor, start: bytes) -> tf.Tensor:
    """Returns whether `uint8[N]` begins with some bytes, none of which is 255."""
    return tf.reduce_all(tf.equal(_padded(content, len(start), 255), tf.constant(list(start), tf.uint8)))


def _padded(content: tf.Tensor, size: int, value: int) -> tf.Tensor:
    """Returns the first bytes of `uint8[N]`, filled up with a value if there are fewer."""
    filled = tf.concat([content[:size], tf.fill([size], tf.constant(value, tf.uint8))], 0)
    return tf.ensure_shape(filled[:size], (size,))


def _integer(content: tf.Tensor, is_little: tf.Tensor) -> tf.Tensor:
    """Returns the integers in the last axis of `uint8[..., N]`."""
    powers = [256**exponent for exponent in range(content.shape[-1])]
    factors = tf.where(is_little, tf.constant(powers, tf.int64), tf.constant(powers[::-1], tf.int64))
    return tf.reduce_sum(tf.cast(content, tf.int64) * factors, axis=-1)


def _value(content: tf.Tensor, size: tf.Tensor, is_little: tf.Tensor) -> tf.Tensor:
    """Returns the integer in the first bytes of `uint8[8]`."""
    index = tf.range(_VALUE_BYTES, dtype=tf.int64)
    exponents = tf.where(is_little, index, size - 1 - index)
    powers = tf.constant([256**exponent for exponent in range(_VALUE_BYTES)], tf.int64)
    powers = tf.gather(powers, tf.clip_by_value(exponents, 0, _VALUE_BYTES - 1))
    return tf.reduce_sum(tf.where(index < size, tf.cast(content, tf.int64) * powers, 0))


def _between(value: tf.Tensor, least: int, most: int) -> tf.Tensor:
    return (value >= least) & (value <= most)
