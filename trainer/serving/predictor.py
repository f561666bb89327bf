"""A SavedModel of the documented signature, loaded to answer requests."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from google.protobuf import message
from tensorflow.core.protobuf import saved_model_pb2

from trainer import errors, storage
from trainer.data import images
from trainer.serving import graph_check

SIGNATURE = "serving_default"
IMAGE_BYTES, KEY = "image_bytes", "key"
CLASSES, PROBABILITIES = "classes", "probabilities"
LABELS = "labels.txt"
# What a damaged or foreign model raises.
LOADING_ERRORS = (message.DecodeError, OSError, ValueError, RuntimeError)


class Prediction(NamedTuple):
    """What a model says of one picture.

    Attributes:
        class_index: Position of the most probable class, from 0.
        probabilities: float32 [num_classes], 0..1.
    """

    class_index: int
    probabilities: np.ndarray


class Undecodable(NamedTuple):
    """Why there is no prediction of one picture, to follow on its name."""

    reason: str


class Predictor:
    """Answers for pictures as the SavedModel does; safe to call from threads.

    Attributes:
        labels: Names of the classes in order; None if the model's folder has none.
        num_classes: Length of a row of probabilities; None if the signature does not
            say.
    """

    def __init__(self, model_dir: str) -> None:
        """Loads the model.

        Args:
            model_dir: Folder with saved_model.pb, local or gs://.

        Raises:
            StorageError: If there is no SavedModel, or it can't be read.
            DataError: If it has another signature, or ops that do more than compute.
        """
        self._model_dir = model_dir
        with storage.local_dir(model_dir, _list_files(model_dir)) as local_dir:
            try:
                _check_ops(model_dir, local_dir)
                # Kept: its variables go with it.
                self._model = tf.saved_model.load(local_dir)  # noqa: TID251
            except LOADING_ERRORS as error:
                raise errors.DataError(
                    f"{model_dir} is no SavedModel that TensorFlow {tf.__version__} "
                    f"loads ({_first_line(error)}); export it again."
                ) from error
        self._function = self._find_signature()
        shape = self._function.structured_outputs[PROBABILITIES].shape
        self.num_classes: int | None = shape[-1] if shape.rank else None
        text = storage.read_text(os.path.join(model_dir, LABELS))
        self.labels = None if text is None else text.splitlines()

    def predict(self, encoded: Sequence[bytes]) -> list[Prediction | Undecodable]:
        """Says what is on pictures, in one call where all of them decode.

        A picture that does not decode fails a whole call, so halves are tried then:
        its neighbours get the prediction that they get without it.

        Args:
            encoded: Files of pictures.

        Returns:
            One answer for each, in order.
        """
        if not encoded:
            return []
        try:
            return self._predict_all(encoded)
        except tf.errors.InvalidArgumentError as error:
            if len(encoded) == 1:
                return [Undecodable(images.describe_failure(error))]
        middle = len(encoded) // 2
        return self.predict(encoded[:middle]) + self.predict(encoded[middle:])

    def name_class(self, class_index: int) -> str:
        """The label of a class; its 1-based number where there are no labels."""
        if self.labels is not None and class_index < len(self.labels):
            return self.labels[class_index]
        return str(class_index + 1)

    def _predict_all(self, encoded: Sequence[bytes]) -> list[Prediction | Undecodable]:
        answer = self._function(
            **{
                IMAGE_BYTES: tf.constant(encoded, tf.string),
                KEY: tf.constant([""] * len(encoded)),
            }
        )
        return [
            Prediction(int(number), row)
            for number, row in zip(
                answer[CLASSES].numpy(), answer[PROBABILITIES].numpy(), strict=True
            )
        ]

    def _find_signature(self) -> Any:
        function = self._model.signatures.get(SIGNATURE)
        found = _describe(function)
        if found != ({IMAGE_BYTES, KEY}, {CLASSES, PROBABILITIES, KEY}):
            inputs, outputs = (", ".join(sorted(names)) or "none" for names in found)
            raise errors.DataError(
                f"{self._model_dir}: expected signature {SIGNATURE} with inputs "
                f"{IMAGE_BYTES}, {KEY} and outputs {CLASSES}, {KEY}, {PROBABILITIES}, "
                f"found inputs {inputs} and outputs {outputs}; give a model that this "
                "trainer or the service before it exported."
            )
        return function


def _describe(function: Any) -> tuple[set[str], set[str]]:
    """Names of inputs and outputs; none where there is no such signature."""
    if function is None:
        return set(), set()
    return set(function.structured_input_signature[1]), set(function.structured_outputs)


def _list_files(model_dir: str) -> list[str]:
    """Files of a SavedModel, relative to its folder."""
    names = storage.list_names(model_dir)
    if tf.saved_model.SAVED_MODEL_FILENAME_PB not in names:
        raise errors.StorageError(
            f"{model_dir} has no {tf.saved_model.SAVED_MODEL_FILENAME_PB}, expected "
            "the folder of a SavedModel such as JOB_DIR/model; check the path."
        )
    folder = tf.saved_model.VARIABLES_DIRECTORY
    variables = storage.list_names(os.path.join(model_dir, folder))
    return [
        tf.saved_model.SAVED_MODEL_FILENAME_PB,
        *(os.path.join(folder, name) for name in variables),
    ]


def _check_ops(model_dir: str, local_dir: str) -> None:
    """Raises DataError before anything of a model runs that does more than compute."""
    path = os.path.join(local_dir, tf.saved_model.SAVED_MODEL_FILENAME_PB)
    content = storage.read_bytes(path) or b""
    refused = graph_check.find_refused(saved_model_pb2.SavedModel.FromString(content))
    if refused:
        raise errors.DataError(
            f"{model_dir} does more than compute: it has {', '.join(refused)}. Such a "
            "model is not loaded; give one that this trainer exported, or export it "
            "without."
        )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
