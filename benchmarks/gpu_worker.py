"""One framework of `gpu.py`: FCN-8s in bfloat16, and a matrix product to compare with.

Answers three kinds of requests, and times a number of repetitions for each: "matmul", "train" (steps; each
ends with its loss on the host, as training reads it) and "infer" (passes; each ends with the label maps,
uint8, on the host). Images and labels are already on the device.
"""

import argparse
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from rounds import Reply, answer
from task import NUM_CLASSES, random_batch

PRODUCTS = 10
"""Matrix products between two waits: the device must not wait for the next one."""

Function = Callable[[], Any]


class OnKeras:
    """This package on Keras' current backend, as `fcn train` builds it."""

    def __init__(self, size: tuple[int, int], width: float, matmul_size: int, memory_share: float) -> None:
        import keras
        from our_training import our_fcn8s

        backend = keras.backend.backend()
        if backend == "torch":
            self.device = prepare_torch(memory_share)
        else:
            import jax

            self.device = str(jax.devices()[0].device_kind)
        self.size = size
        self.matmul_size = matmul_size
        self.version = f"Keras {keras.__version__} on {backend} {version(backend)}"
        self.model = our_fcn8s(NUM_CLASSES, width, "bfloat16", xla=False)

    def forward_flops(self) -> int:
        """Returns the floating point operations of a pass over one image: all convolutions."""
        import keras

        layers = [layer for layer in self.model.layers if getattr(layer, "kernel", None) is not None]
        outputs = keras.Model(self.model.inputs, [layer.output for layer in layers])
        shapes = outputs.compute_output_shape((1, *self.size, 3))
        total = 0
        for layer, (_, height, width, _) in zip(layers, shapes, strict=True):
            # A transposed convolution applies its kernel at each place of its input.
            stride = layer.strides[0] if isinstance(layer, keras.layers.Conv2DTranspose) else 1
            taps, places = 1, height * width // stride**2
            for length in layer.kernel.shape:
                taps *= length
            total += 2 * taps * places
        return total

    def train(self, batch_size: int) -> Function:
        """Returns a function that takes one step and returns its loss."""
        import keras

        batch = random_batch(batch_size, self.size, NUM_CLASSES)
        images, labels = map(keras.ops.convert_to_tensor, batch)
        return lambda: float(self.model.train_on_batch(images, labels))


class OnJax(OnKeras):
    """This package on JAX."""

    def matmul(self) -> Function:
        """Returns a function that multiplies two matrices `PRODUCTS` times and waits."""
        import jax

        shape = (self.matmul_size, self.matmul_size)
        a, b = (jax.random.normal(jax.random.key(seed), shape, "bfloat16") for seed in (0, 1))
        product = jax.jit(jax.numpy.matmul)
        return lambda: jax.block_until_ready([product(a, b) for _ in range(PRODUCTS)])

    def infer(self, batch_size: int) -> Function:
        """Returns a function that labels a batch."""
        import jax
        import numpy as np

        images = jax.device_put(random_batch(batch_size, self.size, NUM_CLASSES)[0])
        model = self.model

        def label(trained: Any, others: Any, images: Any) -> Any:
            logits, _ = model.stateless_call(trained, others, images, training=False)
            return jax.numpy.argmax(logits, axis=-1).astype("uint8")

        compiled = jax.jit(label)

        def infer() -> Any:
            # Read again each time: a training step donates the memory of the old weights.
            trained = [variable.value for variable in model.trainable_variables]
            others = [variable.value for variable in model.non_trainable_variables]
            return np.asarray(compiled(trained, others, images))

        return infer


class OnKerasTorch(OnKeras):
    """This package on PyTorch."""

    def matmul(self) -> Function:
        """Returns a function that multiplies two matrices `PRODUCTS` times and waits."""
        return torch_matmul(self.matmul_size)

    def infer(self, batch_size: int) -> Function:
        """Returns a function that labels a batch."""
        import keras
        import torch

        images = keras.ops.convert_to_tensor(random_batch(batch_size, self.size, NUM_CLASSES)[0])

        def infer() -> Any:
            with torch.no_grad():  # in inference mode, tensors may be kept that no step could use
                return self.model(images, training=False).argmax(-1).to(torch.uint8).cpu().numpy()

        return infer


