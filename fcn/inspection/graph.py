"""The layers of a functional Keras model in the order they compute, and the shapes an image gives them."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import keras

from fcn.errors import RunError
from fcn.inspection.layer_operations import Shape


class Node(NamedTuple):
    """One call of a layer.

    Attributes:
        layer: The layer, or an operation without weights.
        inputs: Numbers of the nodes that its input maps come from.
        input_shapes: Shapes of those maps, `(1, *sizes, channels)`.
        output_shape: Shape of the map it returns.
        dtype: Type of that map.
    """

    layer: Any
    inputs: tuple[int, ...]
    input_shapes: tuple[Shape, ...]
    output_shape: Shape
    dtype: str


@dataclass(frozen=True)
class _Map:
    """A map between two layers.

    Attributes:
        spec: Its shape and type.
        node: Number of the node that returned it.
    """

    spec: keras.KerasTensor
    node: int


def read_graph(model: keras.Model, size: tuple[int, ...]) -> list[Node]:
    """Follows the shape of an image through a model.

    Args:
        model: A Sequential or functional model from one image to one map; nested models are followed too.
        size: Sizes of the image, (height, width) or (length,).

    Returns:
        The nodes; the first is the image.

    Raises:
        RunError: If the model cannot be followed, or does not take images of that size.

    Example:
        >>> net = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(8, 3, 2, name="conv")])
        >>> [(node.layer.name, node.output_shape) for node in read_graph(net, (9, 9))][1]
        ('conv', (1, 4, 4, 8))
    """
    source = _source(model)
    shape = (1, *size, source.shape[-1])
    fits = len(shape) == len(source.shape) and all(
        own in (None, given) for own, given in zip(source.shape[1:], shape[1:], strict=True)
    )
    if not fits:
        sides = source.shape[1:-1]
        names = ("height", "width") if len(sides) == 2 else ("length",) * len(sides)
        wanted = "x".join(str(side or name) for side, name in zip(sides, names, strict=True))
        given = "x".join(map(str, size))
        raise RunError(f"{model.name}: expected images of the size {wanted}. Received: {given}. Give --size.")
    spec = keras.KerasTensor(shape, source.dtype)
    layer = source._keras_history.operation
    nodes = [Node(layer, (), (), shape, str(source.dtype))]
    _Walk(nodes).run(model, _Map(spec, 0))
    return nodes


def _source(model: keras.Model) -> keras.KerasTensor:
    """Returns the only input of a model.

    Raises:
        RunError: If the model does not have one input, an image or signal, channels last, and one output.
    """
    if len(getattr(model, "inputs", None) or []) != 1:
        raise RunError(f"{model.name}: expected a functional model with one image as input.")
    if len(model.outputs) != 1:
        raise RunError(
            f"{model.name}: expected a model with one output. Received: {len(model.outputs)} outputs. "
            "Save a model of one of them."
        )
    source = model.inputs[0]
    turned = [
        layer.name
        for layer in model._flatten_layers(include_self=False)
        if getattr(layer, "data_format", None) == "channels_first"
    ]
    if turned or len(source.shape) < 3 or source.shape[-1] is None:
        why = f", and {turned[0]} is channels-first" if turned else ""
        raise RunError(
            f"{model.name}: expected a channels-last model of one image or signal. "
            f"Received: inputs of the shape {tuple(source.shape)}{why}."
        )
    return source


class _Walk:
    """A walk through a model and the models in it, which collects their nodes.

    Args:
        nodes: The list that the nodes are added to.
    """

    def __init__(self, nodes: list[Node]) -> None:
        self.nodes = nodes

    def run(self, model: keras.Model, start: Any) -> Any:
        """Follows a model from its input to its output."""

        def call(layer: Any, *args: Any, **kwargs: Any) -> Any:
            return self.apply(layer, args, kwargs)

        if isinstance(model, keras.Sequential):
            for layer in model.layers:
                start = call(layer, start)
            return start
        if not hasattr(model, "_run_through_graph"):
            raise RunError(
                f"{model.name}: is neither Sequential nor functional, so its layers cannot be listed."
            )
        # As `fcn.models.surgery` does: Keras has no public way to follow a model call by call.
        return model._run_through_graph(start, operation_fn=lambda layer: layer, call_fn=call)

    def apply(self, layer: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Adds the node of one call of a layer."""
        if isinstance(layer, keras.Model):
            return self.run(layer, args[0])
        maps = [leaf for leaf in keras.tree.flatten((args, kwargs)) if isinstance(leaf, _Map)]
        try:
            spec = layer.compute_output_spec(*_specs(args), **_specs(kwargs))
        except Exception as error:  # Keras and other people's layers raise errors of any class
            received = [tuple(one.spec.shape) for one in maps]
            raise RunError(
                f"{layer.name}: cannot take a map of this shape {received} ({error}). Give a larger --size."
            ) from error
        if not isinstance(spec, keras.KerasTensor):
            raise RunError(f"{layer.name}: returns several maps. Expected layers that return one.")
        number = len(self.nodes)
        shapes = tuple(tuple(one.spec.shape) for one in maps)
        inputs = tuple(one.node for one in maps)
        self.nodes.append(Node(layer, inputs, shapes, tuple(spec.shape), str(spec.dtype)))
        return _Map(spec, number)


def _specs(values: Any) -> Any:
    return keras.tree.map_structure(lambda value: value.spec if isinstance(value, _Map) else value, values)
