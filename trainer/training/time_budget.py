"""How many steps fit into --max_minutes, by the speed of the first ones.

The first steps do not depend on how many follow: the rate warms up or is the initial
one. Once they are measured, the number of steps is fixed and saved, and with it the
schedule. A job that is resumed after that goes on as it would have, unless it is late;
one that is resumed before measures anew, and may come to another number.
"""

import logging
import math
import time
from collections.abc import Callable

from trainer import environment
from trainer.training.progress import format_secs

# Evaluations of a job with a time limit, unless its command says otherwise.
NUM_EVALUATIONS = 4
# Steps a call. The first call builds the graph, and is not measured; what follows is,
# for this many steps (if there is no warm-up), seconds, or share of the time.
MIN_STEPS = 5
MEASURED_STEPS, MEASURED_SECS, MEASURED_SHARE = 100, 10.0, 0.03
# An evaluation has a third of a step's arithmetic; checkpoint and export take seconds.
EVALUATION_COST = 1 / 3
EXPORT_SECS = 5.0
# For what runs slower later than at first.
MARGIN = 0.93


class TimeBudget:
    """The seconds that a job may take in all its runs."""

    def __init__(self, max_minutes: float) -> None:
        """Starts the clock at the start of this process.

        Args:
            max_minutes: Minutes in all; 0 sets no limit.
        """
        self._limit = 60.0 * max_minutes
        self._started_at = time.monotonic() - environment.process_secs()
        self._secs_before = 0.0
        # An evaluation, the export, and the report at the end.
        self.reserved_secs = EXPORT_SECS

    @property
    def secs(self) -> float:
        """Seconds that the job has taken so far."""
        return self._secs_before + time.monotonic() - self._started_at

    @property
    def secs_left(self) -> float:
        """Seconds until the end; infinite without a limit."""
        return self._limit - self.secs if self._limit else math.inf

    def restore(self, secs: float) -> None:
        """Counts what earlier runs took."""
        self._secs_before = secs

    def is_late(self) -> bool:
        """Whether only the last evaluation has time left."""
        return self.secs_left < self.reserved_secs

    def plan(
        self,
        train: Callable[[], int],
        *,
        eval_steps: float,
        warmup_steps: int,
        max_steps: int,
    ) -> int:
        """Takes the first steps, and computes how many more there is time for.

        Args:
            train: Takes up to MIN_STEPS steps, and returns how many were done in all.
            eval_steps: Images of an evaluation, as steps.
            warmup_steps: Steps whose rate is the same in any plan; 0 if there are none.
            max_steps: Steps that the job takes at most.

        Returns:
            Steps in all, those that were taken counted.
        """
        done = start = train()
        started_at = time.monotonic()
        limit = min(MEASURED_SECS, MEASURED_SHARE * self._limit)
        enough = min(warmup_steps or MEASURED_STEPS, max_steps)
        while done < max_steps and (
            done == start or (done < enough and time.monotonic() - started_at < limit)
        ):
            done = train()
        if done == start:
            return max_steps
        secs_a_step = (time.monotonic() - started_at) / (done - start)
        evaluation = EVALUATION_COST * eval_steps * secs_a_step + EXPORT_SECS
        # The report scores the model once more, and slower, from the files on.
        self.reserved_secs = evaluation
        secs = MARGIN * (self.secs_left - (NUM_EVALUATIONS + 2) * evaluation)
        num_steps = min(done + max(1, int(secs / secs_a_step)), max_steps)
        logging.info(
            "budget | %s left, %.3g s a step, about %s an evaluation: --max_steps=%d",
            format_secs(max(0.0, self.secs_left)),
            secs_a_step,
            format_secs(evaluation),
            num_steps,
        )
        return num_steps
