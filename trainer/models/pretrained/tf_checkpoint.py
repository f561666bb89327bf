"""A TensorFlow checkpoint -> its tensors."""

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import trackable_object_graph_pb2

from trainer import storage
from trainer.models import factory
from trainer.models import variant as variants
from trainer.models.pretrained import tpu_names
from trainer.models.pretrained.source import UnreadableError, Weights
from trainer.models.variant import Variant

# In which TensorFlow says which checkpoint is the newest.
STATE_FILE = "checkpoint"
# Names of trainer/training: a JSON text beside the variables, and what it has.
JOB_STATE = "job_state"
VARIANT = "variant"
# What TensorFlow 2 calls a variable, under its place among the objects of a program.
OBJECT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
# What TensorFlow raises for damaged, absent and foreign files, and for no path at all.
UNREADABLE = (tf.errors.OpError, ValueError, LookupError, RuntimeError, TypeError)


def read_checkpoint(path: str, model_type: str, *, name: str = "") -> Weights:
    """Reads a checkpoint of this project or of tensorflow/tpu.

    Args:
        path: A checkpoint's prefix, one of its files, or a directory of checkpoints,
            of which the newest is taken.
        model_type: A key of config.MODEL_IMAGE_SIZES.
        name: What the user calls it, if that is not its path.

    Raises:
        UnreadableError: If there is no checkpoint, or it is damaged.
    """
    with _open(path) as reader:
        tensors = _read_tensors(reader)
        job_variant = _find_variant(reader, model_type)
    if tpu_names.is_tpu_checkpoint(tensors):
        renamed = tpu_names.rename_tpu(tensors, model_type)
        variant = tpu_names.find_variant(name or path, model_type)
        return Weights(renamed, variant, "variables of tensorflow/tpu")
    origin = "variables under the names of this project"
    return Weights(tensors, job_variant, origin)


def _read_tensors(reader: Any) -> dict[str, np.ndarray]:
    """All that is no text, by the names of the variables."""
    dtypes = reader.get_variable_to_dtype_map()
    names = {name: name for name, dtype in dtypes.items() if dtype != tf.string}
    if OBJECT_GRAPH in dtypes:
        graph = trackable_object_graph_pb2.TrackableObjectGraph()
        graph.ParseFromString(reader.get_tensor(OBJECT_GRAPH))
        names |= {
            value.full_name: value.checkpoint_key
            for node in graph.nodes
            for value in node.attributes
            if value.checkpoint_key in names
        }
    return {name: reader.get_tensor(key) for name, key in names.items()}


def _find_variant(reader: Any, model_type: str) -> Variant:
    """What a job says; those of earlier versions had one way to compute a network."""
    if reader.has_tensor(JOB_STATE):
        job_state = json.loads(reader.get_tensor(JOB_STATE))
        if VARIANT in job_state:
            return variants.restore(job_state[VARIANT])
    return factory.default_variant(model_type)


@contextlib.contextmanager
def _open(path: str) -> Iterator[Any]:
    """TensorFlow's reader of a checkpoint, from a local copy if it is on gs://."""
    directory, prefix = _locate(path)
    names = [
        name for name in storage.list_names(directory) if name.startswith(f"{prefix}.")
    ]
    with storage.local_dir(directory, names) as local_dir:
        try:
            yield tf.train.load_checkpoint(os.path.join(local_dir, prefix))
        except UNREADABLE as error:
            raise UnreadableError(
                "is no readable checkpoint; expected a prefix such as "
                "DIR/model.ckpt-1000, or a directory of checkpoints"
            ) from error


def _locate(path: str) -> tuple[str, str]:
    """Directory and prefix of a checkpoint; of a directory, its newest one."""
    if storage.is_dir(path):
        with storage.local_dir(path, [STATE_FILE]) as local_dir:
            state = tf.train.get_checkpoint_state(local_dir)
        newest = state.model_checkpoint_path if state else ""
        return path, os.path.basename(newest)
    directory, name = os.path.split(path)
    return directory or ".", name.removesuffix(".index").split(".data-")[0]
