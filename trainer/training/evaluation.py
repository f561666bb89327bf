"""Scores the weights that are being trained, in the precision that is served."""

import math
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trainer import errors
from trainer.config import TrainConfig
from trainer.data import images, pipeline
from trainer.data.example_source import ExampleSource
from trainer.serving import parity
from trainer.training import failures
from trainer.training.agreement import Agreement
from trainer.training.evaluator import Evaluator


class Evaluation:
    """Evaluates on the validation images.

    Training may compute in a lower precision; the exported model is float32, and it
    is that model's accuracy that is reported.
    """

    def __init__(
        self,
        config: TrainConfig,
        evaluator: Evaluator,
        source: ExampleSource,
        *,
        scored: Sequence[Any] | None,
        agreement: Agreement,
        rows: range,
    ) -> None:
        """Takes what an evaluation needs.

        Args:
            config: The sizes of batches and images.
            evaluator: Has the float32 model.
            source: The validation records.
            scored: What its variables are set to before each evaluation; None if it
                is the model that training changes.
            agreement: Is checked before each batch.
            rows: Of each batch, those that this process reads.
        """
        self._config = config
        self._evaluator = evaluator
        self._source = source
        self._input = pipeline.EvaluationInput(
            source,
            image_size=config.resolved_image_size,
            batch_size=config.resolved_eval_batch_size,
            num_images=config.num_eval_images,
            rows=rows,
        )
        self._scored = scored
        self._agreement = agreement

    def predict(self, encoded: Sequence[bytes]) -> np.ndarray:
        """What the weights of the last evaluation say of pictures.

        Args:
            encoded: Files of pictures that decode.

        Returns:
            Probabilities, float32 [pictures, num_classes].
        """
        logits = self._evaluator.compute_logits(self._decode(encoded))
        return np.asarray(tf.nn.softmax(logits).numpy())

    def measure_instability(self, encoded: Sequence[bytes]) -> np.ndarray:
        """How far the logits of `predict` move where pixels hardly do.

        Args:
            encoded: Files of pictures that decode.

        Returns:
            float32 [pictures], the largest change of a logit where each value of each
            pixel is moved at random by at most parity.PIXEL_SHIFT of itself.
        """
        pixels = self._decode(encoded)
        shift = tf.random.stateless_uniform(
            tf.shape(pixels), seed=(0, 0), minval=-1, maxval=1
        )
        moved = pixels * (1 + parity.PIXEL_SHIFT * shift)
        before, after = map(self._evaluator.compute_logits, (pixels, moved))
        return np.asarray(tf.reduce_max(tf.abs(after - before), axis=1).numpy())

    def _decode(self, encoded: Sequence[bytes]) -> Any:
        side = self._config.resolved_image_size
        return tf.stack(
            [images.decode_for_evaluation(one, image_size=side) for one in encoded]
        )

    def evaluate(self) -> dict[str, float]:
        """Scores every image once.

        Returns:
            top_1_accuracy, top_5_accuracy, loss, num_images, and secs it took.

        Raises:
            Interrupted: If a signal came.
            TrainingError: If the loss is no number.
        """
        started_at = time.monotonic()
        self._copy_weights()
        batch_flag = f"--eval_batch_size={self._config.resolved_eval_batch_size}"
        batches = self._agreement.watch(self._input.read())
        with failures.explained(self._source, batch_flag):
            metrics = self._evaluator.evaluate(batches)
        if not math.isfinite(metrics["loss"]):
            raise errors.TrainingError(
                f"The loss of the evaluation is {metrics['loss']}: training diverged; "
                "lower --initial_learning_rate and give another --job-dir."
            )
        return {**metrics, "secs": round(time.monotonic() - started_at, 3)}

    def _copy_weights(self) -> None:
        if self._scored is None:
            return
        for target, variable in zip(
            self._evaluator.model.variables, self._scored, strict=True
        ):
            target.assign(variable)
