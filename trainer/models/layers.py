"""The layers that networks are built of, each with its name, seed and precision.

Keras' BatchNormalization is built of elementwise kernels and costs 40 % of a training
step on a CPU; ours is TensorFlow's fused kernel (docs/adr/0001-fused-batch-norm.md),
and on a CPU less than that (docs/adr/0030-normalisation-in-few-passes.md).
"""

import dataclasses
import zlib
from typing import Any

import keras
import tensorflow as tf

from trainer.models import activations, batch_norm, depthwise, gates, replicas
from trainer.models.convolution import Conv2D
from trainer.models.dropout import Dropout
from trainer.models.join import Join
from trainer.models.normalization import Normalize
from trainer.models.variant import Variant

BATCH_NORM_VARIABLES = frozenset({"gamma", "beta", "moving_mean", "moving_variance"})
POLICIES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}


def is_batch_norm_variable(variable: keras.Variable) -> bool:
    """True for the variables that the L2 term of the loss leaves out."""
    return variable.name in BATCH_NORM_VARIABLES


class FusedBatchNormalization(keras.layers.Layer):
    """Normalises over batch, height and width, and activates; statistics in float32.

    The moving variance follows the unbiased variance of the batch, as in TensorFlow 1.

    Source: Ioffe & Szegedy 2015, arxiv.org/abs/1502.03167.
    """

    def __init__(
        self,
        *,
        momentum: float,
        epsilon: float,
        starts_at_zero: bool = False,
        activation: str = "linear",
        squeezes: bool = False,
        **kwargs: Any,
    ) -> None:
        """Keeps what `build` needs.

        Args:
            momentum: Share of the moving statistics that a step keeps, 0..1.
            epsilon: Added to the variance.
            starts_at_zero: Whether gamma starts at 0 instead of 1, which makes a
                residual block an identity at first.
            activation: A key of activations.ACTIVATIONS.
            squeezes: Whether to return the mean of each picture of the outputs, too.
            **kwargs: Of keras.layers.Layer.
        """
        # A cast of the inputs would be a pass over them; the loops cast as they read.
        super().__init__(autocast=False, **kwargs)
        self._momentum = momentum
        self._epsilon = epsilon
        self._starts_at_zero = starts_at_zero
        self._activation = activation
        self._squeezes = squeezes
        # Set by freeze_statistics, before the first training step.
        self.is_frozen = False

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes gamma, beta and the moving statistics: float32 [channels]."""
        self.gamma = self._add("gamma", input_shape, 0.0 if self._starts_at_zero else 1)
        self.beta = self._add("beta", input_shape, 0.0)
        self.moving_mean = self._add("moving_mean", input_shape, 0.0, trainable=False)
        self.moving_variance = self._add(
            "moving_variance", input_shape, 1.0, trainable=False
        )

    def _add(
        self,
        name: str,
        input_shape: tuple[int | None, ...],
        start: float,
        *,
        trainable: bool = True,
    ) -> keras.Variable:
        return self.add_weight(
            name=name,
            shape=(input_shape[-1],),
            initializer=keras.initializers.Constant(start),
            trainable=trainable,
            # The kernel takes float32 beside images of lower precision.
            autocast=False,
        )

    @property
    def _momentum_of_pass(self) -> float:
        """So that all micro-batches together keep the momentum of one step."""
        return self._momentum ** (1 / replicas.micro_batch().num_parts)

    def call(self, inputs: Any, training: bool = False) -> Any:  # noqa: FBT001, FBT002
        """Normalises float [batch, height, width, channels]."""
        spans_replicas = replicas.count() > 1 and not self.is_frozen
        if training and (spans_replicas or batch_norm.pays(inputs)):
            found = self._normalize_in_one_pass(inputs)
            return (found.outputs, found.squeezed) if self._squeezes else found.outputs
        outputs = self._normalize_by_kernel(inputs, moves=training)
        if not self._squeezes:
            return outputs
        return outputs, tf.reduce_mean(outputs, [1, 2], keepdims=True)

    def _normalize_in_one_pass(self, inputs: Any) -> batch_norm.Normalized:
        gamma, beta, mean, variance = self._read()
        form = batch_norm.Form(
            self._epsilon, self._activation, self.compute_dtype, self._squeezes
        )
        if self.is_frozen:
            return batch_norm.normalize_by_statistics(
                inputs,
                gamma,
                beta,
                statistics=batch_norm.Statistics(mean, variance),
                form=form,
            )
        found = batch_norm.normalize_by_batch(
            inputs,
            gamma,
            beta,
            shift=mean,
            form=form,
        )
        self._move(self.moving_mean, mean, found.mean)
        self._move(self.moving_variance, variance, found.variance)
        return found

    def _normalize_by_kernel(self, inputs: Any, *, moves: bool) -> Any:
        is_training = moves and not self.is_frozen
        gamma, beta, mean, variance = self._read()
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=gamma,
            offset=beta,
            mean=mean,
            variance=variance,
            epsilon=self._epsilon,
            # The kernel itself moves the statistics on.
            exponential_avg_factor=1.0 - self._momentum_of_pass,
            is_training=is_training,
        )
        if is_training:
            self.moving_mean.assign(mean)
            self.moving_variance.assign(variance)
        activated = activations.activate(outputs, self._activation)
        return tf.cast(activated, self.compute_dtype)

    def _read(self) -> list[Any]:
        variables = (self.gamma, self.beta, self.moving_mean, self.moving_variance)
        return [tf.convert_to_tensor(variable) for variable in variables]

    def _move(self, moving: keras.Variable, before: Any, found: Any) -> None:
        replicas.assign(moving, found + self._momentum_of_pass * (before - found))


def freeze_statistics(model: keras.Model) -> None:
    """Lets batch normalisation use its moving statistics in training, and keep them.

    Gamma and beta are trained on.
    """
    for layer in model.layers:
        if isinstance(layer, FusedBatchNormalization):
            layer.is_frozen = True


@dataclasses.dataclass(frozen=True)
class LayerBuilder:
    """Makes the layers of one network, and connects them.

    Attributes:
        precision: Type that layers compute in: a key of POLICIES.
        seed: Seed of the network; each layer derives its own from it and its name.
        activation: A key of activations.ACTIVATIONS.
        variant: Its epsilon, paddings and normalisation.
        batch_norm_momentum: See FusedBatchNormalization.
        kernel_scale: `scale` of keras.initializers.VarianceScaling.
        kernel_mode: `mode` of it.
        kernel_distribution: `distribution` of it.
    """

    precision: str
    seed: int
    activation: str
    variant: Variant
    batch_norm_momentum: float
    kernel_scale: float
    kernel_mode: str
    kernel_distribution: str

    def normalize(self, images: Any) -> Any:
        """Pixels 0..255 -> what the network was made for."""
        return Normalize(self.variant.normalization, name="normalization")(images)

    def conv(
        self,
        inputs: Any,
        filters: int,
        kernel_size: int,
        *,
        strides: int = 1,
        name: str,
        **kwargs: Any,
    ) -> Any:
        """Convolution without a bias, unless `kwargs` say otherwise."""
        layer = Conv2D(
            filters,
            kernel_size,
            strides=strides,
            padding=self.variant.conv_padding,
            kernel_initializer=self._kernel_initializer(name),
            dtype=self._policy,
            name=name,
            **kwargs,
        )
        return layer(inputs)

    def depthwise_conv(
        self, inputs: Any, kernel_size: int, *, strides: int, name: str
    ) -> Any:
        """One filter a channel."""
        is_even = strides > 1 and self.variant.conv_padding == "EVEN"
        if is_even:
            pad = keras.layers.ZeroPadding2D(
                kernel_size // 2, dtype=self._depthwise_policy, name=f"{name}_pad"
            )
            inputs = pad(inputs)
        layer = depthwise.DepthwiseConv2D(
            kernel_size,
            strides=strides,
            padding="VALID" if is_even else "SAME",
            kernel_initializer=self._kernel_initializer(name),
            dtype=self._depthwise_policy,
            name=name,
        )
        return layer(inputs)

    def batch_norm(
        self,
        inputs: Any,
        *,
        name: str,
        starts_at_zero: bool = False,
        activates: bool = False,
        is_before_depthwise: bool = False,
        squeezes: bool = False,
    ) -> Any:
        """Batch normalisation, with the network's activation or without.

        Before a depthwise convolution it hands on what that computes in. Where it
        squeezes, it returns the mean of each picture's channels, too.
        """
        layer = FusedBatchNormalization(
            momentum=self.batch_norm_momentum,
            epsilon=self.variant.batch_norm_epsilon,
            starts_at_zero=starts_at_zero,
            activation=self.activation if activates else "linear",
            squeezes=squeezes,
            dtype=self._depthwise_policy if is_before_depthwise else self._policy,
            name=name,
        )
        return layer(inputs)

    def activate(self, inputs: Any, *, name: str) -> Any:
        """The activation of the network."""
        layer = activations.Activate(self.activation, dtype=self._policy, name=name)
        return layer(inputs)

    def sigmoid(self, inputs: Any, *, name: str) -> Any:
        """1 / (1 + exp(-x))."""
        layer = keras.layers.Activation("sigmoid", dtype=self._policy, name=name)
        return layer(inputs)

    def gated_conv(self, inputs: Any, gate: Any, filters: int, *, name: str) -> Any:
        """Scales each channel by its gate, and convolves with single pixels."""
        layer = gates.GatedConv2D(
            filters,
            kernel_initializer=self._kernel_initializer(name),
            dtype=self._policy,
            name=name,
        )
        return layer([inputs, gate])

    def max_pool(self, inputs: Any, pool_size: int, *, strides: int, name: str) -> Any:
        """The greatest of each square; of values that are 0 or more."""
        is_even = self.variant.pool_padding == "EVEN"
        if is_even:
            pad = keras.layers.ZeroPadding2D(
                pool_size // 2, dtype=inputs.dtype, name=f"{name}_pad"
            )
            inputs = pad(inputs)
        layer = keras.layers.MaxPooling2D(
            pool_size,
            strides=strides,
            padding="valid" if is_even else "same",
            dtype=inputs.dtype,
            name=name,
        )
        return layer(inputs)

    def dropout(self, inputs: Any, rate: float, *, name: str) -> Any:
        """Sets a share of the values to zero in training."""
        layer = Dropout(rate, seed=self._seed_of(name), dtype=self._policy, name=name)
        return layer(inputs)

    def stochastic_depth(self, inputs: Any, rate: float, *, name: str) -> Any:
        """Sets all values of a share of the images to zero in training.

        Source: Huang et al. 2016, arxiv.org/abs/1603.09382.
        """
        layer = Dropout(
            rate,
            noise_shape=(None, 1, 1, 1),
            seed=self._seed_of(name),
            dtype=self._policy,
            name=name,
        )
        return layer(inputs)

    def add(self, inputs: list[Any], *, name: str) -> Any:
        """Elementwise sum."""
        return keras.layers.Add(dtype=self._policy, name=name)(inputs)

    def join(self, shortcut: Any, outputs: Any, *, name: str) -> tuple[Any, Any]:
        """Their sum, with the network's activation: twice, for block and shortcut."""
        layer = Join(self.activation, dtype=self._policy, name=name)
        for_block, for_shortcut = layer([shortcut, outputs])
        return for_block, for_shortcut

    def classifier(
        self, inputs: Any, num_classes: int, initializer: keras.Initializer
    ) -> Any:
        """Mean over the picture, then logits, float32 [batch, num_classes]."""
        layer = keras.layers.Dense(
            num_classes,
            kernel_initializer=initializer,
            dtype="float32",
            name="predictions",
        )
        return layer(inputs)

    def seeded(self, initializer: type[Any], name: str, **options: Any) -> Any:
        """An initializer with the seed of the layer of this name."""
        return initializer(seed=self._seed_of(name), **options)

    def _kernel_initializer(self, name: str) -> keras.Initializer:
        return self.seeded(
            keras.initializers.VarianceScaling,
            name,
            scale=self.kernel_scale,
            mode=self.kernel_mode,
            distribution=self.kernel_distribution,
        )

    def _seed_of(self, name: str) -> int:
        # A seed a layer, so that no two layers start with the same weights.
        return zlib.crc32(f"{self.seed}/{name}".encode())

    @property
    def _policy(self) -> str:
        return POLICIES[self.precision]

    @property
    def _depthwise_policy(self) -> str:
        return POLICIES[depthwise.choose_precision(self.precision)]
