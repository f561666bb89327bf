"""Which trials are not worth their end: the service's median rule."""

import statistics
from collections.abc import Iterable, Iterator

from trainer.jobs import trial

# Fewer trials that came to their end say little of where the middle is.
MIN_ENDED = 3


def has_no_prospect(
    one: trial.Trial, others: Iterable[trial.Trial], *, maximizes: bool
) -> bool:
    """True if a trial's best so far is worse than what is usual at its step.

    Usual is the median, over the trials that came to their end, of their means up to
    that step.

    Args:
        one: The running trial.
        others: All trials; those that were stopped early, or failed, do not count.
        maximizes: True if more of the metric is better.

    Source: Golovin et al. 2017, "Google Vizier", section 3.2.2, the median rule.
    """
    if not one.measurements:
        return False
    step = max(one.measurements)
    usual = list(_means_to(step, others))
    if len(usual) < MIN_ENDED:
        return False
    median = statistics.median(usual)
    if maximizes:
        return max(one.measurements.values()) < median
    return min(one.measurements.values()) > median


def _means_to(step: int, trials: Iterable[trial.Trial]) -> Iterator[float]:
    for other in trials:
        if other.state != trial.SUCCEEDED or other.is_stopped_early:
            continue
        values = [value for at, value in other.measurements.items() if at <= step]
        if values:
            yield statistics.mean(values)
