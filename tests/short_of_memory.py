"""A job in which steps of fewer than NEEDED micro-batches run out of memory.

python -m tests.short_of_memory FLAGS
"""

import sys

import tensorflow as tf

from trainer import task
from trainer.training import steps

NEEDED = 2

take_steps = steps.Trainer.train_steps


def train_steps(trainer, batches, num_steps):
    """Fails at the end of a step, as late as can be: all variables have changed."""
    progress = take_steps(trainer, batches, num_steps)
    if trainer.num_micro_batches < NEEDED:
        raise tf.errors.ResourceExhaustedError(None, None, "OOM")
    return progress


if __name__ == "__main__":
    steps.Trainer.train_steps = train_steps
    sys.exit(task.main(sys.argv[1:]))
