"""The gate between a written SavedModel and its publication: does it answer alike?

The number that a job reports is the trained model's; the number that is served is the
SavedModel's. They are compared on pictures from their bytes on, each time.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from trainer import errors
from trainer.serving.predictor import Prediction, Predictor, Undecodable

NUM_IMAGES = 8
# Both compute in float32. They may sum in another order: on a processor 2e-6 is seen;
# an accelerator may round the factors of a product to 10 bits (TF32) or 8 (bfloat16).
MAX_DIFFERENCE_CPU = 1e-4
MAX_DIFFERENCE_ACCELERATOR = 1e-2

# Encoded pictures -> float32 [pictures, num_classes], probabilities.
Predict = Callable[[Sequence[bytes]], np.ndarray]


class Parity(NamedTuple):
    """How far apart the two models are, in probability, and on how many pictures."""

    difference: float
    num_images: int


class ParityGate:
    """Compares SavedModels with the model that they are made of."""

    def __init__(
        self, encoded: Sequence[bytes], predict: Predict, *, max_difference: float
    ) -> None:
        """Takes what goes into both models.

        Args:
            encoded: Pictures that decode.
            predict: What the trained model says of them, as it is now.
            max_difference: Of any probability, 0..1.
        """
        self._encoded = encoded
        self._predict = predict
        self._max_difference = max_difference

    def check(self, export_dir: str) -> Parity:
        """Loads a SavedModel afresh, and compares.

        Args:
            export_dir: Its folder.

        Raises:
            TrainingError: If any probability or class differs.
        """
        expected = self._predict(self._encoded)
        answers = self._load_and_predict(export_dir)
        found = np.array([answer.probabilities for answer in answers])
        difference = float(np.max(np.abs(found - expected), initial=0.0))
        # Not "above": that is false where a probability is no number.
        if not difference <= self._max_difference:
            raise _error(
                f"a probability differs by {difference:.2g}, allowed are "
                f"{self._max_difference:g}"
            )
        self._check_classes([answer.class_index for answer in answers], expected)
        return Parity(difference, len(answers))

    def _load_and_predict(self, export_dir: str) -> list[Prediction]:
        found = []
        answers = Predictor(export_dir).predict(self._encoded)
        for number, answer in enumerate(answers):
            if isinstance(answer, Undecodable):
                raise _error(f"picture {number} {answer.reason}")
            found.append(answer)
        return found

    def _check_classes(self, classes: Sequence[int], expected: np.ndarray) -> None:
        """Classes agree, but for ties."""
        for number, (found, row) in enumerate(zip(classes, expected, strict=True)):
            if row[found] < np.max(row) - 2 * self._max_difference:
                raise _error(
                    f"picture {number} is of class {np.argmax(row)}, it says {found}"
                )


def _error(found: str) -> errors.TrainingError:
    return errors.TrainingError(
        "The exported model does not answer as the trained one does on validation "
        f"pictures: {found}. It is not published, and the model before it stays. Run "
        "the same command again; if that fails too, report it as a bug."
    )
