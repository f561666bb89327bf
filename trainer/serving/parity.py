"""The gate between a written SavedModel and its publication: does it answer alike?

The number that a job reports is the trained model's; the number that is served is the
SavedModel's. They are compared on pictures from their bytes on, each time.
"""

import logging
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
# In a network of many blocks, rounding errors can grow from block to block until they
# decide the answer; after a few steps they do. Such an answer can't be compared: its
# logits move by more than MAX_SHIFT where pixels do by PIXEL_SHIFT of themselves, 64
# times what float32 rounds. Where rounding moves a probability by 1e-4, and so a logit
# by 4e-4 or more, they move by 0.026.
PIXEL_SHIFT = 2.0**-18
MAX_SHIFT = 0.01

# Encoded pictures -> float32 [pictures, num_classes], probabilities.
Predict = Callable[[Sequence[bytes]], np.ndarray]
# Encoded pictures -> float32 [pictures], how far logits move with PIXEL_SHIFT.
MeasureInstability = Callable[[Sequence[bytes]], np.ndarray]


class Parity(NamedTuple):
    """How far apart the two models are, in probability, and on how many pictures."""

    difference: float
    num_images: int


class ParityGate:
    """Compares SavedModels with the model that they are made of."""

    def __init__(
        self,
        encoded: Sequence[bytes],
        predict: Predict,
        measure_instability: MeasureInstability,
        *,
        max_difference: float,
    ) -> None:
        """Takes what goes into both models.

        Args:
            encoded: Pictures that decode.
            predict: What the trained model says of them, as it is now.
            measure_instability: Which of its answers rounding decides.
            max_difference: Of any probability, 0..1.
        """
        self._encoded = encoded
        self._predict = predict
        self._measure_instability = measure_instability
        self._max_difference = max_difference

    def check(self, export_dir: str) -> Parity:
        """Loads a SavedModel afresh, and compares.

        Args:
            export_dir: Its folder.

        Returns:
            How far they are apart on the pictures that could be compared.

        Raises:
            TrainingError: If any probability or class differs, or none can be compared.
        """
        expected = self._predict(self._encoded)
        answers = self._load_and_predict(export_dir)
        found = np.array([answer.probabilities for answer in answers])
        differences = np.max(np.abs(found - expected), axis=1)
        # Not "above": that is false where a probability is no number.
        compared = differences <= self._max_difference
        if not compared.all():
            self._check_stable(differences, compared)
        self._check_classes(
            [answer.class_index for answer in answers], expected, compared
        )
        return Parity(
            float(np.max(differences[compared], initial=0.0)), int(compared.sum())
        )

    def _check_stable(self, differences: np.ndarray, compared: np.ndarray) -> None:
        """What differs is what rounding decides, and something is left to compare."""
        shifts = self._measure_instability(self._encoded)
        wrong = differences[~(compared | (shifts > MAX_SHIFT))]
        if wrong.size:
            raise _error(
                f"a probability differs by {np.max(wrong):.2g}, allowed are "
                f"{self._max_difference:g}"
            )
        if not compared.any():
            raise errors.TrainingError(
                f"Rounding decides what the model says of all {len(compared)} "
                "validation pictures that it was asked about, so the exported model "
                "can't be compared. It is not published, and the model before it "
                "stays. Train for more steps."
            )
        logging.warning(
            "Rounding decides what the model says of %d of %d validation pictures: "
            "where pixels change by 4 millionths, logits change by %.2g. The exported "
            "model can't be compared there. More training steps usually end this.",
            (~compared).sum(),
            len(compared),
            np.max(shifts[~compared]),
        )

    def _load_and_predict(self, export_dir: str) -> list[Prediction]:
        found = []
        answers = Predictor(export_dir).predict(self._encoded)
        for number, answer in enumerate(answers):
            if isinstance(answer, Undecodable):
                raise _error(f"picture {number} {answer.reason}")
            found.append(answer)
        return found

    def _check_classes(
        self, classes: Sequence[int], expected: np.ndarray, compared: np.ndarray
    ) -> None:
        """Classes agree, but for ties."""
        for number in np.flatnonzero(compared).tolist():
            found, row = classes[number], expected[number]
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
