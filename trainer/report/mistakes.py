"""The worst mistakes of a model: those it was surest of."""

import base64
import heapq
import io
from typing import NamedTuple

import tensorflow as tf
from PIL import Image

from trainer.serving.answers import Answers

MAX_MISTAKES = 24
THUMBNAIL_SIDE = 192
JPEG_QUALITY = 80


class Mistake(NamedTuple):
    """A picture that was taken for something else; ordered by `confidence`.

    Attributes:
        confidence: Probability of the class that was answered, 0..1.
        record: Its number in the split's index.
        true: Its class, from 0.
        predicted: The class that was answered.
        true_probability: Probability of its class.
        encoded: Its file.
    """

    confidence: float
    record: int
    true: int
    predicted: int
    true_probability: float
    encoded: bytes


class WorstMistakes:
    """Keeps the worst of all mistakes that it is shown."""

    def __init__(self) -> None:
        self._heap: list[Mistake] = []

    def add(self, answered: Answers) -> None:
        """Looks through some answers."""
        for place, (true, predicted) in enumerate(
            zip(answered.labels.tolist(), answered.predicted.tolist(), strict=True)
        ):
            if true == predicted:
                continue
            row = answered.probabilities[place]
            mistake = Mistake(
                float(row[predicted]),
                int(answered.records[place]),
                true,
                predicted,
                float(row[true]),
                answered.encoded[place],
            )
            heapq.heappush(self._heap, mistake)
            if len(self._heap) > MAX_MISTAKES:
                heapq.heappop(self._heap)

    @property
    def worst(self) -> list[Mistake]:
        """The worst first."""
        return sorted(self._heap, reverse=True)


def draw_thumbnail(encoded: bytes) -> str | None:
    """The whole picture, small, as a data URI.

    Args:
        encoded: A picture that the model has read.

    Returns:
        None if only the part that the model saw can be decoded.
    """
    try:
        # The model's decoder: it shows what the model was shown.
        pixels = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    except tf.errors.InvalidArgumentError:
        return None
    image = Image.fromarray(pixels.numpy())
    image.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    content = io.BytesIO()
    image.save(content, "JPEG", quality=JPEG_QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"
