"""Encoded image in, encoded label out, inside a graph: what an exported model does.

`fcn.data.image_io` does the same outside of graphs; both give the same pixels.
"""

import tensorflow as tf

from fcn.exports.orientation import turn_upright
from fcn.models.arguments import NetArguments

_PALETTE_BMP_BITS = 8
_BMP_HEADERS_BYTES = 54
_PNG_DEPTH = 24


def decode_image(data: tf.Tensor, bits: int = NetArguments.bits) -> tf.Tensor:
    """Decodes a JPEG, a PNG, or a BMP of 8, 24 or 32 bits.

    The pixels equal those of the decoder outside of graphs, except in CMYK JPEGs, which differ by 1.

    Args:
        data: `string[]`, the content of an image file.
        bits: How many bits the values of a PNG of 16 bits use.

    Returns:
        `uint8[H, W, 3]`, RGB, upright; gray becomes three equal channels, alpha is dropped, 16 bits become
        8.
    """
    is_bmp = tf.equal(tf.strings.substr(data, 0, 2), b"BM") & (tf.strings.length(data) >= _BMP_HEADERS_BYTES)
    image = tf.case(
        [
            # Decoders outside of graphs use integer arithmetic; TensorFlow's default differs by a bit.
            (tf.io.is_jpeg(data), lambda: tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")),
            (is_bmp, lambda: _decode_bmp(data)),
        ],
        default=lambda: _decode_png(data, bits),
        exclusive=True,
    )
    return tf.ensure_shape(turn_upright(image, data), (None, None, 3))


def encode_label(label: tf.Tensor) -> tf.Tensor:
    """Encodes `uint8[H, W]` as `string[]`, an 8-bit gray PNG of class ids."""
    return tf.io.encode_png(label[..., tf.newaxis])


def _decode_png(data: tf.Tensor, bits: int) -> tf.Tensor:
    """Decodes a PNG; of 16 bits TensorFlow itself keeps the upper 8."""
    if bits == NetArguments.bits:
        return tf.io.decode_png(data, channels=3)
    depth = tf.strings.substr(data, tf.minimum(_PNG_DEPTH, tf.strings.length(data)), 1)

    def deep() -> tf.Tensor:
        values = tf.cast(tf.io.decode_png(data, channels=3, dtype=tf.uint16), tf.int32)
        most = tf.reduce_max(values)
        message = f"The values of a PNG of 16 bits have more than the {bits} bits that this net expects"
        with tf.control_dependencies([tf.debugging.Assert(most < (1 << bits), [message, most])]):
            return tf.cast(values // (1 << (bits - 8)), tf.uint8)

    return tf.cond(tf.equal(depth, b"\x10"), deep, lambda: tf.io.decode_png(data, channels=3))


def _decode_bmp(data: tf.Tensor) -> tf.Tensor:
    """Decodes a BMP of 8, 24 or 32 bits; TensorFlow leaves palettes unapplied."""
    pixels = tf.io.decode_bmp(data)
    with tf.control_dependencies([pixels]):  # the headers are sound from here on
        bits = tf.cast(_integer(data, 28, tf.uint16), tf.int32)

    def indexed() -> tf.Tensor:
        colors_at = 14 + _integer(data, 14, tf.int32)
        table_size = _integer(data, 10, tf.int32) - colors_at
        table = tf.io.decode_raw(tf.strings.substr(data, colors_at, table_size), tf.uint8)
        colors = tf.reshape(table[: tf.size(table) // 4 * 4], (-1, 4))[:, 2::-1]  # stored blue, green, red, 0
        return tf.gather(colors, tf.cast(pixels[..., 0], tf.int32))

    return tf.cond(tf.equal(bits, _PALETTE_BMP_BITS), indexed, lambda: pixels[..., :3])


def _integer(data: tf.Tensor, position: int, dtype: tf.DType) -> tf.Tensor:
    """Reads one little-endian integer of a file header."""
    return tf.io.decode_raw(tf.strings.substr(data, position, dtype.size), dtype)[0]
