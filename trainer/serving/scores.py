"""How good answers are: sums over pictures, from which all measures follow.

Pictures are added batch by batch and not kept, so that memory depends on the classes
and on how they are confused, not on the number of pictures. No TensorFlow.
"""

import math
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

# A probability below counts as this, else one answer of 0 makes the mean infinite.
MIN_PROBABILITY = 1e-7
TOP_K = 5
# Source: Guo et al. 2017, arxiv.org/abs/1706.04599, section 5.
NUM_BINS = 15
# Of the standard normal distribution: two-sided 95 %.
Z_95 = 1.959964


class ClassScore(NamedTuple):
    """How one class fares.

    Attributes:
        support: Pictures of it.
        predicted: Pictures that were taken for it.
        precision: Share of `predicted` that is of it; None if nothing was.
        recall: Share of `support` that was found; None if there is none.
        f1: Harmonic mean of both; None if there is neither.
    """

    support: int
    predicted: int
    precision: float | None
    recall: float | None
    f1: float | None


class Confusion(NamedTuple):
    """Pictures of class `true` that were taken for class `predicted`, another one."""

    true: int
    predicted: int
    num_images: int


class Bin(NamedTuple):
    """Answers whose confidence, the highest probability, is in (low, high].

    `confidence` and `accuracy` are means over the answers; None where there is none.
    """

    low: float
    high: float
    num_images: int
    confidence: float | None
    accuracy: float | None


class Scores:
    """Measures of answers, 0..1 where they are shares.

    Attributes:
        num_classes: Number of classes.
        count: Pictures so far.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.count = 0
        self._top_1 = 0
        self._top_5 = 0
        self._loss = 0.0
        # By true and predicted class; right answers are there as well.
        self._pairs: Counter[tuple[int, int]] = Counter()
        # Of each bin: answers, sum of confidences, right answers.
        self._bins = np.zeros([3, NUM_BINS])

    def add(
        self, labels: np.ndarray, predicted: np.ndarray, probabilities: np.ndarray
    ) -> None:
        """Adds some pictures.

        Args:
            labels: int [batch], true classes from 0.
            predicted: int [batch], the classes that the model answers.
            probabilities: float [batch, num_classes], 0..1.
        """
        if not len(labels):
            return
        of_label = np.take_along_axis(probabilities, labels[:, None], axis=1)
        is_right = predicted == labels
        # As tf.math.in_top_k: of equal probabilities all are in.
        num_higher = np.sum(probabilities > of_label, axis=1)
        clipped = np.clip(of_label.astype(np.float64), MIN_PROBABILITY, 1.0)
        self.count += len(labels)
        self._top_1 += int(is_right.sum())
        self._top_5 += int(np.sum(num_higher < TOP_K))
        self._loss -= float(np.log(clipped).sum())
        self._pairs.update(zip(labels.tolist(), predicted.tolist(), strict=True))
        self._add_to_bins(probabilities.max(axis=1), is_right)

    def _add_to_bins(self, confidence: np.ndarray, is_right: np.ndarray) -> None:
        confidence = confidence.astype(np.float64)
        position = np.ceil(confidence * NUM_BINS).astype(int) - 1
        position = np.clip(position, 0, NUM_BINS - 1)
        for row, weights in enumerate((None, confidence, is_right)):
            self._bins[row] += np.bincount(position, weights, minlength=NUM_BINS)

    @property
    def num_right(self) -> int:
        """Pictures whose class was answered."""
        return self._top_1

    @property
    def top_1_accuracy(self) -> float:
        """Share of right answers."""
        return self._top_1 / self.count

    @property
    def top_5_accuracy(self) -> float:
        """Share of pictures whose class is among the five most probable ones."""
        return self._top_5 / self.count

    @property
    def loss(self) -> float:
        """Mean cross entropy, in nats, of probabilities clipped at MIN_PROBABILITY.

        Neither label smoothing nor weight decay is in it, unlike in training's loss.
        """
        return self._loss / self.count

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: mean distance of accuracy and confidence.

        Source: Guo et al. 2017, arxiv.org/abs/1706.04599, eq. 3.
        """
        _, confidence, right = self._bins
        return float(np.abs(right - confidence).sum()) / self.count

    @property
    def bins(self) -> list[Bin]:
        """The bins of the calibration error, of equal width, rising."""
        edges = np.linspace(0, 1, NUM_BINS + 1).tolist()
        return [
            Bin(
                edges[position],
                edges[position + 1],
                int(count),
                _divide(confidence, count),
                _divide(right, count),
            )
            for position, (count, confidence, right) in enumerate(self._bins.T.tolist())
        ]

    @property
    def classes(self) -> list[ClassScore]:
        """One a class, in order."""
        support, predicted, right = np.zeros([3, self.num_classes], int)
        for (true, answer), count in self._pairs.items():
            support[true] += count
            predicted[answer] += count
            right[true] += count * (true == answer)
        return [
            ClassScore(
                of_class,
                taken,
                _divide(hits, taken),
                _divide(hits, of_class),
                _divide(2 * hits, of_class + taken),
            )
            for of_class, taken, hits in zip(
                support.tolist(), predicted.tolist(), right.tolist(), strict=True
            )
        ]

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the classes that have pictures: each class counts the same."""
        return _mean([one.f1 or 0.0 for one in self.classes if one.support])

    @property
    def confusions(self) -> list[Confusion]:
        """Every kind of mistake that was made, the most frequent first."""
        wrong = [
            Confusion(true, predicted, count)
            for (true, predicted), count in self._pairs.items()
            if true != predicted
        ]
        return sorted(wrong, key=lambda one: (-one.num_images, one.true, one.predicted))

    def build_confusion_matrix(self) -> np.ndarray:
        """int64 [num_classes, num_classes]: a row a true class, a column an answer."""
        matrix = np.zeros([self.num_classes, self.num_classes], np.int64)
        for (true, predicted), count in self._pairs.items():
            matrix[true, predicted] = count
        return matrix


def compute_interval(num_right: int, count: int) -> tuple[float, float]:
    """The 95 % confidence interval of a share.

    Args:
        num_right: 0 to `count`.
        count: 1 or more.

    Returns:
        Lower and upper end, 0..1.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical
    inference", JASA 22; unlike the normal approximation it holds near 0 and 1.
    """
    share = num_right / count
    scale = 1 + Z_95**2 / count
    centre = (share + Z_95**2 / (2 * count)) / scale
    spread = share * (1 - share) / count + (Z_95 / (2 * count)) ** 2
    half = Z_95 * math.sqrt(spread) / scale
    return max(0.0, centre - half), min(1.0, centre + half)


def _divide(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
