"""Leaving out values, or whole images, in training."""

from typing import Any

import keras
import tensorflow as tf

from trainer.models import replicas


class Dropout(keras.layers.Layer):
    """Sets values to zero in training, and scales up the rest.

    Keras' own layer numbers its random state by how many there are in the process; a
    checkpoint needs names that stay.
    """

    def __init__(
        self,
        rate: float,
        *,
        seed: int,
        name: str,
        noise_shape: tuple[int | None, ...] | None = None,
        **kwargs: Any,
    ) -> None:
        """Keeps the options.

        Args:
            rate: Share of the values, 0 up to but not including 1.
            seed: Start of the random state, which each call moves on.
            name: Name of the layer.
            noise_shape: Shape of what is drawn, broadcast over the inputs, with None
                where it is theirs; None draws for each value.
            **kwargs: Of keras.layers.Layer.
        """
        super().__init__(name=name, **kwargs)
        self.rate = rate
        self._noise_shape = noise_shape
        self.seed_generator = keras.random.SeedGenerator(seed, name=f"{name}_seed")

    @property
    def drops_images(self) -> bool:
        """Whether it leaves out all values of an image or none."""
        return self._noise_shape is not None

    def call(self, inputs: Any, training: bool = False) -> Any:  # noqa: FBT001, FBT002
        """Drops from float [batch, ...] if training."""
        if not training or not self.rate:
            return inputs
        if replicas.count() > 1 or replicas.micro_batch().num_parts > 1:
            return self._drop_rows(inputs)
        return keras.random.dropout(
            inputs, self.rate, noise_shape=self._noise_shape, seed=self.seed_generator
        )

    def _drop_rows(self, inputs: Any) -> Any:
        """Drops of the global batch what one replica would drop."""
        # A copy: the variable itself would be read after it has changed.
        state = tf.identity(self.seed_generator.state.value)
        # All micro-batches of a step draw the same.
        number, num_parts = replicas.micro_batch()
        moved = tf.stack([0, tf.cast(tf.equal(number, num_parts - 1), state.dtype)])
        replicas.assign(self.seed_generator.state, state + moved)
        # As Keras makes a seed of its state.
        seed = tf.cast(tf.math.floormod(state, tf.int32.max - 1), tf.int32)

        def draw(shape: list[int]) -> Any:
            return tf.nn.experimental.stateless_dropout(
                tf.ones(shape, inputs.dtype), self.rate, seed=seed
            )

        num_rows, *inner_shape = inputs.shape
        if self._noise_shape:
            inner_shape = list(self._noise_shape[1:])
        return inputs * replicas.draw_rows(draw, inner_shape, num_rows)


def set_drop_rates(
    model: keras.Model, *, dropout_rate: float | None, survival_prob: float | None
) -> None:
    """Changes how much a network leaves out in training, before its first step.

    Args:
        model: With layers of Dropout.
        dropout_rate: Of single values; None leaves it.
        survival_prob: Share of the images that the last block keeps; the share that
            skips it falls in a line to 0 at the first. None leaves it.
    """
    dropouts = [layer for layer in model.layers if isinstance(layer, Dropout)]
    for layer in dropouts:
        if not layer.drops_images and dropout_rate is not None:
            layer.rate = dropout_rate
    if survival_prob is None:
        return
    blocks = [layer for layer in dropouts if layer.drops_images]
    largest = max(layer.rate for layer in blocks)
    for layer in blocks:
        layer.rate *= (1.0 - survival_prob) / largest
