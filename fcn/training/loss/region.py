"""Losses of the overlap of regions, class by class over a whole batch: Dice and Lovász-softmax.

Both are means over the classes that occur in the labels of the batch; 0 where there is none.
Void pixels are in no region, neither a true nor a predicted one.
"""

from typing import Any

from keras import ops

from fcn.training.loss.pixel import LabeledPixels


def dice(pixels: LabeledPixels) -> Any:
    """Returns one minus the soft Dice coefficient, `float32[]`, 0 to 1.

    The coefficient of a class is `2 sum(p g) / (sum(p ** 2) + sum(g))` with the probabilities p of that
    class and the truth g, 0 or 1, of all labeled pixels of the batch. Source: Milletari et al., "V-Net",
    3DV 2016, section 3.

    Args:
        pixels: The batch.

    Example:
        >>> pixels = LabeledPixels.of([[[0, 0, 255]]], ops.zeros((1, 1, 3, 2)))
        >>> round(float(dice(pixels)), 4)  # 1 - 2 (0.5 + 0.5) / (0.25 + 0.25 + 2)
        0.2
    """
    num_classes = pixels.logits.shape[-1]
    known = ops.expand_dims(pixels.known, -1)
    probabilities = ops.where(known, ops.softmax(pixels.logits), 0.0)
    truth = ops.logical_and(known, ops.equal(ops.expand_dims(pixels.label, -1), ops.arange(num_classes)))
    common = ops.sum(ops.where(truth, probabilities, 0.0), axis=(0, 1, 2))
    predicted = ops.sum(ops.square(probabilities), axis=(0, 1, 2))
    true = ops.sum(ops.cast(truth, "float32"), axis=(0, 1, 2))
    # An absent class gets the coefficient 0 here, and no place in the mean.
    return _mean_over_present(1.0 - 2.0 * common / (predicted + ops.maximum(true, 1.0)), true > 0)


def lovasz(pixels: LabeledPixels) -> Any:
    """Returns the Lovász-softmax loss, `float32[]`, 0 to 1.

    It is one minus the IoU where every pixel is predicted for certain, and between such predictions the
    tightest convex function of the errors `abs(g - p)` of the probabilities p. Source: Berman et al.,
    "The Lovász-Softmax Loss", CVPR 2018, section 3 and algorithm 1; over the pixels of the whole batch.

    Args:
        pixels: The batch.

    Example:
        >>> pixels = LabeledPixels.of([[[0, 0, 255]]], ops.array([[[[99.0, 0.0], [0.0, 99.0], [0.0, 0.0]]]]))
        >>> float(lovasz(pixels))
        0.5
    """
    num_classes = pixels.logits.shape[-1]
    known, label = ops.reshape(pixels.known, (1, -1)), ops.reshape(pixels.label, (1, -1))
    probabilities = ops.transpose(ops.reshape(ops.softmax(pixels.logits), (-1, num_classes)))
    truth = ops.logical_and(known, ops.equal(label, ops.expand_dims(ops.arange(num_classes), 1)))
    # Not `abs`, which has no slope at 0.
    errors = ops.where(known, ops.where(truth, 1.0 - probabilities, probabilities), 0.0)
    # The loss is linear in the errors as long as their order stays: the slopes are constants. Void comes
    # after all others in the order, where it moves no slope but its own, and that is multiplied with 0.
    order_by = ops.stop_gradient(ops.where(known, errors, -1.0))

    def slopes(class_id: Any) -> Any:
        own_truth, own_order = ops.take(truth, class_id, axis=0), ops.take(order_by, class_id, axis=0)
        # Most classes are in few crops, and sorting is what takes the time.
        return ops.cond(
            ops.any(own_truth),
            lambda: _jaccard_slopes(own_truth, own_order),
            lambda: ops.zeros_like(own_order),
        )

    losses = ops.sum(errors * ops.stop_gradient(ops.map(slopes, ops.arange(num_classes))), axis=1)
    return _mean_over_present(losses, ops.any(truth, axis=1))


def _jaccard_slopes(truth: Any, errors: Any) -> Any:
    """Returns how much the Jaccard loss grows when each pixel is added to those that are wrong.

    Pixels become wrong in the order of falling errors. Algorithm 1 subtracts neighboring values of
    `1 - intersection / union`, which leaves few digits where there are many pixels. The same difference
    in one fraction: a pixel of the class leaves the intersection, `1 / union`; any other one joins the
    union, `intersection / (union (union - 1))`.

    Args:
        truth: `bool[N]`, true at one pixel or more.
        errors: `float32[N]`.

    Returns:
        `float32[N]`, in the order of the arguments.
    """
    order = ops.argsort(-errors)
    hit = ops.cast(ops.take(truth, order), "float32")
    total = ops.sum(hit)
    # Whole numbers, which float32 holds exactly up to 2 ** 24: 64 crops of 512 x 512.
    intersection, union = total - ops.cumsum(hit), total + ops.cumsum(1.0 - hit)
    grows = ops.where(hit > 0, 1.0 / union, intersection / (union * ops.maximum(union - 1.0, 1.0)))
    return ops.scatter_update(ops.zeros_like(errors), ops.expand_dims(order, 1), grows)


def _mean_over_present(losses: Any, present: Any) -> Any:
    """Returns the mean of `losses`, `float32[C]`, where `present`, `bool[C]`; 0 if that is nowhere."""
    count = ops.sum(ops.cast(present, "float32"))
    return ops.sum(ops.where(present, losses, 0.0)) / ops.maximum(count, 1.0)
