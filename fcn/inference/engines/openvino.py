"""Labels with OpenVINO on a CPU: in float32, in bfloat16, or with layers in int8."""

import importlib.util
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from fcn.classes import Classes
from fcn.data.image_io import Pixels
from fcn.data.pillow_decoding import MOST_BITS
from fcn.errors import BackendError, RunError
from fcn.inference.engines.engine import Floats, Labeled, memory_errors
from fcn.inference.engines.openvino_check import check_openvino
from fcn.models.fields import NetDescription
from fcn.outputs.temperature import Temperatures
from fcn.system.bfloat16 import bfloat16_instructions
from fcn.system.optional import import_optional
from fcn.system.parallel import wanted_threads

_KEPT_KERNELS = 500
"""Most compiled kernels to keep; each image size needs about 40. With OpenVINO's default of 5,000, memory
grows by a megabyte with each new size, for over a hundred sizes."""


def openvino_installed() -> bool:
    """Returns whether OpenVINO can be imported."""
    return "openvino" in sys.modules or importlib.util.find_spec("openvino") is not None


def import_openvino() -> Any:
    """Returns the package `openvino`.

    Blocks `openvino_telemetry`: with that package installed, OpenVINO's tools send usage reports; they work
    without it.

    Raises:
        BackendError: If it is not installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # what blocks an import
    return import_optional("openvino", "engine=openvino", "openvino")


class OpenVinoEngine:
    """An engine with one program for all image sizes, with as many threads as cores or `OMP_NUM_THREADS`.

    A program for each size is hardly faster (`docs/decisions/0013-openvino.md`), takes seconds to compile,
    and holds another copy of the weights.

    Args:
        classes: The names and colors of the classes.
        model: `openvino.Model` from images `uint8[B, H, W, 3]` RGB to logits `float32[B, H, W, C]`, of any
            size.
        precision: "float32", "bfloat16", or "int8" for a model with quantized layers.
        net: The description of the net, if known.
        convert_layers: For a net with an `input_scale`, returns its layers without resizing: from
            `float32[B, h, w, 3]` to logits of that size. Called for the first image that is tiled.

    Attributes:
        classes: The names and colors of the classes.
        precision: The precision in which it computes.
        bits: How many bits the values of image files of 16 bits use.
        net: The description of the net; None for an export of an old version without one.
        model: `openvino.Model` from images to logits.

    Raises:
        BackendError: If this CPU does not compute in `precision`, or OpenVINO is not installed.
    """

    name = "openvino"

    def __init__(
        self,
        classes: Classes,
        model: Any,
        precision: str,
        net: NetDescription | None,
        convert_layers: Callable[[], Any],
    ) -> None:
        self.classes = classes
        self.precision = precision
        self.net = net
        self.bits = MOST_BITS if net is None else net.bits
        self._convert_layers = convert_layers
        if precision == "bfloat16" and not bfloat16_instructions():
            raise BackendError(
                f"precision=bfloat16: this CPU ({platform.machine()}) has no instructions for it. "
                "Leave the option out: float32 is faster here."
            )
        # Always set: by default OpenVINO chooses bfloat16 where it is faster.
        in_float32 = precision == "float32" or not bfloat16_instructions()
        self._hints = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32" if in_float32 else "bf16",
            "CPU_RUNTIME_CACHE_CAPACITY": str(_KEPT_KERNELS),
        }
        if threads := wanted_threads():
            self._hints["INFERENCE_NUM_THREADS"] = str(threads)
        self.model = model
        self._temperatures = Temperatures.of(None if net is None else net.temperatures)
        self._label = _Program(lambda: self._compile(_label_model(model, self._temperatures)))
        self._logits: _Program | None = None
        self._shrunk_logits: _Program | None = None
        self._lock = Lock()

    def label(self, images: Pixels) -> Labeled:
        """Labels images `uint8[B, H, W, 3]`, RGB."""
        with self._lock:
            return Labeled(*self._label.run(images))

    def logits(self, images: Pixels) -> Floats:
        """Returns `float32[B, H, W, C]` for images `uint8[B, H, W, 3]`, RGB."""
        with self._lock:
            if self._logits is None:  # rarely used, and it needs another copy of the weights
                self._logits = _Program(lambda: self._compile(self.model))
            logits: Floats = self._logits.run(images)[0]
            return logits

    def shrunk_logits(self, images: Floats) -> Floats:
        """Returns `float32[B, h, w, C]` for images `float32[B, h, w, 3]` at the size of the layers' input.

        In int8 models these layers are not in int8.

        Raises:
            BackendError: If TensorFlow, through which these layers are read, is not installed.
        """
        with self._lock:
            if self._shrunk_logits is None:
                self._shrunk_logits = _Program(lambda: self._compile(self._convert_layers()))
            logits: Floats = self._shrunk_logits.run(images)[0]
            return logits

    def release(self) -> None:
        """Gives back the memory of maps, which OpenVINO keeps for the next images."""
        with self._lock:
            for program in (self._label, self._logits, self._shrunk_logits):
                if program is not None:
                    program.release()

    def profiling_request(self, model: Any = None) -> Any:
        """Returns another inference request, which also measures the time of each operation.

        Args:
            model: `openvino.Model` to compile as this engine does its own; None for its own, which labels.
        """
        if model is None:
            model = _label_model(self.model, self._temperatures)
        return self._compile(model, PERF_COUNT="YES")

    def _compile(self, model: Any, **further_hints: str) -> Any:
        compiled = import_openvino().Core().compile_model(model, "CPU", self._hints | further_hints)
        return compiled.create_infer_request()


class _Program:
    """A compiled model; for one thread at a time.

    Args:
        compile: Returns an inference request; called again after it ran out of memory.
    """

    def __init__(self, compile: Callable[[], Any]) -> None:
        self._compile = compile
        self._request = compile()

    def run(self, images: Pixels | Floats) -> list[Any]:
        """Returns the outputs of the model for images.

        Raises:
            MemoryError: If there is not enough memory.
        """
        try:
            with memory_errors():
                self._request = self._request or self._compile()
                self._request.infer([np.ascontiguousarray(images)], share_inputs=True)
            outputs = [tensor.data for tensor in self._request.output_tensors]
            # Without enough memory OpenVINO may silently leave the outputs of earlier images.
            if any(output.shape[:3] != images.shape[:3] for output in outputs):
                raise MemoryError("OpenVINO could not allocate memory for its outputs")
            # The next call overwrites what a request returns.
            return [np.array(output) for output in outputs]
        except MemoryError:
            # The request, and any other of its program, would ask for as much memory for all later images.
            self._request = None
            raise

    def release(self) -> None:
        """Gives back the memory of maps."""
        if self._request is not None:
            self._request.get_compiled_model().release_memory()


def read_model(path: Path, trust: bool = False) -> Any:
    """Reads `openvino.Model` from an `.xml` file, its weights in a `.bin` file beside it.

    Args:
        path: The `.xml` file.
        trust: Whether to read also layers of extensions.

    Raises:
        BackendError: If OpenVINO is not installed.
        RunError: If it cannot be read.
        TrustError: If it has such layers.
    """
    openvino = import_openvino()
    if not trust:
        check_openvino(path)
    try:
        return openvino.Core().read_model(path)
    except RuntimeError as error:
        reason = next((line for line in reversed(str(error).splitlines()) if line.strip()), "damaged")
        raise RunError(f"{path}: cannot be read by OpenVINO ({reason}). Export the model again.") from error


def num_scores(model: Any) -> int | None:
    """Returns how many scores an `openvino.Model` computes for a pixel; None if its graph does not say."""
    try:
        shape = model.output(0).partial_shape
    except RuntimeError:  # it has no outputs
        return None
    if shape.rank.is_dynamic or not len(shape) or shape[len(shape) - 1].is_dynamic:
        return None
    return int(shape[len(shape) - 1].get_length())


def _label_model(model: Any, temperatures: Temperatures | None) -> Any:
    """Returns the model with other outputs: the label and its probability, with those of a calibrated net."""
    openvino = import_openvino()
    ops = openvino.opset15
    logits = model.output(0).get_node().input_value(0)
    axis = ops.constant(np.array([-1]))
    largest, label = ops.topk(logits, np.int32(1), -1, "max", "none", index_element_type="i32").outputs()
    # exp(max - logsumexp), with the maximum taken out of the sum
    differences = ops.subtract(logits, largest)
    if temperatures is not None:
        inverse = ops.constant(temperatures.inverse)
        factors = ops.gather(inverse, label, np.int64(0)) if temperatures.per_class else inverse
        differences = ops.multiply(differences, factors)
    total = ops.reduce_sum(ops.exp(differences), axis)
    outputs = [
        ops.convert(ops.squeeze(label, axis), "u8"),
        ops.divide(np.float32(1), total),
    ]
    return openvino.Model([ops.result(output) for output in outputs], model.get_parameters(), "label")
