"""A SavedModel of the documented signature, loaded to answer requests."""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from trainer import errors, saved_models, storage
from trainer.data import images

SIGNATURE = "serving_default"
IMAGE_BYTES, KEY = "image_bytes", "key"
CLASSES, PROBABILITIES = "classes", "probabilities"
LABELS = "labels.txt"


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
        with saved_models.checked_copy(model_dir) as local_dir:
            # Kept: its variables go with it.
            self._model = saved_models.load(local_dir, model_dir)
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
