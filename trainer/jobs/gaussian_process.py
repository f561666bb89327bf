"""A Gaussian process over points in the unit cube, and where it expects most.

Matern 5/2 kernel with a length scale for each coordinate, found by the marginal
likelihood; expected improvement decides. Plain NumPy: tuning has tens of points.

Sources: Rasmussen & Williams, Gaussian Processes for Machine Learning, 2006, chapters
2 and 5; Jones, Schonlau & Welch 1998 (expected improvement); Ginsbourger et al. 2010
(points that are being measured count with what is expected of them).
"""

import math
from typing import NamedTuple

import numpy as np

# Tried for each coordinate; 1 is the side of the cube.
LENGTH_SCALES = np.geomspace(0.05, 3.0, 10)
# Tried as shares of the values' variance.
NOISES = (1e-4, 1e-2, 1e-1)
# Length scales are looked for one coordinate at a time, so often over all.
SWEEPS = 2
# A length scale of a third of the side is the most likely before any point is known.
PRIOR_LENGTH_SCALE, PRIOR_LOG_SPREAD = 0.3, 1.0

_erf = np.vectorize(math.erf, otypes=[float])


class Kernel(NamedTuple):
    """What the marginal likelihood chose.

    Attributes:
        length_scales: Float [coordinates].
        noise: Share of the variance that is noise.
        variance: Of the standardised values.
    """

    length_scales: np.ndarray
    noise: float
    variance: float = 1.0

    def correlate(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Matern 5/2 between points, [first, second], without noise."""
        gaps = (first[:, None] - second[None]) / self.length_scales
        distance = np.sqrt(5.0 * (gaps**2).sum(-1))
        return (1.0 + distance + distance**2 / 3.0) * np.exp(-distance)

    def correlate_measured(self, points: np.ndarray) -> np.ndarray:
        """Between measurements, [points, points]: with noise."""
        return self.correlate(points, points) + self.noise * np.eye(len(points))


def expect_improvement(
    points: np.ndarray,
    values: np.ndarray,
    pending: np.ndarray,
    candidates: np.ndarray,
) -> np.ndarray:
    """How much each candidate is expected to be above the best value.

    Args:
        points: Measured points, float [measured, coordinates], one or more.
        values: What was measured, float [measured]; more is better.
        pending: Points whose measurement is under way, float [pending, coordinates].
        candidates: Points to choose from, float [candidates, coordinates].

    Returns:
        Float [candidates], in standard deviations of the values.
    """
    standardised = (values - values.mean()) / (values.std() or 1.0)
    kernel = fit(points, standardised)
    if len(pending):
        expected, _ = predict(kernel, points, standardised, pending)
        points = np.concatenate([points, pending])
        standardised = np.concatenate([standardised, expected])
    mean, deviation = predict(kernel, points, standardised, candidates)
    gain = mean - standardised.max()
    ratio = gain / deviation
    density = np.exp(-(ratio**2) / 2.0) / math.sqrt(2.0 * math.pi)
    return gain * (1.0 + _erf(ratio / math.sqrt(2.0))) / 2.0 + deviation * density


def fit(points: np.ndarray, values: np.ndarray) -> Kernel:
    """The kernel under which standardised values are most likely."""
    best = Kernel(np.full(points.shape[1], PRIOR_LENGTH_SCALE), NOISES[0])
    best_score = -math.inf
    for _ in range(SWEEPS):
        for coordinate in range(points.shape[1]):
            for scale in LENGTH_SCALES:
                for noise in NOISES:
                    scales = best.length_scales.copy()
                    scales[coordinate] = scale
                    score, kernel = _score(Kernel(scales, noise), points, values)
                    if score > best_score:
                        best_score, best = score, kernel
    return best


def predict(
    kernel: Kernel, points: np.ndarray, values: np.ndarray, at: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation at some points, float [at] each."""
    factor = np.linalg.cholesky(kernel.correlate_measured(points))
    cross = np.linalg.solve(factor, kernel.correlate(points, at))
    mean = cross.T @ np.linalg.solve(factor, values)
    share = np.maximum(1.0 - (cross**2).sum(0), 1e-12)
    return mean, np.sqrt(kernel.variance * share)


def _score(
    kernel: Kernel, points: np.ndarray, values: np.ndarray
) -> tuple[float, Kernel]:
    """Log marginal likelihood with the likeliest variance, and a prior on scales."""
    factor = np.linalg.cholesky(kernel.correlate_measured(points))
    whitened = np.linalg.solve(factor, values)
    variance = max(float(whitened @ whitened) / len(values), 1e-6)
    likelihood = -len(values) * math.log(variance) / 2.0 - np.log(np.diag(factor)).sum()
    away = np.log(kernel.length_scales / PRIOR_LENGTH_SCALE) / PRIOR_LOG_SPREAD
    return likelihood - (away**2).sum() / 2.0, kernel._replace(variance=variance)
