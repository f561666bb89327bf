"""Saves and restores all that training changes, under names a person can read.

A checkpoint is TensorFlow's own pair of files (PREFIX.data-*, PREFIX.index), which
tf.train.load_checkpoint reads; its tensors are checksummed. The data file is put in
place first, and a checkpoint without its index is no checkpoint. TensorFlow writes and
reads local files only; storage carries them to and from gs://.
"""

import contextlib
import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from concurrent import futures
from typing import Any

import tensorflow as tf

from trainer import errors, storage

PREFIX = "model.ckpt-"
JOB_STATE = "job_state"
NUM_KEPT = 3
# What TensorFlow raises for damaged, shortened, absent and foreign files.
UNREADABLE = (tf.errors.OpError, ValueError, LookupError, RuntimeError)


class Checkpoints:
    """The checkpoints of one job."""

    def __init__(self, directory: str, variables: Mapping[str, tf.Variable]) -> None:
        self._directory = directory
        self._variables = dict(variables)
        self._writer = futures.ThreadPoolExecutor(1, "checkpoint")
        self._pending: futures.Future[None] | None = None
        storage.remove_stale_staging(directory)

    def save(
        self, step: int, job_state: Mapping[str, Any], *, waits: bool = True
    ) -> None:
        """Writes a checkpoint, whole or not at all, and prunes old ones.

        Args:
            step: Steps done; part of the name.
            job_state: What belongs to these weights and is no variable; JSON.
            waits: Whether all is in place on return. Else the values of now are written
                while training goes on, and what goes wrong is raised by the next call.

        Raises:
            StorageError: If it can't be written.
        """
        self.wait()
        # A tensor that is read shares its variable's buffer, and stays what it is: the
        # next update of the variable finds that, and takes another buffer.
        tensors = {
            name: variable.read_value() for name, variable in self._variables.items()
        }
        tensors[JOB_STATE] = tf.constant(json.dumps(job_state))
        self._pending = self._writer.submit(self._write, step, tensors)
        if waits:
            self.wait()

    def wait(self) -> None:
        """Waits until all that was saved is in place.

        Raises:
            StorageError: If it can't be written.
        """
        pending, self._pending = self._pending, None
        if pending:
            pending.result()

    def _write(self, step: int, tensors: Mapping[str, Any]) -> None:
        name = f"{PREFIX}{step}"
        with (
            _explained(self._directory),
            storage.staging_dir(self._directory) as staging,
        ):
            tf.raw_ops.SaveV2(
                prefix=os.path.join(staging, name),
                tensor_names=list(tensors),
                shape_and_slices=[""] * len(tensors),
                tensors=list(tensors.values()),
            )
            storage.publish_files(staging, self._directory, marker=f"{name}.index")
        steps = list_steps(self._directory)
        self._prune(steps[:-NUM_KEPT])
        self._write_state_file(steps[-NUM_KEPT:])

    def restore(self) -> dict[str, Any] | None:
        """Restores the newest checkpoint that is whole.

        Returns:
            Its job state, or None if there is no checkpoint.

        Raises:
            StorageError: If there are checkpoints but none can be read.
        """
        steps = list_steps(self._directory)
        for step in reversed(steps):
            try:
                with _reader(self._directory, step) as reader:
                    return self._restore(reader)
            except UNREADABLE as error:
                logging.warning(
                    "Checkpoint %s can't be restored (%s); trying the one before.",
                    os.path.join(self._directory, f"{PREFIX}{step}"),
                    str(error).splitlines()[0],
                )
        if steps:
            raise errors.StorageError(
                f"None of the checkpoints in {self._directory} can be restored; they "
                "are damaged or from another kind of job. Use another --job-dir, or "
                "move them away to start over."
            )
        return None

    def _restore(self, reader: Any) -> dict[str, Any]:
        # Read all before the first assignment: half a checkpoint is worse than none.
        values = {name: reader.get_tensor(name) for name in self._variables}
        job_state = json.loads(reader.get_tensor(JOB_STATE))
        for name, variable in self._variables.items():
            variable.assign(values[name])
        return dict(job_state)

    def _prune(self, steps: list[int]) -> None:
        """Removes index files before data files, so no reader sees half of one."""
        names = storage.list_names(self._directory)
        for step in steps:
            mine = _files_of(step, names)
            mine.sort(key=lambda name: not name.endswith(".index"))
            storage.remove_files([os.path.join(self._directory, name) for name in mine])

    def _write_state_file(self, steps: list[int]) -> None:
        """The text file that tf.train.latest_checkpoint reads."""
        lines = [f'model_checkpoint_path: "{PREFIX}{steps[-1]}"']
        lines += [f'all_model_checkpoint_paths: "{PREFIX}{step}"' for step in steps]
        storage.write_text(
            os.path.join(self._directory, "checkpoint"), "\n".join(lines) + "\n"
        )


@contextlib.contextmanager
def _explained(directory: str) -> Iterator[None]:
    """TensorFlow has its own errors for a full disk."""
    with storage.writing(directory):
        try:
            yield
        except tf.errors.OpError as error:
            raise OSError(error.message.splitlines()[0]) from error


@contextlib.contextmanager
def _reader(directory: str, step: int) -> Iterator[Any]:
    """TensorFlow's reader of one checkpoint, which must be local for it."""
    name = f"{PREFIX}{step}"
    names = _files_of(step, storage.list_names(directory))
    with storage.local_dir(directory, names) as local_dir:
        yield tf.train.load_checkpoint(os.path.join(local_dir, name))


def _files_of(step: int, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(f"{PREFIX}{step}.")]


def list_steps(directory: str) -> list[int]:
    """Steps of the complete checkpoints in a directory, rising."""
    pattern = re.compile(re.escape(PREFIX) + r"(\d+)\.index")
    matches = (pattern.fullmatch(name) for name in storage.list_names(directory))
    return sorted(int(match[1]) for match in matches if match)


def read_job_state(directory: str) -> dict[str, Any] | None:
    """Job state of the newest readable checkpoint, without touching any variable."""
    for step in reversed(list_steps(directory)):
        try:
            with _reader(directory, step) as reader:
                return dict(json.loads(reader.get_tensor(JOB_STATE)))
        except UNREADABLE:
            continue
    return None
