"""Reports the objective to the tuning service's agent, through cloudml-hypertune.

The agent reads a file on the worker; where it can't be written (a read-only /tmp,
outside of tuning) the job goes on without it. No TensorFlow.
"""

import logging

import hypertune

from trainer.training import history


class Reporter:
    """An action that reports top_1_accuracy after each evaluation."""

    def __init__(self, trial_id: str | None) -> None:
        self._agent = None
        try:
            self._agent = hypertune.HyperTune()
        except OSError as error:
            self._warn(error)
        if self._agent and trial_id:
            # The package knows CLOUD_ML_TRIAL_ID only.
            self._agent.trial_id = trial_id

    def __call__(self, step: int, metrics: dict[str, float]) -> None:
        """Writes one record."""
        if not self._agent:
            return
        try:
            self._agent.report_hyperparameter_tuning_metric(
                hyperparameter_metric_tag=history.METRIC,
                metric_value=metrics[history.METRIC],
                global_step=step,
            )
        except OSError as error:
            self._warn(error)

    def _warn(self, error: OSError) -> None:
        logging.warning("Nothing is reported to a tuning service: %s.", error)
