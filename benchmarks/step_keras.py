"""Steps of keras.applications: `fit`, and `loop`, a tf.function with GradientTape."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import stopwatch
import tensorflow as tf
from stopwatch import Case

NAMES = {
    "efficientnet-b0": "EfficientNetB0",
    "efficientnet-b4": "EfficientNetB4",
    "resnet-50": "ResNet50",
}


def main(argv: Sequence[str]) -> int:
    """Prints images a second."""
    flags = stopwatch.parse(argv, ("fit", "loop"))
    case = flags.case
    model = getattr(keras.applications, NAMES[case.model_type])(
        weights=None,
        input_shape=(case.image_size, case.image_size, 3),
        classes=stopwatch.NUM_CLASSES,
        classifier_activation=None,
    )
    if flags.mode == "fit":
        print(_measure_fit(model, case, flags.seconds))
        return 0
    print(
        stopwatch.images_a_second(
            _build_loop(model, case), batch_size=case.batch_size, seconds=flags.seconds
        )
    )
    return 0


def _make_batch(case: Case) -> tuple[Any, Any]:
    shape = [case.batch_size, case.image_size, case.image_size, 3]
    images = tf.random.stateless_uniform(shape, [0, 0], maxval=255)
    return images, tf.random.stateless_uniform(
        shape[:1], [0, 1], maxval=stopwatch.NUM_CLASSES, dtype=tf.int32
    )


class _Stopwatch(keras.callbacks.Callback):
    """Ends the fit after some seconds that follow the warm-up."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self._num_steps, self._started_at = -stopwatch.WARM_UP_STEPS, 0.0
        self.steps_a_second = 0.0

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        self._num_steps += 1
        if self._num_steps == 0:
            self._started_at = time.perf_counter()
        elapsed = time.perf_counter() - self._started_at
        if self._num_steps > 0 and elapsed >= self._seconds:
            self.steps_a_second = self._num_steps / elapsed
            self.model.stop_training = True


def _measure_fit(model: Any, case: Case, seconds: float) -> float:
    model.compile(
        keras.optimizers.SGD(0.05, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    watch = _Stopwatch(seconds)
    batches = tf.data.Dataset.from_tensors(_make_batch(case)).cache().repeat()
    model.fit(batches, steps_per_epoch=10**6, callbacks=[watch], verbose=0)
    return watch.steps_a_second * case.batch_size


def _build_loop(model: Any, case: Case) -> Callable[[], Any]:
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    images, labels = _make_batch(case)

    @tf.function
    def train_step(images: Any, labels: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = loss_of(labels, model(images, training=True))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(
            zip(gradients, model.trainable_variables, strict=True)
        )
        return loss

    return lambda: float(train_step(images, labels))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
