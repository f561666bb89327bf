"""One trial as the study knows it: which values, what was measured, how it ended."""

import dataclasses
import datetime

from trainer.jobs.parameters import Values

# States of the API that a trial can have here.
RUNNING, SUCCEEDED, FAILED = "RUNNING", "SUCCEEDED", "FAILED"


@dataclasses.dataclass
class Trial:
    """A trial, running or ended.

    Attributes:
        trial_id: Counts from 1, as the service's.
        values: Value of each tuned parameter.
        measurements: Steps to the metric, in order of steps.
        state: RUNNING, SUCCEEDED or FAILED.
        is_stopped_early: True if it had no prospect of becoming the best.
        start_time: When it first started.
        end_time: When it ended.
        runtime_version: TensorFlow of its model; empty if it has none.
    """

    trial_id: int
    values: Values
    measurements: dict[int, float] = dataclasses.field(default_factory=dict)
    state: str = RUNNING
    is_stopped_early: bool = False
    start_time: datetime.datetime = dataclasses.field(default_factory=lambda: now())
    end_time: datetime.datetime | None = None
    runtime_version: str = ""

    @property
    def objective(self) -> float | None:
        """The last measurement, which is the service's finalMetric."""
        return next(reversed(self.measurements.values()), None)

    @property
    def secs(self) -> float:
        """From its first start to its end, or to now."""
        return ((self.end_time or now()) - self.start_time).total_seconds()

    def measure(self, found: dict[int, float]) -> bool:
        """Takes measurements; True if there is a new one."""
        merged = dict(sorted({**self.measurements, **found}.items()))
        is_new = merged != self.measurements
        self.measurements = merged
        return is_new

    def end(self, state: str, *, stopped_early: bool = False) -> None:
        """Notes how and when it ended."""
        self.state = state
        self.is_stopped_early = stopped_early
        self.end_time = now()


def now() -> datetime.datetime:
    """The time, with its zone, in whole seconds."""
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)
