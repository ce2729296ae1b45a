"""Labels with LiteRT (TensorFlow Lite) on a CPU: the LiteRT form of an exported model."""

from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from fcn.data.image_io import Pixels
from fcn.data.pillow_decoding import MOST_BITS
from fcn.errors import RunError
from fcn.inference.engines.engine import Floats, Labeled, memory_errors
from fcn.inference.engines.exported import (
    check_num_classes,
    exported_classes,
    exported_net,
    litert_file,
    not_in_windows,
)
from fcn.outputs.probabilities import label_confidence
from fcn.outputs.temperature import Temperatures
from fcn.system.optional import import_optional
from fcn.system.parallel import available_cores, wanted_threads
from fcn.system.stderr import stderr_held_back

SIGNATURE, SHRUNK_SIGNATURE = "predict", "predict_shrunk_logits"
"""Names of the signatures of a file; only that of a net with an `input_scale` has the second."""

_ANY_SIZE = [1, -1, -1, 3]


def import_interpreter() -> Any:
    """Returns LiteRT's interpreter, a class.

    Raises:
        BackendError: If `ai-edge-litert` is not installed.
    """
    return import_optional("ai_edge_litert.interpreter", "engine=litert", "litert").Interpreter


class LiteRtEngine:
    """An engine that labels one image after another, in float32, for one thread at a time.

    Its threads are as many as cores, or `OMP_NUM_THREADS`. Whatever a file holds, LiteRT's interpreter runs
    its own operations alone, none of which uses files.

    Args:
        version: Folder of an exported version that has the LiteRT form.

    Attributes:
        classes: The names and colors of the classes.
        bits: How many bits the values of image files of 16 bits use.
        net: The description of the net; None for an export of an old version without one.

    Raises:
        BackendError: If `ai-edge-litert` is not installed.
        RunError: If the file is missing, cannot be read, or has a different number of classes than the
            version.
    """

    name = "litert"
    precision = "float32"

    def __init__(self, version: Path) -> None:
        self._path = litert_file(version)
        import_interpreter()  # outside of the block below, which blames the file
        try:
            # Read once: the file may be replaced or removed before the interpreter is opened again.
            self._content = self._path.read_bytes()
            self._interpreter = self._open()
            self._interpreter.allocate_tensors()  # looks for all operations
            predict = self._interpreter.get_signature_runner(SIGNATURE)
            shapes = [
                details[name]["shape_signature"].tolist()
                for details, name in (
                    (predict.get_input_details(), "images"),
                    (predict.get_output_details(), "logits"),
                )
            ]
            if shapes[0] != _ANY_SIZE:
                raise ValueError(f"expected images of the shape {_ANY_SIZE}, and it has {shapes[0]}")
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            raise RunError(
                f"{self._path}: cannot be read by LiteRT ({error}). Export the model again with "
                "--format litert."
            ) from error
        check_num_classes(version, self._path, shapes[1][-1] if shapes[1] else None)
        self.classes = exported_classes(version)
        self.net = exported_net(version)
        self.bits = MOST_BITS if self.net is None else self.net.bits
        self._temperatures = Temperatures.of(None if self.net is None else self.net.temperatures)
        self._lock = Lock()

    def label(self, images: Pixels) -> Labeled:
        """Labels images `uint8[B, H, W, 3]`, RGB."""
        found = [self._run(SIGNATURE, image) for image in images]
        label = np.concatenate([one["label"] for one in found])
        return Labeled(
            label, np.concatenate([label_confidence(one["logits"], self._temperatures) for one in found])
        )

    def logits(self, images: Pixels) -> Floats:
        """Returns `float32[B, H, W, C]` for images `uint8[B, H, W, 3]`, RGB."""
        logits: Floats = np.concatenate([self._run(SIGNATURE, image)["logits"] for image in images])
        return logits

    def shrunk_logits(self, images: Floats) -> Floats:
        """Returns `float32[B, h, w, C]` for images `float32[B, h, w, 3]` at the size of the layers' input.

        Raises:
            ImageTooLargeError: If the file, of an old version, has no signature for them.
        """
        if SHRUNK_SIGNATURE not in self._signatures():
            raise not_in_windows(self._path, *images.shape[1:3])
        logits: Floats = np.concatenate([self._run(SHRUNK_SIGNATURE, image)["logits"] for image in images])
        return logits

    def release(self) -> None:
        """Gives back the memory of maps, which the interpreter keeps for the next images."""
        with self._lock:
            self._interpreter = None

    def _open(self) -> Any:
        threads = wanted_threads() or available_cores()
        with stderr_held_back():  # it prints which of its kernels it uses
            return import_interpreter()(model_content=self._content, num_threads=threads)

    def _run(self, signature: str, image: Pixels | Floats) -> dict[str, Any]:
        """Returns the outputs of a signature for an image; the next call does not overwrite them.

        Raises:
            MemoryError: If there is not enough memory.
        """
        with self._lock:
            try:
                with memory_errors():
                    self._interpreter = self._interpreter or self._open()
                    found: dict[str, Any] = self._interpreter.get_signature_runner(signature)(
                        images=image[np.newaxis]
                    )
            except BaseException:
                self._interpreter = None  # it would fail for all later images too
                raise
            return found

    def _signatures(self) -> Any:
        with self._lock:
            self._interpreter = self._interpreter or self._open()
            return self._interpreter.get_signature_list()
