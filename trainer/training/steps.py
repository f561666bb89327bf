"""What one step of training computes."""

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from trainer.config import TrainConfig
from trainer.models import depth, layers, replicas
from trainer.training import distribution, losses, mixing, optimizers, schedules
from trainer.training.loss_scale import LossScale
from trainer.training.moving_average import MovingAverage
from trainer.training.open_rate import OpenRate
from trainer.training.step_sums import StepSums

# The largest number up to which float32 has all integers.
UNPLANNED_STEPS = 2.0**24


class Progress(NamedTuple):
    """Means over the steps of one `train_steps` call, and a sum.

    `wait_secs` is how long the steps were kept waiting for their batches. On an
    accelerator, which may still be busy with the step before, it is an upper bound.
    """

    num_steps: int
    loss: float
    accuracy: float
    wait_secs: float


class Trainer:
    """Model, optimizer and step counter, and the graph that moves them on."""

    def __init__(
        self,
        config: TrainConfig,
        model: keras.Model,
        strategy: tf.distribute.Strategy,
        *,
        uses_loss_scale: bool,
        class_weights: np.ndarray | None = None,
        finds_rate: bool = False,
    ) -> None:
        """Takes the first step's state; trains nothing.

        Args:
            config: The job.
            model: Is changed by training.
            strategy: Says where.
            uses_loss_scale: Whether float16 needs one.
            class_weights: float32 [num_classes], factors of the cross entropy; None
                weighs nothing.
            finds_rate: Whether the initial learning rate is `open_rate`.
        """
        self._config = config
        self._strategy = strategy
        self.model = model
        # The classifier alone is trained on what an evaluation sees of the rest.
        self._is_head_only = config.fine_tune == "head"
        self._trainable = (
            depth.list_head_variables(model)
            if self._is_head_only
            else model.trainable_variables
        )
        self._scales = _scale_rates(config, model)
        self._decayed = [
            variable
            for variable in model.trainable_variables
            if not layers.is_batch_norm_variable(variable)
        ]
        self._step = tf.Variable(0, dtype=tf.int64, trainable=False)
        # Of a job whose steps follow from its speed; more than any job takes at first.
        self._horizon = None
        if config.max_minutes:
            self._horizon = tf.Variable(UNPLANNED_STEPS, trainable=False)
        self.open_rate = OpenRate() if finds_rate else None
        self._learning_rate = schedules.build_schedule(
            config, self._horizon, self.open_rate and self.open_rate.initial
        )
        self._loss_scale = LossScale()
        self._class_weights = class_weights
        self._mix = mixing.build_mix(config)
        decay = config.moving_average_decay
        self._average = MovingAverage(model.variables, decay) if decay else None
        self._uses_loss_scale = uses_loss_scale
        self.num_micro_batches = 1
        # Only if there are several.
        self._sums: StepSums | None = None
        self._optimizer = optimizers.build_optimizer(
            config.optimizer_type, config.resolved_optimizer_arguments, self._trainable
        )

    @property
    def batch_size(self) -> int:
        """Images a step."""
        return self._config.train_batch_size

    @property
    def num_steps_done(self) -> int:
        """Steps since the first run of the job."""
        return int(self._step.numpy())

    @property
    def variables(self) -> dict[str, tf.Variable]:
        """Everything that training changes, by name in a checkpoint.

        The loss scale is among them in every precision, so that a job may be resumed
        in another one.
        """
        named = {variable.path: variable.value for variable in self.model.variables}
        named |= self._optimizer.variables | self._loss_scale.variables
        if self._average:
            named |= self._average.variables
        if self._horizon is not None:
            named["schedule/max_steps"] = self._horizon
        if self.open_rate:
            named["schedule/initial_learning_rate"] = self.open_rate.initial
        return {**named, "global_step": self._step}

    @property
    def planned_steps(self) -> int | None:
        """Steps in all, if `plan_steps` or an earlier run said how many."""
        if self._horizon is None:
            return None
        found = int(self._horizon.numpy())
        return None if found == UNPLANNED_STEPS else found

    def plan_steps(self, num_steps: int) -> None:
        """Lets the learning rate decay until this step, in a job with a time limit."""
        assert self._horizon is not None
        self._horizon.assign(float(num_steps))

    @property
    def scored_variables(self) -> list[Any]:
        """What an evaluation scores, in the order of the model's variables."""
        if self._average is None:
            return [variable.value for variable in self.model.variables]
        return [self._average.find(variable) for variable in self.model.variables]

    def use_micro_batches(self, count: int) -> None:
        """Computes each batch in this many equal parts from now on.

        The step stays one: of the sum of their gradients, with one update.

        Args:
            count: One of distribution.count_equal_parts.
        """
        self.num_micro_batches = count
        self._sums = None
        if count > 1:
            with self._strategy.scope():
                self._sums = StepSums(self._trainable)

    def start_from_model(self) -> None:
        """Goes on from weights that were given to the model, at step 0."""
        if self._average:
            self._average.restart()

    def share_variables(self) -> None:
        """Gives every replica of another process the chief's variables."""
        if isinstance(self._strategy, tf.distribute.MultiWorkerMirroredStrategy):
            distribution.share_variables(self._strategy, list(self.variables.values()))

    def learning_rate_at(self, step: int) -> float:
        """The rate that the given step takes."""
        return float(self._learning_rate(step))

    def train_steps(self, batches: Iterator[Any], num_steps: int) -> Progress:
        """Takes up to `num_steps` steps; ends early after one without a finite loss.

        Args:
            batches: Iterator over (images float32 [batch, side, side, 3] 0..255,
                labels int32 [batch] from 0, weights float32 [batch], 0 to leave an
                example out and else 1).
            num_steps: Steps to take, 1 or more.
        """
        done, loss, accuracy, wait_secs = self._train_steps(
            batches, tf.constant(num_steps), self.num_micro_batches
        )
        return Progress(
            int(done),
            float(loss) / int(done),
            float(accuracy) / int(done),
            float(wait_secs),
        )

    # Without AutoGraph, whose translation of all that is called took longer than the
    # first steps of a small job (docs/adr/0032-start.md).
    @tf.function(autograph=False)
    def _train_steps(
        self, batches: Any, num_steps: Any, num_micro_batches: int
    ) -> tuple[Any, ...]:
        """Steps done, sums of their losses and accuracies, seconds of waiting."""

        def goes_on(done: Any, loss_sum: Any, *_: Any) -> Any:
            return tf.logical_and(done < num_steps, tf.math.is_finite(loss_sum))

        def add_step(done: Any, *sums: Any) -> tuple[Any, ...]:
            found = self._take_step(batches, num_micro_batches)
            return (done + 1, *(a + b for a, b in zip(sums, found, strict=True)))

        zeros = [tf.zeros([], kind) for kind in (tf.float32, tf.float32, tf.float64)]
        return tuple(tf.while_loop(goes_on, add_step, [tf.constant(0), *zeros]))

    def _take_step(self, batches: Any, num_micro_batches: int) -> tuple[Any, Any, Any]:
        """Loss, accuracy, and seconds that the step waited for its batch."""
        # The loop starts a step when all that the one before changes is done.
        asked_at = tf.timestamp()
        with tf.control_dependencies([asked_at]):
            batch = batches.get_next()
        # A batch that can't be read must not leave half a step behind.
        with tf.control_dependencies(batch):
            wait_secs = tf.timestamp() - asked_at
            mixed = self._mix(mixing.Batch(*batch), self._step)
            if num_micro_batches == 1:
                loss, accuracy = distribution.run(
                    self._strategy, self._train_step, mixed.tensors, self.batch_size
                )
            else:
                loss, accuracy = self._run_in_parts(mixed, num_micro_batches)
        return loss, accuracy, wait_secs

    def _run_in_parts(self, batch: mixing.Batch, num_micro_batches: int) -> Any:
        """One step on all replicas, of which each has its micro-batches in turn."""
        count = distribution.run(
            self._strategy, self._start_sums, [batch.weights], self.batch_size
        )

        def add_part(number: Any) -> list[Any]:
            part = replicas.MicroBatch(number, num_micro_batches)
            distribution.run(
                self._strategy,
                functools.partial(self._add_to_sums, part, count),
                batch.tensors,
                self.batch_size,
                part,
            )
            return [number + 1]

        tf.while_loop(
            lambda number: number < num_micro_batches,
            add_part,
            [tf.constant(0)],
            # Else the next one would begin while this one has its memory.
            parallel_iterations=1,
        )
        return distribution.run(
            self._strategy, self._update_by_sums, [], self.batch_size
        )

    def _start_sums(self, weights: Any) -> Any:
        assert self._sums is not None
        self._sums.restart()
        return _count_images(weights)

    def _add_to_sums(self, part: replicas.MicroBatch, count: Any, *tensors: Any) -> Any:
        assert self._sums is not None
        gradients, scores = self._differentiate(mixing.Batch(*tensors), count, part)
        self._sums.add(gradients, tf.stack(scores))
        return scores

    def _update_by_sums(self) -> list[Any]:
        assert self._sums is not None
        gradients, scores = self._sums.over_all()
        self._update(gradients)
        return scores

    def _train_step(self, *tensors: Any) -> list[Any]:
        batch = mixing.Batch(*tensors)
        gradients, scores = self._differentiate(batch, _count_images(batch.weights))
        self._update(replicas.sum_over_all(gradients))
        return replicas.sum_over_all(scores)

    def _differentiate(
        self,
        batch: mixing.Batch,
        count: Any,
        micro_batch: replicas.MicroBatch = replicas.WHOLE,
    ) -> tuple[list[Any], list[Any]]:
        """Gradients of the scaled loss; loss and accuracy; what these rows add to each.

        Args:
            batch: What this replica computes at a time.
            count: Images of the global batch that count, float32 [].
            micro_batch: Which part of this replica's rows it is.
        """
        trained = [variable.value for variable in self._trainable]
        with (
            tf.GradientTape(watch_accessed_variables=False) as tape,
            replicas.sharing_batch(self.batch_size, micro_batch),
        ):
            tape.watch(trained)
            logits = self.model(batch.images, training=not self._is_head_only)
            loss = self._compute_loss(logits, batch, count)
            target = self._loss_scale.scale(loss) if self._uses_loss_scale else loss
        gradients = tape.gradient(target, trained)
        is_correct = tf.equal(tf.argmax(logits, -1, tf.int32), batch.labels)
        right = tf.reduce_sum(tf.cast(is_correct, tf.float32) * batch.weights)
        return gradients, [loss, right / count]

    def _update(self, gradients: Any) -> None:
        rate = self._learning_rate(self._step)
        if self.open_rate:
            rate = self.open_rate.or_tried(rate)
        if self._uses_loss_scale:
            gradients, is_finite = self._loss_scale.unscale(gradients)
            tf.cond(is_finite, lambda: self._apply(gradients, rate), tf.no_op)
        else:
            self._apply(gradients, rate)
        replicas.assign(self._step, self._step + 1)
        if self._average:
            self._average.update(self._step)

    def _apply(self, gradients: Any, rate: Any) -> Any:
        if self._config.gradient_clip_norm:
            norm = self._config.gradient_clip_norm
            gradients, _ = tf.clip_by_global_norm(gradients, norm)
        self._optimizer.apply(gradients, rate, self._scales)
        return tf.no_op()

    def _compute_loss(self, logits: Any, batch: mixing.Batch, count: Any) -> Any:
        """Cross entropy + weight_decay x L2, as the algorithm's reference states.

        Of several replicas, or micro-batches, each has its part, and the sum of all is
        the loss.
        """
        cross_entropy = self._cross_entropy(logits, batch.labels)
        if batch.partners is not None:
            # Cross entropy is linear in its target, so no mixed target is built.
            other = self._cross_entropy(logits, batch.partners)
            cross_entropy = other + batch.shares * (cross_entropy - other)
        decay = self._config.weight_decay * losses.l2_loss(
            [variable.value for variable in self._decayed]
        )
        num_parts = replicas.count() * replicas.micro_batch().num_parts
        if num_parts > 1:
            decay /= num_parts
        return tf.reduce_sum(cross_entropy * batch.weights) / count + decay

    def _cross_entropy(self, logits: Any, labels: Any) -> Any:
        """Of each example, float32 [batch]."""
        cross_entropy = losses.smoothed_cross_entropy(
            logits,
            labels,
            num_classes=self._config.num_classes,
            label_smoothing=self._config.label_smoothing,
        )
        if self._class_weights is None:
            return cross_entropy
        return cross_entropy * tf.gather(tf.constant(self._class_weights), labels)


def _count_images(weights: Any) -> Any:
    """Images of the global batch that count, float32 [], 1 or more."""
    return tf.maximum(replicas.sum_over_all(tf.reduce_sum(weights)), 1.0)


def _scale_rates(config: TrainConfig, model: keras.Model) -> list[float] | None:
    """Factors of the learning rate, one a trained variable; None if all are 1."""
    if config.layer_lr_decay == 1 or config.fine_tune == "head":
        return None
    counts = depth.count_blocks_above(model)
    return [config.layer_lr_decay**count for count in counts]
