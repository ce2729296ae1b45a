"""The orientation in a block of EXIF and in a packet of XMP, read inside a graph as Pillow reads it."""

from collections.abc import Callable

import tensorflow as tf

EXIF = b"Exif\0\0"
"""The bytes in front of a block in a JPEG."""

_TAG, _TAGS = 274, 1 << 16
# Bytes of a value by its type, 0 for those that do not exist (TIFF 6.0, section 2; 16 is of BigTIFF).
_TYPE_BYTES = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 0)
_INTEGER_TYPES = (3, 4, 6, 8, 9, 13, 16)
_VALUE_BYTES = 8
# Beginnings of EXIF blocks that Pillow reads, some of them in spite of a mistake.
_LITTLE_ENDIAN, _BIG_ENDIAN = (b"II*\0", b"II\0*"), (b"MM\0*", b"MM*\0", b"MM\0+")
_XMP_TAG = b"tiff:Orientation"


def read_exif(block: tf.Tensor, size: tf.Tensor, otherwise: Callable[[], tf.Tensor]) -> tf.Tensor:
    """Returns the orientation in an EXIF block.

    Args:
        block: `uint8[N]`, the block.
        size: `int32[]`, how long it is; more than N if only its beginning is given.
        otherwise: Called for an orientation if the block has none.
    """
    again = len(EXIF) * tf.cast(begins(block, EXIF), tf.int32)  # written twice
    block, size = block[again:], size - again
    is_little = tf.reduce_any([begins(block, start) for start in _LITTLE_ENDIAN])
    is_big = tf.reduce_any([begins(block, start) for start in _BIG_ENDIAN])
    is_whole = (is_little | is_big) & (tf.size(block) >= 8)
    value = tf.cond(
        is_whole,
        lambda: _read_directory(block, tf.cast(size, tf.int64), is_little),
        lambda: tf.where(size > 0, 1, 0),
    )
    return tf.cond(tf.equal(value, 0), otherwise, lambda: value)


def _read_directory(block: tf.Tensor, size: tf.Tensor, is_little: tf.Tensor) -> tf.Tensor:
    """Returns the orientation in the first directory of a TIFF; 0 if it has none, 1 if that is not one."""
    directory = read_integer(pad(block[4:8], 4, 0), is_little)
    count = read_integer(pad(block[directory : directory + 2], 2, 0), is_little)
    count = tf.maximum(tf.minimum(count, (tf.size(block, tf.int64) - directory - 2) // 12), 0)
    entries = tf.reshape(block[directory + 2 : directory + 2 + 12 * count], (-1, 12))
    entries = tf.concat([entries, tf.zeros([1, 12], tf.uint8)], 0)  # so that there is one
    index = tf.range(count + 1)
    tags, types = read_integer(entries[:, :2], is_little), read_integer(entries[:, 2:4], is_little)
    unit = tf.gather(tf.constant(_TYPE_BYTES, tf.int64), tf.minimum(types, len(_TYPE_BYTES) - 1))
    length = unit * read_integer(entries[:, 4:8], is_little)
    place = read_integer(entries[:, 8:], is_little)
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
    value = _value(pad(block[start : start + _VALUE_BYTES], _VALUE_BYTES, 0), unit[found], is_little)
    is_sound = tf.reduce_any(tf.equal(types[found], _INTEGER_TYPES)) & is_between(value, 1, 8)
    return tf.cast(tf.where(found < count, tf.where(is_sound, value, 1), 0), tf.int32)


def read_xmp(packet: tf.Tensor) -> tf.Tensor:
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
        is_found = is_tag & (is_attribute | tf.equal(at(after), ord(">"))) & is_between(digit, 0, 9)
        first = tf.reduce_min(tf.where(is_found, tf.range(count), count))
        return tf.concat([digit, [0]], 0)[first]

    return tf.cond(tf.size(packet) > 0, search, lambda: tf.constant(0))


def begins(content: tf.Tensor, start: bytes) -> tf.Tensor:
    """Returns whether `uint8[N]` begins with some bytes, none of which is 255."""
    return tf.reduce_all(tf.equal(pad(content, len(start), 255), tf.constant(list(start), tf.uint8)))


def pad(content: tf.Tensor, size: int, value: int) -> tf.Tensor:
    """Returns the first bytes of `uint8[N]`, filled up with a value if there are fewer."""
    filled = tf.concat([content[:size], tf.fill([size], tf.constant(value, tf.uint8))], 0)
    return tf.ensure_shape(filled[:size], (size,))


def read_integer(content: tf.Tensor, is_little: tf.Tensor) -> tf.Tensor:
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


def is_between(value: tf.Tensor, least: int, most: int) -> tf.Tensor:
    """Returns whether numbers are within a range, both ends included."""
    return (value >= least) & (value <= most)
