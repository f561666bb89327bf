"""The five optimizers of `optimizer_type`, as tf.train.*Optimizer of TensorFlow 1.

Each updates a variable and its slots in one fused kernel. Keras' optimizers compute
other formulas (epsilon, start values) from separate ops, so they are not used. Slots
carry TensorFlow 1's names. Gradients are dense, and already summed over replicas.
"""

import abc
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
import tensorflow as tf

from trainer.models import replicas


class Optimizer(abc.ABC):
    """Moves variables along their gradients, and owns the slots this takes."""

    # Name in TensorFlow 1 -> start value, in the order of the kernel's arguments; a
    # string is the argument that holds it.
    _slot_values: ClassVar[dict[str, float | str]]

    def __init__(
        self, arguments: Mapping[str, float | bool], variables: Sequence[Any]
    ) -> None:
        self._arguments = dict(arguments)
        self._targets = [_as_tf_variable(variable) for variable in variables]
        self._slots = []
        self.variables: dict[str, tf.Variable] = {}
        for variable, target in zip(variables, self._targets, strict=True):
            slots = {
                f"{_name(variable)}/{suffix}": self._build_slot(target, start)
                for suffix, start in self._slot_values.items()
            }
            self._slots.append(list(slots.values()))
            self.variables |= slots

    def _build_slot(self, target: tf.Variable, start: float | str) -> tf.Variable:
        value = self._arguments[start] if isinstance(start, str) else start
        return tf.Variable(tf.fill(target.shape, float(value)), trainable=False)

    def apply(
        self,
        gradients: Sequence[Any],
        learning_rate: Any,
        scales: Sequence[float] | None = None,
    ) -> None:
        """Takes one step; works eagerly and in a tf.function.

        Args:
            gradients: float32, one for each variable, in order and of its shape.
            learning_rate: float32 [] or float, 0 or more.
            scales: Factors of the rate, one for each variable; None for 1.
        """
        rates = [learning_rate] * len(self._targets)
        if scales is not None:
            rates = [scale * learning_rate for scale in scales]
        for target, slots, gradient, rate in zip(
            self._targets, self._slots, gradients, rates, strict=True
        ):
            handles = [slot.handle for slot in slots]
            self._apply_one(target.handle, handles, gradient, rate)

    @abc.abstractmethod
    def _apply_one(
        self, handle: Any, slots: list[Any], gradient: Any, learning_rate: Any
    ) -> None:
        """Runs the fused kernel on one variable."""


class _Momentum(Optimizer):
    """accumulator = momentum * accumulator + g; v -= rate * accumulator.

    Source: tf.compat.v1.train.MomentumOptimizer; Nesterov as in Sutskever et al. 2013.
    """

    _slot_values: ClassVar = {"Momentum": 0.0}

    def _apply_one(
        self, handle: Any, slots: list[Any], gradient: Any, learning_rate: Any
    ) -> None:
        tf.raw_ops.ResourceApplyMomentum(
            var=handle,
            accum=slots[0],
            lr=learning_rate,
            grad=gradient,
            momentum=self._arguments["momentum"],
            use_nesterov=self._arguments["use_nesterov"],
        )


class _Adam(Optimizer):
    """v -= rate * sqrt(1 - beta2**t) / (1 - beta1**t) * m / (sqrt(s) + epsilon).

    Source: tf.compat.v1.train.AdamOptimizer; Kingma & Ba 2014, arxiv.org/abs/1412.6980,
    end of sec. 2, whose epsilon hat this epsilon is.
    """

    _slot_values: ClassVar = {"Adam": 0.0, "Adam_1": 0.0}

    def __init__(
        self, arguments: Mapping[str, float | bool], variables: Sequence[Any]
    ) -> None:
        super().__init__(arguments, variables)
        self._powers = {
            name: tf.Variable(float(arguments[name]), trainable=False)
            for name in ("beta1", "beta2")
        }
        self.variables |= {
            f"{name}_power": power for name, power in self._powers.items()
        }

    def apply(
        self,
        gradients: Sequence[Any],
        learning_rate: Any,
        scales: Sequence[float] | None = None,
    ) -> None:
        super().apply(gradients, learning_rate, scales)
        for name, power in self._powers.items():
            replicas.assign(power, power * self._arguments[name])

    def _apply_one(
        self, handle: Any, slots: list[Any], gradient: Any, learning_rate: Any
    ) -> None:
        tf.raw_ops.ResourceApplyAdam(
            var=handle,
            m=slots[0],
            v=slots[1],
            beta1_power=self._powers["beta1"],
            beta2_power=self._powers["beta2"],
            lr=learning_rate,
            beta1=self._arguments["beta1"],
            beta2=self._arguments["beta2"],
            epsilon=self._arguments["epsilon"],
            grad=gradient,
        )


