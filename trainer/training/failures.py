"""TensorFlow's errors -> what the owner of the job can do about them."""

import contextlib
from collections.abc import Iterator

import tensorflow as tf

from trainer import errors
from trainer.data.example_source import ExampleSource


@contextlib.contextmanager
def explained(
    source: ExampleSource, batch_flag: str, change: str = "lower it"
) -> Iterator[None]:
    """Turns errors of the data or of memory into job errors; others pass.

    Args:
        source: The records that are being read.
        batch_flag: Flag and value that decide how much memory a batch takes.
        change: What to do with it, so that a batch takes less.

    Raises:
        DataError: If too many records can't be read.
        TrainingError: If memory ran out.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        raise errors.TrainingError(
            f"Out of memory with {batch_flag}; {change}, or lower --image_size, and "
            "run the command again to resume."
        ) from error
    except tf.errors.OpError as error:
        if source.read_error is None:
            raise
        raise source.read_error from error
