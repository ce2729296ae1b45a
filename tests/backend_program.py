"""A process of its own for a backend: runs the commands of a JSON object given as its argument.

{"commands": [["train", ...], ...]}     what `python -m fcn` takes; "kill N" before a training's
                                        arguments ends it after step N as a crash would
"blocked": ["tensorflow"]               packages that cannot be imported
"refused": ["export", ...]              a command that must end with exit code 2, after all others
"logits": [run, image, output]          what a run says of an image, both in NumPy's format
"cpus": 2                               logical devices TensorFlow divides the CPU into
"""

import json
import sys
from pathlib import Path


def train_until_killed(step: int, config: Path, run: Path) -> None:
    import keras

    from fcn.training.loop import train

    class Killed(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            if batch + 1 == step:
                raise InterruptedError

    try:
        train(config, run, callbacks=[Killed()])
    except InterruptedError:
        return
    raise SystemExit("the training was not killed")


def run_all(request: dict) -> None:
    # What is None there cannot be imported, and cannot be found either, which PyTorch looks for.
    sys.modules.update(dict.fromkeys(request.get("blocked", [])))
    if "cpus" in request:
        import tensorflow as tf

        parts = [tf.config.LogicalDeviceConfiguration()] * request["cpus"]
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)
    from fcn.cli.main import main
    from fcn.system.backend import start_backend

    for command in request["commands"]:
        if command[0] == "kill":
            start_backend()
            train_until_killed(int(command[1]), Path(command[2]), Path(command[3]))
            continue
        try:
            main(command)
        except SystemExit as end:
            if end.code:
                raise
    if "refused" in request:
        try:
            main(request["refused"])
        except SystemExit as end:
            if end.code != 2:
                raise
    if "logits" in request:
        import numpy as np

        from fcn.runs.model_file import load_model

        run, image, output = request["logits"]
        np.save(output, load_model(run).predict_on_batch(np.load(image)))


if __name__ == "__main__":
    run_all(json.loads(sys.argv[1]))