class _RMSProp(Optimizer):
    """s = decay * s + (1 - decay) * g**2; v -= momentum of rate * g / sqrt(s + eps).

    Source: tf.compat.v1.train.RMSPropOptimizer, whose s starts at 1; Hinton's lecture 6
    of "Neural Networks for Machine Learning", 2012.
    """

    _slot_values: ClassVar = {"RMSProp": 1.0, "RMSProp_1": 0.0}

    def _apply_one(
        self, handle: Any, slots: list[Any], gradient: Any, learning_rate: Any
    ) -> None:
        tf.raw_ops.ResourceApplyRMSProp(
            var=handle,
            ms=slots[0],
            mom=slots[1],
            lr=learning_rate,
            rho=self._arguments["decay"],
            momentum=self._arguments["momentum"],
            epsilon=self._arguments["epsilon"],
            grad=gradient,
        )


class _Adadelta(Optimizer):
    """v -= rate * g * sqrt(mean of squared updates) / sqrt(mean of squared gradients).

    Source: tf.compat.v1.train.AdadeltaOptimizer; Zeiler 2012, arxiv.org/abs/1212.5701,
    algorithm 1, times a learning rate.
    """

    _slot_values: ClassVar = {"Adadelta": 0.0, "Adadelta_1": 0.0}

    def _apply_one(
        self, handle: Any, slots: list[Any], gradient: Any, learning_rate: Any
    ) -> None:
        tf.raw_ops.ResourceApplyAdadelta(
            var=handle,
            accum=slots[0],
            accum_update=slots[1],
            lr=learning_rate,
            rho=self._arguments["rho"],
            epsilon=self._arguments["epsilon"],
            grad=gradient,
        )


class _Adagrad(Optimizer):
    """accumulator += g**2; v -= rate * g / sqrt(accumulator).

    Source: tf.compat.v1.train.AdagradOptimizer, without epsilon; Duchi et al. 2011.
    """

    _slot_values: ClassVar = {"Adagrad": "initial_accumulator_value"}

    def _apply_one(
        self, handle: Any, slots: list[Any], gradient: Any, learning_rate: Any
    ) -> None:
        tf.raw_ops.ResourceApplyAdagrad(
            var=handle, accum=slots[0], lr=learning_rate, grad=gradient
        )


_OPTIMIZERS: dict[str, type[Optimizer]] = {
    "momentum": _Momentum,
    "adam": _Adam,
    "rmsprop": _RMSProp,
    "adadelta": _Adadelta,
    "adagrad": _Adagrad,
}


def build_optimizer(
    optimizer_type: str,
    arguments: Mapping[str, float | bool],
    variables: Sequence[Any],
) -> Optimizer:
    """Builds an optimizer with slots at their start values.

    Args:
        optimizer_type: A key of config.OPTIMIZER_ARGUMENTS.
        arguments: All of that optimizer's arguments (`resolved_optimizer_arguments`).
        variables: float32 keras.Variables or tf.Variables, with distinct names.
    """
    return _OPTIMIZERS[optimizer_type](arguments, variables)


def _as_tf_variable(variable: Any) -> tf.Variable:
    return variable.value if isinstance(variable, keras.Variable) else variable


def _name(variable: Any) -> str:
    if isinstance(variable, keras.Variable):
        return str(variable.path)
    return str(variable.name).removesuffix(":0")
