"""A training job as its users run it, a process of its own, and what it took."""

import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import turns

# The line that says that all checks are done, and the first one of training.
READY = re.compile(r"^\S+ job +\|")
TRAINING = re.compile(r"^\S+ train +\| step (\d+)/")
# Calls after the first one that still warm up.
LEFT_OUT_POINTS = 2


class JobCosts(NamedTuple):
    """What a job took.

    Attributes:
        ready_secs: Until data and flags were checked.
        first_step_secs: Until the first step was done, graphs and all.
        step_secs: Median of the steps after the first ones.
        wait_share: Of the time of these steps, what they waited for data, 0..1.
        evaluation_secs: Of the last evaluation.
        secs: From start to end.
        peak_bytes: Largest resident set.
    """

    ready_secs: float
    first_step_secs: float
    step_secs: float
    wait_share: float
    evaluation_secs: float
    secs: float
    peak_bytes: int


class Job:
    """A job that runs."""

    def __init__(
        self, job_dir: pathlib.Path, flags: Sequence[str], env: Mapping[str, str] = {}
    ) -> None:
        """Starts it.

        Args:
            job_dir: New folder.
            flags: Of the trainer, without `--job-dir`.
            env: Variables beside those of this process.
        """
        self._job_dir = job_dir
        self._started_at = time.perf_counter()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "trainer.task", *flags, f"--job-dir={job_dir}"],
            env={**os.environ, "PYTHONPATH": str(turns.ROOT), **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait(self) -> JobCosts:
        """Follows its log to the end.

        Raises:
            SystemExit: If it failed; its log is the message.
        """
        ready_secs = reported_secs = reported_step = 0.0
        lines = []
        for line in self._process.stdout or ():
            lines.append(line)
            if not ready_secs and READY.match(line):
                ready_secs = time.perf_counter() - self._started_at
            if not reported_secs and (match := TRAINING.match(line)):
                reported_secs = time.perf_counter() - self._started_at
                reported_step = int(match[1])
        peak_bytes = self._end("".join(lines))
        _, *others = self._read_points()
        # The line came some steps after the first one.
        later_secs = sum(one["secs"] for one in others if one["step"] <= reported_step)
        points = others[LEFT_OUT_POINTS:]
        step_secs = [one["secs"] / one["num_steps"] for one in points]
        waited, spent = (
            sum(one[key] for one in points) for key in ("wait_secs", "secs")
        )
        metrics = json.loads((self._job_dir / "metrics.json").read_text())
        return JobCosts(
            ready_secs=ready_secs,
            first_step_secs=reported_secs - later_secs,
            step_secs=statistics.median(step_secs),
            wait_share=waited / spent,
            evaluation_secs=metrics["evaluations"][-1]["secs"],
            secs=time.perf_counter() - self._started_at,
            peak_bytes=peak_bytes,
        )

    def wait_for_end(self) -> None:
        """Of a process that is not the chief.

        Raises:
            SystemExit: If it failed; its log is the message.
        """
        self._end(self._process.stdout.read() if self._process.stdout else "")

    def _end(self, log: str) -> int:
        """Peak bytes of a process that has closed its output."""
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        if self._process.returncode:
            raise SystemExit(log)
        return usage.ru_maxrss * 1024

    def _read_points(self) -> list[dict[str, float]]:
        lines = (self._job_dir / "training.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]
