"""Parts of a training step that need less memory when they are TensorFlow's own operations."""

from typing import Any


def multiply_in_training(rows: Any, matrix: Any) -> Any:
    """Multiplies rows with a matrix; the backward pass is done with the matrix before its gradient exists.

    TensorFlow computes both gradients in any order. If that of the matrix comes first, a copy of the matrix,
    in bfloat16 for instance, and its gradient are in memory together, and the matrix cannot be updated in
    place. The gradient with respect to `rows` is always computed, also where nothing needs it.

    Args:
        rows: `float[..., N]`.
        matrix: `float[N, M]`.

    Returns:
        `float[..., M]`.

    Example:
        >>> import tensorflow as tf
        >>> multiply_in_training(tf.ones((1, 2, 3)), tf.ones((3, 1))).numpy().tolist()
        [[[3.0], [3.0]]]
    """
    import tensorflow as tf

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def multiply(rows: Any, matrix: Any) -> Any:
        def gradient(upstream: Any) -> tuple[Any, Any]:
            of_rows = tf.matmul(upstream, matrix, transpose_b=True)
            with tf.control_dependencies([of_rows]):
                of_matrix = tf.matmul(rows, upstream, transpose_a=True)
            return of_rows, of_matrix

        return tf.matmul(rows, matrix), gradient

    leading, (inputs, outputs) = tf.shape(rows)[:-1], matrix.shape
    product = multiply(tf.reshape(rows, (-1, inputs)), matrix)
    return tf.reshape(product, tf.concat([leading, [outputs]], axis=0))


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
