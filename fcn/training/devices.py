"""The backend, devices and processes of a training, and the part of each batch that they take."""

import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from fcn.config.file import Config
from fcn.data.stream import TrainingStream
from fcn.errors import ConfigError
from fcn.system.parallel import available_cores
from fcn.system.text import counted
from fcn.version import __version__


def describe() -> dict[str, Any]:
    """Returns the versions of Python, Keras and the backend, and the accelerators, as JSON values."""
    backend = keras.backend.backend()
    return {
        "fcn": __version__,
        "python": platform.python_version(),
        "keras": keras.__version__,
        "backend": backend,
        backend: _version(backend),
        "accelerators": _accelerators(),
    }


def name_device(wanted: int | str) -> str:
    """Returns the hardware that a training computes on, for people.

    Args:
        wanted: `train.devices`.

    Returns:
        "CPU (2 cores)", "NVIDIA H200" or "4 x NVIDIA H200, in each of 2 processes", for example.
    """
    names = _accelerator_names()
    if names:
        count = len(names) if wanted == "all" else min(int(wanted), len(names))
        text = names[0] if count == 1 else f"{count} x {names[0]}"
    else:
        text = f"CPU ({counted(available_cores(), 'core')})"
    processes = process()[1]
    return text if processes == 1 else f"{text}, in each of {processes} processes"


def process() -> tuple[int, int]:
    """Returns the index of this process, from 0, and how many processes train one net together.

    Only JAX trains in several processes, which `keras.distribution.initialize` connects.
    """
    if keras.backend.backend() != "jax":
        return 0, 1
    import jax

    return jax.process_index(), jax.process_count()


def is_main_process() -> bool:
    """Returns whether this process is the one that writes the run and scores the net."""
    return process()[0] == 0


def barrier(place: str) -> None:
    """Waits until every process has come to this place.

    Args:
        place: Its name, the same in every process.
    """
    if process()[1] > 1:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(place)


def highest(number: int) -> int:
    """Returns the highest of the numbers of all processes, for which it waits."""
    if process()[1] == 1:
        return number
    from jax.experimental import multihost_utils

    return int(np.max(multihost_utils.process_allgather(np.int32(number))))


def accelerator_peak_bytes() -> int | None:
    """Returns the most memory that this process has used of one accelerator; None on a CPU."""
    names = _accelerators()
    if not names:
        return None
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        info = tf.config.experimental.get_memory_info
        return max(int(info(f"GPU:{index}")["peak"]) for index in range(len(names)))
    if backend == "jax":
        import jax

        found = [device.memory_stats() or {} for device in jax.local_devices()]
        return max(int(one.get("peak_bytes_in_use", 0)) for one in found)
    import torch

    return max(int(torch.cuda.max_memory_allocated(index)) for index in range(len(names)))


@contextmanager
def undistributed() -> Iterator[None]:
    """Lets this process compute alone: variables that are made in the block are its own."""
    if process()[1] == 1:
        yield
        return
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)


@contextmanager
def scope(config: Config) -> Iterator[None]:
    """Makes nets that are built in the block train on the number of devices in the configuration.

    TensorFlow mirrors them (`MirroredStrategy`): each looks at its own part of a batch, see
    `mean_over_replicas`. JAX shards each batch over the devices of all processes
    (`keras.distribution.DataParallel`): the loss is that of the whole batch.

    Raises:
        ConfigError: If there are fewer devices, or a batch cannot be shared evenly among them.
    """
    backend, wanted = keras.backend.backend(), config.train.devices
    names = _devices()
    count = len(names) if wanted == "all" else wanted
    if count > len(names):
        raise ConfigError(
            f"train.devices={wanted}: expected at most {len(names)}, which is what {backend} finds here "
            f"({', '.join(names)})."
        )
    processes = process()[1]
    part = config.train.batch_size // config.train.accumulate
    if part % (count * processes):
        raise ConfigError(
            f"train.devices={wanted}: {count * processes} devices cannot share {part} examples evenly. Set "
            "train.batch_size, divided by train.accumulate, to a multiple of the devices of all processes."
        )
    if count * processes == 1:
        yield
    elif backend == "tensorflow":
        import tensorflow as tf

        with tf.distribute.MirroredStrategy(names[:count]).scope():
            yield
    elif backend == "jax":
        chosen = [name for index in range(processes) for name in _jax_devices(index)[:count]]
        before = keras.distribution.distribution()
        keras.distribution.set_distribution(
            keras.distribution.DataParallel(devices=chosen, auto_shard_dataset=False)
        )
        try:
            yield
        finally:
            keras.distribution.set_distribution(before)
    else:
        raise ConfigError(f"train.devices={wanted}: {backend} trains on one device. Use TensorFlow or JAX.")


def mean_over_replicas(number: Any) -> Any:
    """Returns the mean of a number over TensorFlow's replicas; itself where there is one device, or JAX."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            return context.all_reduce(tf.distribute.ReduceOp.MEAN, number)
    return number


def batches(stream: TrainingStream, config: Config, start_step: int) -> Any:
    """Returns the batches for `model.fit`: this process's part of all batches from `start_step` on.

    Args:
        stream: The training examples.
        config: Gives the size and number of batches.
        start_step: Steps taken already.
    """
    settings = config.train
    size = settings.batch_size // settings.accumulate
    start, stop = start_step * settings.accumulate, settings.steps * settings.accumulate
    if keras.backend.backend() == "tensorflow":
        from fcn.data.pipeline import training_dataset

        return training_dataset(stream, size, start, stop)
    from fcn.data.batches import TrainingBatches

    return TrainingBatches(stream, size, start, stop, process())


def _devices() -> Sequence[str]:
    """Returns the backend's names of the devices this process may use: GPUs, or else CPUs."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return [device.name for device in found]
    if backend == "jax":
        return _jax_devices(process()[0])
    return ["the one it trains on"]


def _jax_devices(index: int) -> list[str]:
    """Returns Keras' names of the devices of a process."""
    import jax

    return [f"{device.platform}:{device.id}" for device in jax.local_devices(process_index=index)]


def _accelerators() -> list[str]:
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return [device.name for device in tf.config.list_physical_devices("GPU")]
    if backend == "jax":
        return [name for name in keras.distribution.list_devices() if not name.startswith("cpu")]
    import torch

    return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]


def _accelerator_names() -> list[str]:
    """Returns the model of each accelerator that this process may use."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
        return [str(one.get("device_name", "GPU")) for one in details]
    if backend == "jax":
        import jax

        found = jax.local_devices(process_index=process()[0])
        return [device.device_kind for device in found if device.platform != "cpu"]
    return _accelerators()


def _version(backend: str) -> str:
    from importlib.metadata import version

    return version(backend)
