"""Net surgery: turns the fully connected layers of any classifier into convolutions.

A fully connected layer is a convolution whose kernel covers its whole input (Long et al., "Fully
convolutional networks for semantic segmentation", section 3.1). On a larger image the same kernel also
fits in other places, and the one answer becomes a map of answers.
"""

from dataclasses import dataclass, field
from typing import Any

import keras

from fcn.models.fully_connected import (
    ELEMENTWISE,
    PER_CHANNEL,
    Tail,
    apply_as_convolutions,
    clone,
    copy_weights,
    refusal,
)

_GLOBAL_POOLING = (keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D)
_FIXED_SIZE = (keras.layers.Resizing, keras.layers.CenterCrop, keras.layers.RandomCrop)
# By name, because `keras.ops.reshape` in a graph is an operation and no layer.
_REARRANGING = ("Reshape", "Permute", "Transpose", "RepeatVector")
_ACROSS_CHANNELS = (keras.activations.softmax, keras.activations.log_softmax, keras.activations.sparsemax)


@dataclass(frozen=True)
class _Map:
    """A feature map of the new net, and the same map in the old one.

    Attributes:
        tensor: `[B, None, None, C]`, in the new net.
        trained: `[B, H, W, C]`, in the old net, at the size it was built for.
    """

    tensor: Any
    trained: Any


@dataclass(frozen=True)
class _Vector:
    """A flattened map, and the layers that were applied to it since."""

    map: _Map
    flatten: str
    layers: tuple[keras.layers.Layer, ...] = ()


def convolutionalize(model: keras.Model, num_classes: int | None = None) -> keras.Model:
    """Turns a classifier of images of one size into a net that answers at every place of any image.

    The first `Dense` becomes a convolution as large as the map it sees, the others become 1x1 convolutions,
    all without padding. Layer names, weights and `trainable` flags are kept, and so are the layers between
    them, except a batch normalization between `Flatten` and the first `Dense`: its scale and shift, which
    differ from place to place of the window, become part of the `Dense`. The layers of nested models become
    layers of the new net. The given model is not changed.

    Args:
        model: A Sequential or functional model from one map `[B, H, W, C]` to one answer `[B, num_classes]`
            that ends in `Flatten` and `Dense` layers.
        num_classes: Number of classes of a new last layer, which starts at zero and replaces the model's;
            None to keep the model's.

    Returns:
        A model from `[B, None, None, C]` to `[B, rows, columns, num_classes]`: at the size of the
        given model one row and column with the same answer, at a larger size one for each window.

    Raises:
        ValueError: If the model cannot be converted; the message names the layer and the reason.

    Example:
        >>> classifier = keras.Sequential([
        ...     keras.Input((8, 8, 1)),
        ...     keras.layers.MaxPooling2D(2),
        ...     keras.layers.Flatten(),
        ...     keras.layers.Dense(3),
        ... ])
        >>> net = convolutionalize(classifier)
        >>> net.layers[-1].kernel_size, net.compute_output_shape((1, 8, 8, 1))
        ((4, 4), (1, 1, 1, 3))
        >>> net.compute_output_shape((1, 10, 14, 1))
        (1, 2, 4, 3)
    """
    if num_classes is not None and num_classes < 1:
        raise ValueError(f"Expected at least one class. Received: num_classes={num_classes}.")
    source = _input(model)
    first = model.layers[0]
    # A Sequential model does not list its input layer.
    name = first.name if isinstance(first, keras.layers.InputLayer) else "images"
    rebuild = _Rebuild(names={name})
    images = keras.Input((None, None, source.shape[-1]), dtype=source.dtype, name=name)
    vector = rebuild.run(model, _Map(images, source))
    tail = _tail(model, vector)
    outputs = apply_as_convolutions(vector.map.tensor, tail, num_classes, rebuild.unique)
    return keras.Model(images, outputs, name=model.name)


def find_tail(model: keras.Model) -> Tail:
    """Returns the fully connected part of a classifier that `convolutionalize` accepts.

    Raises:
        ValueError: If the model cannot be converted.

    Example:
        >>> layers = [keras.Input((6, 4, 2)), keras.layers.Flatten(), keras.layers.Dense(3, name="score")]
        >>> tail = find_tail(keras.Sequential(layers))
        >>> tail.window, tail.last_dense.name
        ((6, 4, 2), 'score')
    """
    source = _input(model)
    return _tail(model, _Rebuild().run(model, _Map(keras.Input((None, None, source.shape[-1])), source)))


def _input(model: keras.Model) -> Any:
    if not isinstance(model, keras.Sequential) and not hasattr(model, "_run_through_graph"):
        raise ValueError(
            "Expected a Sequential or functional model, whose layers can be followed. "
            f"Received: {type(model).__name__} {model.name!r}."
        )
    if isinstance(model, keras.Sequential) and not model.built:
        raise ValueError(
            f"Expected a model with an input shape. Received: {model.name!r}, which has none yet; "
            "give it a `keras.Input` or call it once."
        )
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(
            f"Expected a model with one input and one output. Received: {model.name!r} with "
            f"{len(model.inputs)} inputs and {len(model.outputs)} outputs."
        )
    source = model.inputs[0]
    if len(source.shape) != 4 or source.shape[-1] is None:
        raise ValueError(
            f"Expected a model of images [B, H, W, C]. Received: {model.name!r} with an input of shape "
            f"{source.shape}."
        )
    return source


