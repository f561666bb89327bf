"""A job in which steps of fewer than NEEDED micro-batches run out of memory.

python -m tests.short_of_memory FLAGS
"""

import sys

from trainer import environment, task

NEEDED = 2


def spoil_steps():
    """Has steps fail at their end, as late as can be: all variables have changed."""
    import tensorflow as tf

    from trainer.training import steps

    take_steps = steps.Trainer.train_steps

    def train_steps(trainer, batches, num_steps):
        progress = take_steps(trainer, batches, num_steps)
        if trainer.num_micro_batches < NEEDED:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM")
        return progress

    steps.Trainer.train_steps = train_steps


if __name__ == "__main__":
    # As a job does before it imports TensorFlow, which would else round otherwise.
    environment.prefer_onednn()
    spoil_steps()
    sys.exit(task.main(sys.argv[1:]))
