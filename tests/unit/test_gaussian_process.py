import numpy as np
import pytest

from trainer.jobs import gaussian_process


def points_of(count, coordinates=1, seed=0):
    return np.random.default_rng(seed).uniform(size=[count, coordinates])


def test_predictions_go_through_the_measurements():
    points = np.linspace(0, 1, 7)[:, None]
    values = np.sin(4 * points[:, 0])
    kernel = gaussian_process.Kernel(np.array([0.5]), 1e-6)
    mean, deviation = gaussian_process.predict(kernel, points, values, points)
    np.testing.assert_allclose(mean, values, atol=1e-3)
    assert deviation.max() < 0.01
    between, unsure = gaussian_process.predict(kernel, points, values, points + 1 / 12)
    np.testing.assert_allclose(between, np.sin(4 * (points[:, 0] + 1 / 12)), atol=0.1)
    assert unsure.min() > deviation.max()


def test_the_kernel_is_matern_five_halves():
    kernel = gaussian_process.Kernel(np.array([2.0, 1.0]), 0.0)
    found = kernel.correlate(np.array([[0.0, 0.0]]), np.array([[2.0, 0.0], [0.0, 0.0]]))
    root = 5**0.5
    expected = (1 + root + 5 / 3) * np.exp(-root)
    np.testing.assert_allclose(found, [[expected, 1.0]])


def test_a_coordinate_without_effect_gets_the_longest_scale():
    points = points_of(25, 2)
    values = np.sin(6 * points[:, 0])
    scales = gaussian_process.fit(points, values / values.std()).length_scales
    assert scales[1] > 2 * scales[0]


def test_noise_is_told_from_signal():
    points = points_of(30)
    random = np.random.default_rng(1)
    smooth = np.sin(4 * points[:, 0])
    noisy = smooth + random.normal(0, 0.5, 30)
    assert (
        gaussian_process.fit(points, smooth).noise
        < gaussian_process.fit(points, noisy).noise
    )


def test_improvement_is_expected_beyond_the_best_of_a_slope():
    points = np.array([[0.0], [0.2], [0.4], [0.6]])
    candidates = np.array([[0.1], [0.6], [0.8]])
    gains = gaussian_process.expect_improvement(
        points, points[:, 0], np.zeros([0, 1]), candidates
    )
    assert gains.argmax() == 2
    assert (gains >= 0).all()


def test_what_is_being_measured_is_not_chosen_again():
    points = np.array([[0.0], [0.2], [0.4], [0.6]])
    candidates = np.array([[0.78], [0.99]])

    def choose(pending):
        return gaussian_process.expect_improvement(
            points, points[:, 0], np.reshape(pending, [-1, 1]), candidates
        )

    assert choose([0.78])[0] < choose([])[0]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_equal_measurements_are_no_trouble(count):
    points = np.repeat(points_of(1), count, axis=0)
    gains = gaussian_process.expect_improvement(
        points, np.ones(count), np.zeros([0, 1]), points_of(3)
    )
    assert np.isfinite(gains).all()
