"""--profile_steps: a TensorBoard profile of some steps, below the log folder."""

import contextlib
import logging
import os
from collections.abc import Iterator

import tensorflow as tf

from trainer import storage

# Where TensorBoard's profile plugin looks, below the log folder.
PLUGIN_DIR = os.path.join("plugins", "profile")


class Profiler:
    """Records steps `first` to `last`, and what happens between them."""

    def __init__(self, steps: tuple[int, int] | None, log_dir: str) -> None:
        """Records nothing yet.

        Args:
            steps: The first and the last step, counted from 1; None for no profile.
            log_dir: Where TensorBoard looks.
        """
        self._steps = steps
        self._log_dir = log_dir
        self._stack = contextlib.ExitStack()
        self._is_recording = False

    def next_stop(self, step: int, to_step: int) -> int:
        """The step at which a call has to end.

        Args:
            step: Steps done.
            to_step: Where it would end without a profile.
        """
        if self._steps is None:
            return to_step
        first, last = self._steps
        stops = [stop for stop in (first - 1, last) if stop > step]
        return min([to_step, *stops])

    def update(self, step: int) -> None:
        """Starts or ends recording where it is time; called between calls.

        Args:
            step: Steps done.
        """
        if self._steps is None:
            return
        first, last = self._steps
        if self._is_recording and step >= last:
            self.close()
        elif not self._is_recording and first - 1 <= step < last:
            self._stack.enter_context(_recording(self._log_dir))
            self._is_recording = True

    def close(self) -> None:
        """Writes what was recorded, if anything."""
        if self._is_recording:
            self._is_recording = False
            self._stack.close()
            logging.info("profile | in %s/%s", self._log_dir, PLUGIN_DIR)


@contextlib.contextmanager
def _recording(log_dir: str) -> Iterator[None]:
    with storage.staging_dir(log_dir) as local_dir:
        tf.profiler.experimental.start(local_dir)
        try:
            yield
        finally:
            tf.profiler.experimental.stop()
            with storage.writing(log_dir):
                _copy(local_dir, log_dir)


def _copy(local_dir: str, log_dir: str) -> None:
    for directory, _, names in os.walk(os.path.join(local_dir, PLUGIN_DIR)):
        below = os.path.relpath(directory, local_dir)
        for name in names:
            target = os.path.join(log_dir, below, name)
            storage.put_file(os.path.join(directory, name), target)