def _tail(model: keras.Model, vector: Any) -> Tail:
    if not isinstance(vector, _Vector):
        raise ValueError(
            f"Expected a classifier that ends in Flatten and Dense layers. Received: {model.name!r}, which "
            "has no Flatten layer: it returns a map already."
        )
    height, width, channels = vector.map.trained.shape[1:]
    if not height or not width:
        raise ValueError(
            f"Layer {vector.flatten!r} has no fixed input size (height {height}, width {width}), so it is "
            "not known how large the kernel must be. Build the model with a fixed input size."
        )
    tail = Tail((height, width, channels), vector.layers)
    if not any(isinstance(layer, keras.layers.Dense) for layer in tail.layers):
        raise ValueError(
            f"Expected Dense layers after Flatten layer {vector.flatten!r}. Received: "
            f"{[layer.name for layer in tail.layers]}."
        )
    return tail


@dataclass
class _Rebuild:
    """Applies copies of the layers in front of `Flatten` to images of any size."""

    copies: dict[int, Any] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)

    def run(self, model: keras.Model, start: Any) -> Any:
        """Follows a model from `start` to its output: a `_Map` or a `_Vector`."""

        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            return self.apply(layer, args, kwargs)

        if isinstance(model, keras.Sequential):
            for layer in model.layers:
                start = call(layer, start)
            return start
        # `keras.models.clone_model` uses this method too. It does not follow nested models into the graph
        # around them, nor does it tell two shapes of one tensor.
        return model._run_through_graph(start, operation_fn=lambda layer: layer, call_fn=call)

    def apply(self, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Applies one layer, or only records it after `Flatten`."""
        if isinstance(layer, keras.Model):
            if not isinstance(layer, keras.Sequential) and not hasattr(layer, "_run_through_graph"):
                raise refusal(layer, "it is neither Sequential nor functional, so it cannot be followed.")
            return self.run(layer, args[0])
        if getattr(layer, "data_format", None) == "channels_first":
            raise refusal(layer, 'it is "channels_first". Build the model with "channels_last".')
        leaves = keras.tree.flatten((args, kwargs))
        if any(isinstance(leaf, _Vector) for leaf in leaves):
            return _behind_flatten(layer, args, leaves)
        _check_before_flatten(layer)
        if isinstance(layer, keras.layers.Flatten):
            return _Vector(args[0], layer.name)
        trained = layer.compute_output_spec(*_each(args, "trained"), **_each(kwargs, "trained"))
        if any(len(tensor.shape) != 4 for tensor in keras.tree.flatten(trained)):
            raise refusal(layer, "before Flatten it returns something other than a map [B, H, W, C].")
        copy = self.copies.get(id(layer))
        first = copy is None
        if copy is None:
            copy = self.copies[id(layer)] = clone(layer, name=self.unique(layer.name))
        try:
            tensor = copy(*_each(args, "tensor"), **_each(kwargs, "tensor"))
            if first:
                copy_weights(layer, copy)
        except Exception as error:  # Keras and the layers of others raise whatever they like.
            raise refusal(layer, f"it does not work on maps of any size ({error}).") from error
        return keras.tree.map_structure(_Map, tensor, trained)

    def unique(self, name: str) -> str:
        """Returns a name that no layer has yet: names in nested models may repeat."""
        names = (name, *(f"{name}_{number}" for number in range(2, len(self.names) + 3)))
        found = next(candidate for candidate in names if candidate not in self.names)
        self.names.add(found)
        return found


def _each(values: Any, attribute: str) -> Any:
    return keras.tree.map_structure(
        lambda value: getattr(value, attribute) if isinstance(value, _Map) else value, values
    )


def _check_before_flatten(layer: Any) -> None:
    if isinstance(layer, _GLOBAL_POOLING):
        raise refusal(
            layer,
            "global pooling accepts an image of any size, so a net that ends in it needs no conversion. For "
            "a map of answers remove the pooling and apply the layers after it to the map itself: "
            f"`keras.Model(model.inputs[0], dense(model.get_layer({layer.name!r}).input))`; a Dense layer "
            "scores each place of a map.",
        )
    if isinstance(layer, keras.layers.Dense):
        raise refusal(
            layer,
            "it is not in the tail: it does not follow a Flatten. Use a 1x1 Conv2D for a layer that sees "
            "one place.",
        )
    if type(layer).__name__ in _REARRANGING:
        raise refusal(layer, "it rearranges places, which depends on the size of the map.")
    if isinstance(layer, _FIXED_SIZE):
        raise refusal(layer, "it makes every image the same size. Take it out, and resize images outside.")


def _behind_flatten(layer: Any, args: tuple[Any, ...], leaves: list[Any]) -> _Vector:
    if sum(isinstance(leaf, _Vector | _Map) for leaf in leaves) != 1 or not isinstance(args[0], _Vector):
        raise refusal(layer, "it joins several branches after Flatten. Expected one layer after another.")
    vector = args[0]
    accepted = (keras.layers.Dense, keras.layers.Flatten, *ELEMENTWISE, *PER_CHANNEL)
    if not isinstance(layer, accepted) or getattr(layer, "noise_shape", None) is not None:
        names = "Dense, Dropout, activations and BatchNormalization"
        raise refusal(layer, f"only {names} can follow Flatten layer {vector.flatten!r}.")
    seen_dense = any(isinstance(before, keras.layers.Dense) for before in vector.layers)
    mixes = isinstance(layer, keras.layers.Softmax | keras.layers.PReLU) or (
        isinstance(layer, keras.layers.Activation) and layer.activation in _ACROSS_CHANNELS
    )
    normalized = any(isinstance(before, keras.layers.BatchNormalization) for before in vector.layers)
    # Between Flatten and the first Dense only what is the same at every place of the window can stay.
    if not seen_dense and (
        mixes or (normalized and not isinstance(layer, keras.layers.Dense | keras.layers.Dropout))
    ):
        raise refusal(layer, "between Flatten and the first Dense layer it differs from place to place.")
    return _Vector(vector.map, vector.flatten, (*vector.layers, layer))
