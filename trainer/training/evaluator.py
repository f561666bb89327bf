"""What one batch of evaluation computes."""

from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

from trainer.config import TrainConfig
from trainer.models import layers, replicas
from trainer.training import distribution, losses


class Evaluator:
    """Scores a model on batches whose padding has weight 0.

    `loss` has the same terms as the training loss, so that the curves compare.
    """

    def __init__(
        self,
        config: TrainConfig,
        model: keras.Model,
        strategy: tf.distribute.Strategy,
    ) -> None:
        self._config = config
        self._strategy = strategy
        self.model = model
        self._decayed = [
            variable
            for variable in model.trainable_variables
            if not layers.is_batch_norm_variable(variable)
        ]

    def evaluate(self, batches: Iterable[Any]) -> dict[str, float]:
        """Scores every image once.

        Args:
            batches: Of (images float32 [batch, side, side, 3] 0..255, labels int32
                [batch], weights float32 [batch]: 1, or 0 for padding).

        Returns:
            top_1_accuracy and top_5_accuracy in 0..1, loss, num_images.
        """
        totals = tf.zeros([4])
        for batch in batches:
            totals += self._score(*batch)
        top_1, top_5, cross_entropy, count = (float(total) for total in totals)
        decay = self._config.weight_decay * float(
            losses.l2_loss([variable.value for variable in self._decayed])
        )
        return {
            "top_1_accuracy": top_1 / count,
            "top_5_accuracy": top_5 / count,
            "loss": cross_entropy / count + decay,
            "num_images": int(count),
        }

    @tf.function(autograph=False)
    def compute_logits(self, images: Any) -> Any:
        """Logits, float32 [batch, num_classes], of pictures.

        Args:
            images: float32 [batch, side, side, 3], 0..255.
        """
        return self.model(images, training=False)

    @tf.function(autograph=False)
    def _score(self, images: Any, labels: Any, weights: Any) -> Any:
        batch_size = self._config.resolved_eval_batch_size
        batch = (images, labels, weights)
        return distribution.run(self._strategy, self._score_batch, batch, batch_size)

    def _score_batch(self, images: Any, labels: Any, weights: Any) -> Any:
        """Weighted sums, float32 [4]: top 1 right, top 5 right, loss, images."""
        logits = self.model(images, training=False)
        # argmax and not in_top_k: what the SavedModel answers on a tie counts.
        top_1 = tf.equal(tf.argmax(logits, -1, tf.int32), labels)
        top_5 = tf.math.in_top_k(labels, logits, min(5, self._config.num_classes))
        cross_entropy = losses.smoothed_cross_entropy(
            logits,
            labels,
            num_classes=self._config.num_classes,
            label_smoothing=self._config.label_smoothing,
        )
        rows = [tf.cast(top_1, tf.float32), tf.cast(top_5, tf.float32), cross_entropy]
        rows.append(tf.ones_like(weights))
        return replicas.sum_over_all(tf.linalg.matvec(tf.stack(rows), weights))
