from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from tests import pictures
from trainer import config
from trainer.serving import parity
from trainer.training import evaluation

SIDE = 32
JPEGS = [pictures.encode(pictures.draw_class(label, 3)) for label in (0, 1, 2)]


def build_evaluation(compute_logits):
    job = config.TrainConfig(num_classes=3, max_steps=1, image_size=SIDE)
    return evaluation.Evaluation(
        job,
        SimpleNamespace(compute_logits=compute_logits),
        SimpleNamespace(index=JPEGS),
        scored=None,
        agreement=None,
        rows=range(job.resolved_eval_batch_size),
    )


@pytest.mark.parametrize("gain", [1.0, 1e4])
def test_instability_is_that_of_the_least_stable_logit(gain):
    def compute_logits(pixels):
        # One logit of the second picture, which is green, is its first pixel's green.
        logits = np.zeros([3, 3], np.float32)
        logits[1, 1] = gain * pixels[1, 0, 0, 1]
        return tf.constant(logits)

    shifts = build_evaluation(compute_logits).measure_instability(JPEGS)
    assert shifts.shape == (3,)
    assert shifts[[0, 2]].tolist() == [0, 0]
    assert 0 < shifts[1] <= 255 * gain * parity.PIXEL_SHIFT
    assert (shifts[1] > parity.MAX_SHIFT) == (gain > 1)


def test_what_is_said_of_pictures_are_probabilities():
    logits = tf.math.log([[0.2, 0.3, 0.5]])
    found = build_evaluation(lambda _: logits).predict(JPEGS[:1])
    np.testing.assert_allclose(found, [[0.2, 0.3, 0.5]], rtol=1e-6)
