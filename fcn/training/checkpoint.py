"""Everything a training needs to go on as if it had never stopped."""

from pathlib import Path

import keras

from fcn.classes import Classes
from fcn.errors import RunError
from fcn.models.fcn import FCN
from fcn.run import load_state, save_checkpoint


def save_training(model: FCN, path: Path) -> None:
    """Writes weights, optimizer, step and the state of every random generator as one `.keras` file.

    Raises:
        OutputError: If the place cannot be written to or the disk is full.
    """
    # Keras leaves the state of dropout's generators out of its files.
    seeds = {name: state.numpy().tolist() for name, state in _seed_states(model).items()}
    step = int(model.optimizer.iterations)
    save_checkpoint(model, path, {"step": step, "seeds": seeds, "class_names": model.class_names})


def restore_training(model: FCN, path: Path, classes: Classes) -> int:
    """Puts a compiled model back to where `save_training` wrote it.

    Args:
        model: A net like the one that was saved.
        path: The checkpoint.
        classes: What the data set to go on with has; they must be those of the checkpoint.

    Returns:
        The number of steps that had been taken.

    Raises:
        RunError: If the file is damaged, or from another net.
    """
    state = load_state(path)
    if tuple(state["class_names"]) != classes.names:
        raise RunError(
            f"{path}: was trained on the classes {', '.join(state['class_names'])}; the data set has "
            f"{', '.join(classes.names)}. Use the data set it was trained on, or another --run."
        )
    model.optimizer.build(model.trainable_variables)
    try:
        model.load_weights(path)
    except Exception as error:  # Keras raises whatever its parsers raise on a damaged file.
        raise RunError(
            f"{path}: does not fit this configuration, or is damaged ({type(error).__name__}: {error}). "
            "Use the configuration it was trained with, or another --run."
        ) from error
    for name, variable in _seed_states(model).items():
        variable.assign(state["seeds"][name])
    return int(state["step"])


def _seed_states(model: keras.Model) -> dict[str, keras.Variable]:
    """Returns the state of each layer's random generator, by layer name."""
    return {
        layer.name: layer.seed_generator.state
        for layer in model.layers
        if isinstance(layer, keras.layers.Dropout) and layer.rate > 0
    }
