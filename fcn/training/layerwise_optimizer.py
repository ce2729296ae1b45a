"""The base of all optimizers: a learning rate for each variable, and steps that are taken in parts.

A subclass of Keras' `Optimizer`, since Keras' own have one learning rate for all variables, decay weights
beside the gradient and not as a part of it, and count the parts of a step as steps of the schedule
(docs/decisions/0010).
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras
from keras import ops

from fcn.training.patterns import multiplier, variable_key

Reduction = Literal["mean", "sum"]


class LayerwiseOptimizer(keras.optimizers.Optimizer):  # type: ignore[misc]
    """A Keras optimizer with learning rates by variable and steps in parts; a subclass updates one variable.

    `iterations` counts updates. With `accumulate` each is taken in as many calls of `apply`, of which the
    last changes the weights; `parts` is the number of calls that the update in progress has had.

    Args:
        learning_rate: A float or a schedule over updates.
        kernel_decay: Weight decay of variables named "kernel"; others have none.
        multipliers: Factors of the learning rate by patterns of "LAYER/VARIABLE"; all that fit count.
        clip_norm: Largest norm of all gradients of an update together; None: no limit.
        accumulate: Calls of `apply` an update.
        reduction: Reduction of the loss over the pixels of a batch: with "mean" the gradients of the parts
            are averaged, as by Caffe's `iter_size`; with "sum" they are added.
        name: Name of the optimizer.
    """

    slot_names: Sequence[str] = ()
    """Names of the values that are kept for each variable, in its shape; they start at zero."""

    def __init__(
        self,
        learning_rate: Any,
        *,
        kernel_decay: float,
        multipliers: Mapping[str, float] | None = None,
        clip_norm: float | None = None,
        accumulate: int = 1,
        reduction: Reduction = "mean",
        name: str | None = None,
    ) -> None:
        super().__init__(learning_rate=learning_rate, name=name)
        if reduction not in ("mean", "sum"):
            raise ValueError(f'Expected "mean" or "sum". Received: reduction={reduction!r}.')
        if accumulate < 1:
            raise ValueError(f"Expected at least one part. Received: accumulate={accumulate}.")
        self.kernel_decay = kernel_decay
        self.multipliers = dict(multipliers or {})
        self.clip_norm = clip_norm
        self.accumulate = accumulate
        self.reduction = reduction

    def new_values(self, values: Sequence[Any], gradient: Any, learning_rate: Any, decay: float) -> list[Any]:
        """Returns one variable and its slots after an update.

        Args:
            values: The variable and its slots, in the order of `slot_names`.
            gradient: Gradient of the loss, in the shape of the variable.
            learning_rate: Learning rate of this variable.
            decay: Weight decay of this variable.

        Returns:
            The new value of each of `values`.
        """
        raise NotImplementedError

    def update_variable(
        self, targets: Sequence[Any], gradient: Any, learning_rate: Any, decay: float
    ) -> None:
        """Changes one variable and its slots to what `new_values` returns.

        Args:
            targets: The variable and its slots, in the order of `slot_names`.
            gradient: As of `new_values`, like the other arguments.
            learning_rate: Learning rate of this variable.
            decay: Weight decay of this variable.
        """
        values = [ops.convert_to_tensor(target) for target in targets]
        for target, value in zip(
            targets, self.new_values(values, gradient, learning_rate, decay), strict=True
        ):
            self.assign(target, value)

    def build(self, variables: Sequence[Any]) -> None:
        """Creates the slots and looks up the rate and decay of each variable."""
        if self.built:
            return
        super().build(variables)
        self._slots = [self.add_optimizer_variables(variables, name) for name in self.slot_names]
        self._sums = self.add_optimizer_variables(variables, "sum") if self.accumulate > 1 else []
        self._factors = [multiplier(variable_key(variable), self.multipliers) for variable in variables]
        self._decays = [self.kernel_decay if variable.name == "kernel" else 0.0 for variable in variables]

    @property
    def iterations(self) -> Any:
        """Number of updates of the weights so far."""
        if self.accumulate == 1:
            return self._iterations
        return ops.floor_divide(self._iterations, self.accumulate)

    @property
    def parts(self) -> Any:
        """Number of parts of the next update that were taken already; 0 after each update."""
        return self._iterations % self.accumulate

    def take_state(self, other: "LayerwiseOptimizer", step: int) -> None:
        """Takes over the slots of an optimizer of the same net, between two updates.

        Args:
            other: Another one, which may add up another number of parts.
            step: Updates of the weights so far.
        """
        for slots, others in zip(self._slots, other._slots, strict=True):
            for slot, value in zip(slots, others, strict=True):
                slot.assign(value)
        self._iterations.assign(step * self.accumulate)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Changes one variable and its slots; Keras calls it for each.

        Args:
            gradient: Gradient of the whole update, or the sum over its parts so far.
            variable: The variable.
            learning_rate: Learning rate before the factor of the variable.
        """
        index = self._get_variable_index(variable)
        rate = ops.cast(learning_rate, variable.dtype) * self._factors[index]
        targets = [variable, *(slots[index] for slots in self._slots)]
        gradient = ops.cast(gradient, variable.dtype)
        decay = self._decays[index]
        if self.accumulate == 1:
            self.update_variable(targets, gradient, rate, decay)
            return
        old = [ops.convert_to_tensor(target) for target in targets]
        new = self.new_values(old, gradient, rate, decay)
        # Chosen by value: not every backend takes assignments within a condition.
        whole = self._is_whole()
        for target, after, before in zip(targets, new, old, strict=True):
            self.assign(target, ops.where(whole, after, before))
        self.assign(self._sums[index], ops.where(whole, ops.zeros_like(gradient), gradient))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make this optimizer again, without its state."""
        config = super().get_config()
        return {
            "name": config["name"],
            "learning_rate": config["learning_rate"],
            "kernel_decay": self.kernel_decay,
            "multipliers": dict(self.multipliers),
            "clip_norm": self.clip_norm,
            "accumulate": self.accumulate,
            "reduction": self.reduction,
        }

    def _is_whole(self) -> Any:
        """Returns whether the part being applied is the last of its update."""
        return ops.equal((self._iterations + 1) % self.accumulate, 0)

    def _whole(self, gradients: Sequence[Any], variables: Sequence[Any]) -> list[Any]:
        """Returns the gradients plus those of earlier parts; those of a whole update averaged and clipped."""
        if self.accumulate > 1:
            sums = [self._sums[self._get_variable_index(variable)] for variable in variables]
            gradients = [gradient + total for gradient, total in zip(gradients, sums, strict=True)]
        scale = 1 / self.accumulate if self.reduction == "mean" else 1.0
        if self.clip_norm:
            squares = [ops.sum(ops.square(ops.cast(gradient, "float32"))) for gradient in gradients]
            norm = scale * ops.sqrt(ops.sum(ops.stack(squares)))
            scale = scale * self.clip_norm / ops.maximum(norm, self.clip_norm)
        elif scale == 1:
            return list(gradients)
        if self.accumulate > 1:
            scale = ops.where(self._is_whole(), scale, 1.0)
        return [gradient * ops.cast(scale, gradient.dtype) for gradient in gradients]

    # Keras' hooks follow: they run between `apply` and `update_step`, and give the schedule its step.

    def _backend_update_step(self, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        if keras.backend.backend() != "tensorflow":
            grads = self._whole(grads, trainable_variables)
        super()._backend_update_step(grads, trainable_variables, learning_rate)

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> list[tuple[Any, Any]]:
        # Only TensorFlow calls it. Clipping comes after the sum over devices: so N devices clip as one does.
        gradients, variables = zip(*super()._all_reduce_sum_gradients(grads_and_vars), strict=True)
        return list(zip(self._whole(gradients, variables), variables, strict=True))

    def _get_current_learning_rate(self) -> Any:
        if isinstance(self._learning_rate, keras.optimizers.schedules.LearningRateSchedule):
            return self._learning_rate(self.iterations)
        return super()._get_current_learning_rate()
