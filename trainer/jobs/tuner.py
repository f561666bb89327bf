"""Runs trials until there are enough: starts, measures, stops and counts them."""

import logging
import math
import time

from trainer import errors
from trainer.jobs import early_stopping, trial, trial_process, tuning_progress
from trainer.jobs.plan import Plan
from trainer.jobs.study import Study
from trainer.jobs.trial_process import TrialProcess
from trainer.training.interruption import Interruption

POLL_SECS = 0.2
# Source: docs/contract.md, "Tuning": restarts of a worker that did not end by itself.
MAX_RESTARTS = 5
# Failures after which a tuning ends if none succeeded and maxFailedTrials is 0, which
# leaves it to the service.
HOPELESS_FAILURES = 3


class Tuner:
    """The trials that run, and what follows from what they do."""

    def __init__(self, plan: Plan, study: Study, work: str, lock: int) -> None:
        """Starts nothing.

        Args:
            plan: The tuning.
            study: Its trials.
            work: Local folder for logs and metric files.
            lock: Descriptor of the study's lock.
        """
        self._plan = plan
        self._study = study
        self._work = work
        self._lock = lock
        self._processes: list[TrialProcess] = []
        # Those of a tuner that was killed, or asked to end.
        self._waiting = [one for one in study.trials if one.state == trial.RUNNING]
        self._stopping: set[int] = set()
        self._restarts: dict[int, int] = {}
        self._num_failed = 0
        scheduling = plan.training_input.scheduling
        secs = scheduling.max_running_secs if scheduling else None
        self._deadline = math.inf if secs is None else time.monotonic() + secs

    def run(
        self, interruption: Interruption, shown: tuning_progress.TuningProgress
    ) -> None:
        """Runs all trials to their end.

        Raises:
            Interrupted: If this process was asked to end; trials have saved by then.
            TrainingError: If too many trials failed, or maxRunningTime is over.
            ConfigError: If the metric is never reported.
            StorageError: If the study can't be written.
        """
        try:
            self._fill()
            while self._processes:
                interruption.check()
                self._check_deadline()
                for process in list(self._processes):
                    self._look_after(process)
                self._fill()
                shown.show(self._study)
                time.sleep(POLL_SECS)
        finally:
            self._stop_all()
        if self._study.best is None:
            raise errors.TrainingError(
                f"None of {len(self._study.trials)} trials succeeded; the lines above "
                "say why. Mend it, then run the same command again."
            )

    def _check_deadline(self) -> None:
        if time.monotonic() > self._deadline:
            raise errors.TrainingError(
                "scheduling.maxRunningTime is over; trials have saved a checkpoint. "
                "Raise it, and run the same command again to go on."
            )

    def _fill(self) -> None:
        """Starts trials until as many run as may."""
        while len(self._processes) < self._plan.max_parallel_trials:
            is_resumed = bool(self._waiting)
            one = self._waiting.pop(0) if is_resumed else self._study.start_next()
            if one is None:
                return
            if not is_resumed:
                trial_process.remove_traces(self._work, one)
            self._processes.append(
                TrialProcess(self._plan, one, self._work, self._lock)
            )
            logging.info(
                "trial %d | %s | %s",
                one.trial_id,
                "goes on" if is_resumed else "start",
                self._plan.describe(one.values),
            )

    def _look_after(self, process: TrialProcess) -> None:
        """Takes what a trial reported, then sees whether it ended."""
        # In this order: what it reports before its end is there by then.
        code = process.poll()
        one = process.trial
        report = process.read_report()
        if one.measure(report.measurements):
            self._study.save()
            self._log_measurement(one)
            self._stop_without_prospect(process)
        # A trial may report several metrics at a step, ours last.
        is_missing = code == 0 or len(report.other_steps) > 1
        if is_missing and not one.measurements:
            raise errors.ConfigError(self._describe_unreported(one, report.other_tags))
        if code is not None:
            self._processes.remove(process)
            process.keep_log()
            self._conclude(process, code)

    def _stop_without_prospect(self, process: TrialProcess) -> None:
        one, spec = process.trial, self._study.spec
        if not spec.enable_trial_early_stopping or one.trial_id in self._stopping:
            return
        if early_stopping.has_no_prospect(
            one, self._study.trials, maximizes=spec.maximizes
        ):
            self._stopping.add(one.trial_id)
            process.stop()
            logging.info("trial %d | stops early: below the median", one.trial_id)

    def _conclude(self, process: TrialProcess, code: int) -> None:
        one = process.trial
        restarts = self._restarts.get(one.trial_id, 0)
        if code == 0 or one.trial_id in self._stopping:
            is_early = one.trial_id in self._stopping and code != 0
            self._study.end(one, trial.SUCCEEDED, stopped_early=is_early)
            self._log_end(one)
        elif code < 0 and restarts < MAX_RESTARTS:
            self._restarts[one.trial_id] = restarts + 1
            self._waiting.append(one)
            logging.warning(
                "trial %d | ended by signal %d, not by itself; it goes on from its "
                "last checkpoint (restart %d of %d)",
                one.trial_id,
                -code,
                restarts + 1,
                MAX_RESTARTS,
            )
        else:
            self._fail(process, code)

    def _fail(self, process: TrialProcess, code: int) -> None:
        one = process.trial
        self._study.end(one, trial.FAILED)
        self._num_failed += 1
        logging.error(
            "trial %d | failed with exit code %d; its last lines:", one.trial_id, code
        )
        for line in process.read_last_lines():
            logging.error("trial %d |   %s", one.trial_id, line)
        limit = self._study.spec.max_failed_trials
        is_hopeless = not limit and self._study.best is None
        if self._num_failed >= (limit or HOPELESS_FAILURES) and (limit or is_hopeless):
            reason = f"maxFailedTrials is {limit}" if limit else "none succeeded"
            raise errors.TrainingError(
                f"Failed trials: {self._num_failed}, and {reason}, so the others were "
                "not tried; the lines above say why. Mend it, then run the same "
                "command again."
            )

    def _describe_unreported(self, one: trial.Trial, others: frozenset[str]) -> str:
        found = ", ".join(sorted(others)) or "nothing"
        return (
            f"hyperparameterMetricTag is {self._study.spec.hyperparameter_metric_tag}, "
            f"which trial {one.trial_id} did not report; it reported {found}. Correct "
            "the tag, and give another --job-dir."
        )

    def _log_measurement(self, one: trial.Trial) -> None:
        logging.info(
            "trial %d | step %d | %s %.4f",
            one.trial_id,
            max(one.measurements),
            self._study.spec.hyperparameter_metric_tag,
            one.objective,
        )

    def _log_end(self, one: trial.Trial) -> None:
        best = self._study.best
        assert best is not None
        logging.info(
            "trial %d | %s | %s %.4f after %.0f s | best %.4f, trial %d",
            one.trial_id,
            "stopped early" if one.is_stopped_early else "done",
            self._study.spec.hyperparameter_metric_tag,
            one.objective,
            one.secs,
            best.objective,
            best.trial_id,
        )

    def _stop_all(self) -> None:
        """Asks all to end, and waits; they may have a checkpoint to save.

        A second signal, which raises, ends them at once.
        """
        for process in self._processes:
            process.stop()
        try:
            for process in self._processes:
                process.wait()
                process.keep_log()
        except BaseException:
            for process in self._processes:
                process.kill()
            raise
