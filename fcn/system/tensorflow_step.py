"""Parts of a training step that need less memory when they are TensorFlow's own operations."""

from typing import Any


def apply_momentum(weight: Any, velocity: Any, change: Any, momentum: float) -> None:
    """Changes a weight and its velocity in place, without new arrays of their size.

    `velocity = momentum * velocity + change`, which is then subtracted from the weight.

    Args:
        weight: A variable, of TensorFlow or of Keras on TensorFlow.
        velocity: A variable in the shape of `weight`.
        change: Learning rate times gradient, in this shape.
        momentum: Share of the velocity that is kept.

    Example:
        >>> import tensorflow as tf
        >>> weight, velocity = tf.Variable([2.0]), tf.Variable([1.0])
        >>> apply_momentum(weight, velocity, tf.constant([0.25]), 0.5)
        >>> weight.numpy().tolist(), velocity.numpy().tolist()
        ([1.25], [0.75])
    """
    import keras
    import tensorflow as tf

    var, accum = (each.value if isinstance(each, keras.Variable) else each for each in (weight, velocity))
    # TensorFlow's learning rate acts on the whole velocity and not on the gradient alone, so it is 1.
    tf.raw_ops.ResourceApplyMomentum(
        var=var.handle,
        accum=accum.handle,
        lr=tf.constant(1.0, var.dtype),
        grad=change,
        momentum=tf.constant(momentum, var.dtype),
    )
