"""Keeps the most accurate SavedModel of the job in its model folder."""

import logging
import os

from trainer import environment, storage
from trainer.serving import export, parity
from trainer.training import history
from trainer.training.layout import DEPLOYMENT_CONFIG, JobLayout

MARKER = "saved_model.pb"
LABELS = "labels.txt"


class BestModel:
    """An action that exports the model if no evaluation was better."""

    def __init__(
        self,
        exporter: export.Exporter,
        gate: parity.ParityGate,
        layout: JobLayout,
        job_history: history.History,
        labels: str | None,
    ) -> None:
        """Removes what a killed run left unfinished.

        Args:
            exporter: Writes the model as it is when called.
            gate: Says no to a SavedModel that does not answer as the model does.
            layout: Says where.
            job_history: Says whether this evaluation is the best.
            labels: Text of the labels file, one name a line; None if there is none.
        """
        self._exporter = exporter
        self._gate = gate
        self._layout = layout
        self._history = job_history
        self._labels = labels
        for model_dir in layout.model_dirs:
            # Other trials may be writing beside it at this moment.
            parent, owner = os.path.split(model_dir)
            storage.remove_stale_staging(parent, owner=owner)

    def __call__(self, step: int, metrics: dict[str, float]) -> None:
        """Publishes the model to each model folder, or leaves them alone.

        Raises:
            TrainingError: If the gate says no; the folders are then left alone.
        """
        if not self._history.is_best(step):
            return
        for model_dir in self._layout.model_dirs:
            found = self._publish(model_dir, step, metrics[history.METRIC])
        logging.info(
            "model | step %d exported to %s | answers on %d images differ by %.1g",
            step,
            self._layout.model_dirs[0],
            found.num_images,
            found.difference,
        )

    def _publish(self, model_dir: str, step: int, accuracy: float) -> parity.Parity:
        parent, owner = os.path.split(model_dir)
        with (
            storage.writing(model_dir),
            storage.staging_dir(parent, owner=owner) as staging,
        ):
            staged = os.path.join(staging, "model")
            self._exporter.export(staged)
            found = self._gate.check(staged)
            export.write_deployment_config(
                os.path.join(staged, DEPLOYMENT_CONFIG),
                model_uri=storage.absolute(model_dir),
                job_id=environment.job_id(_default_job_id(self._layout.job_dir)),
                step=step,
                accuracy=accuracy,
            )
            if self._labels is not None:
                storage.write_text(os.path.join(staged, LABELS), self._labels)
            storage.publish_files(staged, model_dir, marker=MARKER)
        return found


def _default_job_id(job_dir: str) -> str:
    """The last part of the job-dir's path."""
    return os.path.basename(os.path.normpath(job_dir))
