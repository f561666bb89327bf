import numpy as np
import pytest

from trainer.training import class_weights

COUNTS = np.array([1000, 100, 10])


def compute(kind, counts=COUNTS):
    return class_weights.compute_class_weights(np.array(counts), kind)


def test_none_weighs_nothing():
    np.testing.assert_array_equal(compute("none"), [1, 1, 1])


def test_balanced_gives_each_class_the_same_share():
    shares = compute("balanced") * COUNTS
    np.testing.assert_allclose(shares, [370, 370, 370])


def test_effective_is_the_papers_ratio():
    weights = compute("effective")
    expected = (1 - 0.999**1000) / (1 - 0.999**10)
    assert weights[2] / weights[0] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", ["balanced", "effective"])
def test_the_mean_over_images_is_1(kind):
    assert np.average(compute(kind), weights=COUNTS) == pytest.approx(1)


@pytest.mark.parametrize("kind", ["balanced", "effective"])
def test_a_class_without_images_changes_nothing(kind):
    weights = compute(kind, [1000, 0, 100, 10])
    assert weights[1] == 1
    np.testing.assert_allclose(weights[[0, 2, 3]], compute(kind))
