"""The learning rate range test: whether this job bears the rate of its recipe.

Steps from the start of the job at rates that grow from one to the next, until the loss
has risen for good. A rate that is close to that is lowered; the test says which rates
are too high, not which is best (docs/adr/0027-range-test.md). Who takes the steps puts
back what they change. Knows no TensorFlow.

Source: Smith 2017, arxiv.org/abs/1506.01186, section 3.3.
"""

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator

TakeStep = Callable[[float], float]

NUM_STEPS, MIN_STEPS = 40, 20
# Of the job's steps and of its seconds.
LARGEST_SHARE = 0.04
# The first builds the graph, and is not measured.
WARMING_STEPS, MEASURED_STEPS = 1, 2
# Rates go from the recipe's by this factor lower to as much higher.
SPAN = 16.0
# Share of the past in the smoothed loss, and steps until that is a mean.
SMOOTHING, SETTLING_STEPS = 0.9, 8
# The loss has risen for good when it is so many times the lowest one.
DIVERGED = 1.5
# What is chosen is so many times lower, at least, than the rate at which the loss had
# risen, and so many times lower than the recipe's at most.
MARGIN, TRUSTED = 8.0, 4.0


def find_rate(
    recipe_rate: float, take_step: TakeStep, *, max_steps: int, secs: float
) -> float:
    """The rate of the recipe, or a lower one that is clear of where the loss rises.

    Args:
        recipe_rate: What the recipe would take; the test looks around it.
        take_step: Takes a step at a rate, and returns its loss.
        max_steps: Steps of the job.
        secs: Seconds of the job; infinite without a limit.

    Returns:
        The rate; the recipe's also if the job is too short for a test.
    """
    num_steps = int(min(NUM_STEPS, LARGEST_SHARE * max_steps))
    if num_steps >= MIN_STEPS and secs < math.inf:
        secs_a_step = _measure(recipe_rate / SPAN, take_step)
        num_steps = min(num_steps, int(LARGEST_SHARE * secs / secs_a_step))
    if num_steps < MIN_STEPS:
        logging.info(
            "recipe | --initial_learning_rate=%.2g | the job is too short for a range "
            "test",
            recipe_rate,
        )
        return recipe_rate
    rates = plan_rates(recipe_rate, num_steps)
    limit = _find_limit(zip(rates, _smooth(map(take_step, rates)), strict=False))
    found = choose(recipe_rate, limit)
    _log(recipe_rate, limit, found)
    return found


def plan_rates(middle: float, num_steps: int) -> list[float]:
    """Rates around one: SPAN times lower to SPAN times higher, in equal factors.

    Args:
        middle: The rate of the recipe.
        num_steps: How many, 2 or more.
    """
    return [
        middle * SPAN ** (2.0 * number / (num_steps - 1) - 1.0)
        for number in range(num_steps)
    ]


def choose(recipe_rate: float, limit: float | None) -> float:
    """The rate of a job.

    Args:
        recipe_rate: What the recipe would take.
        limit: The lowest rate at which the loss had risen; None if it did at none.

    Returns:
        The recipe's rate, or a lower one of two digits.
    """
    if limit is None or limit >= MARGIN * recipe_rate:
        return recipe_rate
    return float(f"{max(limit / MARGIN, recipe_rate / TRUSTED):.2g}")


def _measure(rate: float, take_step: TakeStep) -> float:
    """Seconds of a step."""
    for _ in range(WARMING_STEPS):
        take_step(rate)
    started_at = time.monotonic()
    for _ in range(MEASURED_STEPS):
        take_step(rate)
    return max(time.monotonic() - started_at, 1e-9) / MEASURED_STEPS


def _smooth(losses: Iterable[float]) -> Iterator[float]:
    """Running means that forget; the first loss counts in full."""
    total = weight = 0.0
    for loss in losses:
        total = SMOOTHING * total + (1 - SMOOTHING) * loss
        weight = SMOOTHING * weight + (1 - SMOOTHING)
        yield total / weight


def _find_limit(points: Iterable[tuple[float, float]]) -> float | None:
    """The first rate at which the loss has risen for good; takes no more after it."""
    lowest = math.inf
    for number, (rate, loss) in enumerate(points):
        if number >= SETTLING_STEPS:
            lowest = min(lowest, loss)
        if not math.isfinite(loss) or loss > DIVERGED * lowest:
            return rate
    return None


def _log(recipe_rate: float, limit: float | None, found: float) -> None:
    reason = (
        f"the loss rises from {limit:.2g} on" if limit else "the loss rises nowhere"
    )
    place = "" if found == recipe_rate else f"; take it in place of {recipe_rate:.2g}"
    logging.info(
        "recipe | --initial_learning_rate=%.2g | range test: %s%s",
        found,
        reason,
        place,
    )
