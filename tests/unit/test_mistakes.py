import base64
import io

import numpy as np
from PIL import Image

from tests import pictures
from trainer.report import mistakes
from trainer.serving.answers import Answers


def answer(labels, probabilities, first=0):
    probabilities = np.array(probabilities)
    numbers = np.arange(first, first + len(labels))
    return Answers(
        len(labels),
        numbers,
        [f"picture {number}".encode() for number in numbers],
        np.array(labels),
        probabilities.argmax(axis=1),
        probabilities,
    )


def test_the_surest_mistakes_come_first_and_right_answers_not_at_all():
    worst = mistakes.WorstMistakes()
    worst.add(answer([0, 0], [[0.4, 0.6], [0.9, 0.1]]))
    worst.add(answer([1, 0], [[0.8, 0.2], [0.3, 0.7]], first=2))
    found = worst.worst
    assert [one.record for one in found] == [2, 3, 0]
    assert found[0] == (0.8, 2, 1, 0, 0.2, b"picture 2")


def test_only_the_worst_are_kept():
    worst = mistakes.WorstMistakes()
    shares = np.linspace(0.51, 0.99, 3 * mistakes.MAX_MISTAKES)
    worst.add(answer([1] * len(shares), np.stack([shares, 1 - shares], axis=1)))
    found = worst.worst
    assert len(found) == mistakes.MAX_MISTAKES
    assert found[0].record == len(shares) - 1
    assert found[-1].record == len(shares) - mistakes.MAX_MISTAKES


def read(uri):
    head, _, content = uri.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


def test_a_thumbnail_is_the_whole_picture_in_small():
    image = read(mistakes.draw_thumbnail(pictures.encode(pictures.draw(300, 600))))
    assert (image.format, image.size) == ("JPEG", (192, 96))


def test_a_small_picture_keeps_its_size():
    encoded = pictures.encode(pictures.draw(8, 8), "png")
    assert read(mistakes.draw_thumbnail(encoded)).size == (8, 8)


def test_a_picture_without_its_end_has_no_thumbnail():
    encoded = pictures.encode(pictures.draw(96, 96))
    assert mistakes.draw_thumbnail(encoded[: int(0.8 * len(encoded))]) is None
