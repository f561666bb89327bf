"""In how many parts a step computes its batch: as few as fit into memory.

The first step of a process is tried with the whole batch; if memory runs out, in more
parts, from the same state and with the same images (docs/adr/0026-micro-batches.md).
"""

import logging
from collections.abc import Sequence

import tensorflow as tf

from trainer import errors
from trainer.config import TrainConfig
from trainer.training import distribution, snapshot, steps


def count_allowed(config: TrainConfig, strategy: tf.distribute.Strategy) -> list[int]:
    """The numbers of micro-batches that a job may have, rising.

    Args:
        config: Its `micro_batches` and `train_batch_size`.
        strategy: Has the replicas.

    Raises:
        ConfigError: If the one that the command wants is none of them.
    """
    counts = distribution.count_equal_parts(strategy, config.train_batch_size)
    wanted = config.given_micro_batches
    if wanted is None:
        return counts
    if wanted not in counts:
        found = strategy.num_replicas_in_sync
        shared = f", shared by {found} replicas," if found > 1 else ""
        raise errors.ConfigError(
            f"--micro_batches={wanted} does not cut --train_batch_size="
            f"{config.train_batch_size}{shared} in equal parts; give one of "
            f"{', '.join(map(str, counts))}, or another batch."
        )
    return [wanted]


class MicroBatches:
    """Splits the batches of a trainer until its first step fits into memory."""

    def __init__(
        self,
        trainer: steps.Trainer,
        counts: Sequence[int],
        *,
        is_fixed: bool,
        is_alone: bool,
    ) -> None:
        """Splits by the first of `counts`.

        Args:
            trainer: Takes the steps.
            counts: Of `count_allowed`.
            is_fixed: Whether the command says how many.
            is_alone: Whether this is the only process. Others can't take a step again
                that has failed in one of them.
        """
        self._trainer = trainer
        self._counts = counts
        self._is_fixed, self._is_alone = is_fixed, is_alone
        self._before: snapshot.Values | None = None
        self._fits = False
        trainer.use_micro_batches(counts[0])

    @property
    def count(self) -> int:
        """How many there are now."""
        return self._trainer.num_micro_batches

    def restore(self, count: int) -> None:
        """Takes up the number of an earlier run, or the nearest one below."""
        allowed = [one for one in self._counts if one <= count]
        self._trainer.use_micro_batches(max(allowed, default=self._counts[0]))

    def before_steps(self) -> None:
        """Keeps what the first step is going to change."""
        if not self._fits and self._before is None:
            self._before = snapshot.take(self._trainer.variables)

    def after_steps(self) -> None:
        """From now on a step is known to fit."""
        self._fits, self._before = True, None

    def split_further(self) -> bool:
        """After a step for which memory was short: goes back to before it.

        Returns:
            Whether to take it again, in more parts; not if a step has fitted before.

        Raises:
            TrainingError: If it can't be split any more.
        """
        if self._before is None:
            return False
        # Half of a step may be done.
        snapshot.put_back(self._trainer.variables, self._before)
        found = self.count
        # Twice as many at least, since each trial takes a while.
        more = next((one for one in self._counts if one >= 2 * found), None)
        if more is None or not self._is_alone:
            raise errors.TrainingError(self._explain(more))
        self._trainer.use_micro_batches(more)
        logging.warning(
            "memory | a step did not fit; each batch is computed in %d parts now, the "
            "result is that of the whole batch but for the statistics of batch "
            "normalisation unless they are frozen (--micro_batches=%d)",
            more,
            more,
        )
        return True

    def _explain(self, more: int | None) -> str:
        """What to do where a step does not fit, though more parts may be possible."""
        smaller = "lower --image_size or choose a smaller --model_type"
        given = f"Out of memory in the first step with --micro_batches={self.count}"
        if self._is_fixed:
            return f"{given}; raise it, leave it out, or {smaller}."
        if more:
            return (
                f"{given}; give --micro_batches={more} to all machines, or {smaller}."
            )
        return f"{given}, and a batch can't be cut in more equal parts; {smaller}."