class OnTorch:
    """The same net in compiled PyTorch, channels last, with autocast."""

    def __init__(self, size: tuple[int, int], width: float, matmul_size: int, memory_share: float) -> None:
        import torch
        from torch_fcn import TorchFCN

        torch.manual_seed(0)
        self.device = prepare_torch(memory_share)
        self.size = size
        self.width = width
        self.matmul_size = matmul_size
        self.place = "cuda" if torch.cuda.is_available() else "cpu"
        self.version = f"torch {torch.__version__}"
        self.net = TorchFCN(NUM_CLASSES, width).to(self.place, memory_format=torch.channels_last)

    def forward_flops(self) -> int:
        """Returns the floating point operations of a pass over one image, as PyTorch counts them."""
        import torch
        from torch.utils.flop_counter import FlopCounterMode
        from torch_fcn import TorchFCN

        with torch.device("meta"):
            net, images = TorchFCN(NUM_CLASSES, self.width), torch.empty(1, 3, *self.size)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            net(images)
        return int(counter.get_total_flops())

    def matmul(self) -> Function:
        """Returns a function that multiplies two matrices `PRODUCTS` times and waits."""
        return torch_matmul(self.matmul_size)

    def train(self, batch_size: int) -> Function:
        """Returns a function that takes one step and returns its loss."""
        import torch
        from torch_training import on_device, training_step

        images, labels = random_batch(batch_size, self.size, NUM_CLASSES)
        return training_step(
            torch.compile(self.net, dynamic=False),
            on_device(images, self.place, torch.channels_last),
            torch.from_numpy(labels).long().to(self.place),
            bfloat16=True,
        )

    def infer(self, batch_size: int) -> Function:
        """Returns a function that labels a batch."""
        import torch
        from torch_training import on_device

        images = on_device(
            random_batch(batch_size, self.size, NUM_CLASSES)[0], self.place, torch.channels_last
        )

        def label(images: torch.Tensor) -> torch.Tensor:
            return self.net(images).argmax(1).to(torch.uint8)

        compiled = torch.compile(label, dynamic=False)

        def infer() -> Any:
            self.net.eval()
            with torch.inference_mode(), torch.autocast(self.place, torch.bfloat16):
                return compiled(images).cpu().numpy()

        return infer


def prepare_torch(memory_share: float) -> str:
    """Lets PyTorch choose its fastest kernels and limits its memory; returns the name of its device."""
    import torch

    torch.backends.cudnn.benchmark = True
    if not torch.cuda.is_available():
        return "cpu"
    torch.cuda.set_per_process_memory_fraction(memory_share)
    return str(torch.cuda.get_device_name())


def torch_matmul(size: int) -> Function:
    """Returns a function that multiplies two matrices `PRODUCTS` times in PyTorch and waits."""
    import torch

    place = "cuda" if torch.cuda.is_available() else "cpu"
    a, b = (torch.randn((size, size), device=place, dtype=torch.bfloat16) for _ in range(2))

    def multiply() -> None:
        with torch.inference_mode():
            for _ in range(PRODUCTS):
                torch.mm(a, b)
        if place == "cuda":
            torch.cuda.synchronize()

    return multiply


FRAMEWORKS: dict[str, type[OnJax | OnKerasTorch | OnTorch]] = {
    "jax": OnJax,
    "keras_torch": OnKerasTorch,
    "torch": OnTorch,
}


def prepare(options: argparse.Namespace) -> Callable[[Reply], Reply]:
    """Builds the net; returns the function that answers requests."""
    framework = FRAMEWORKS[options.framework](
        tuple(options.size), options.width, options.matmul, options.memory_share
    )
    ready: dict[tuple[str, int], tuple[Function, int]] = {}

    def make_ready(task: str, batch_size: int) -> tuple[Function, int]:
        """Returns the function of a task, compiled, and how many calls make a measurement."""
        function = framework.matmul() if task == "matmul" else getattr(framework, task)(batch_size)
        for _ in range(2):  # the first call compiles, on PyTorch the second one may too
            function()
        start = time.perf_counter()
        function()
        return function, max(1, round(options.seconds / (time.perf_counter() - start)))

    def handle(request: Reply) -> Reply:
        task, batch_size = request["task"], request["batch_size"]
        if task == "describe":
            flops = framework.forward_flops()
            return {"device": framework.device, "version": framework.version, "forward_flops": flops}
        if (task, batch_size) not in ready:
            ready.clear()  # tasks come one after the other, and their batches and momentum take memory
            ready[task, batch_size] = make_ready(task, batch_size)
        function, count = ready[task, batch_size]
        start = time.perf_counter()
        for _ in range(count):
            function()
        passed = (time.perf_counter() - start) / count
        return {"seconds": passed / PRODUCTS if task == "matmul" else passed, "calls": count}

    return handle


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("framework", choices=FRAMEWORKS)
    parser.add_argument("--size", type=int, nargs=2, required=True)
    parser.add_argument("--width", type=float, required=True)
    parser.add_argument("--matmul", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--memory-share", type=float, required=True)
    arguments = parser.parse_args()
    answer(lambda: prepare(arguments))
