"""Labels images with an exported model where nothing of this package is imported, as a server would.

Run by its path, `python -P plain_program.py VERSION`. Each request on stdin is a line "height width length",
the pixels `uint8[height, width, 3]` RGB, and an image file of `length` bytes. Each is answered on stdout with
two labels, of `predict_tensor` for the pixels and of `serving_default` for the file: a line "height width"
and `uint8[height, width]`.
"""

import os
import sys

import numpy as np

_ABSENT = ("jax", "keras", "pandas", "scipy", "sklearn")
"""Packages that no server has, and that TensorFlow imports where they are installed: half of its start."""


def main() -> None:
    """Answers all requests."""
    # None makes `import` raise an ImportError, as for a package that is not installed.
    sys.modules.update(dict.fromkeys(_ABSENT))  # type: ignore[arg-type]
    import tensorflow as tf

    # Other output must not mix with the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    tf.config.experimental.enable_tensor_float_32_execution(False)
    exported = tf.saved_model.load(sys.argv[1])
    if "fcn" in sys.modules:
        sys.exit("The exported model imports the package it was exported with.")
    label_pixels, label_file = (exported.signatures[name] for name in ("predict_tensor", "serving_default"))
    requests = sys.stdin.buffer
    while line := requests.readline():
        height, width, length = map(int, line.split())
        pixels = np.frombuffer(requests.read(height * width * 3), np.uint8)
        data = requests.read(length)
        label = label_pixels(images=tf.constant(pixels.reshape(1, height, width, 3)))["label"][0]
        png = label_file(image_bytes=tf.constant([data]))["label_png_bytes"][0]
        for answer in (label.numpy(), tf.io.decode_png(png, channels=1).numpy()[..., 0]):
            answers.write(b"%d %d\n" % answer.shape + answer.tobytes())
        answers.flush()


if __name__ == "__main__":
    main()
