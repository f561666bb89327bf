"""What a job remembers between runs: variables, history, and which job it is."""

import logging
from collections.abc import Mapping
from typing import Any

from trainer import errors
from trainer.config import TrainConfig
from trainer.data.bad_records import BadRecords
from trainer.models.variant import Variant
from trainer.training import (
    checkpoints,
    history,
    steps,
    time_budget,
    training_curve,
)
from trainer.training.layout import JobLayout
from trainer.training.micro_batches import MicroBatches
from trainer.training.team import Team

# Flags without which the variables of a checkpoint do not fit.
IDENTITY = (
    "model_type",
    "num_classes",
    "optimizer_type",
    "fine_tune",
    "freeze_backbone",
)


class JobState:
    """Saves and restores a trainer together with the job's history."""

    def __init__(  # noqa: PLR0913
        self,
        config: TrainConfig,
        layout: JobLayout,
        trainer: steps.Trainer,
        bad_records: Mapping[str, BadRecords],
        variant: Variant,
        team: Team,
        micro_batches: MicroBatches,
    ) -> None:
        """Restores nothing.

        Args:
            config: Says what makes this job another than others.
            layout: Says where.
            trainer: Has the variables.
            bad_records: Those of each split, by its name.
            variant: How the network computes.
            team: Its chief reads and writes; the others hear from it.
            micro_batches: Of the trainer.
        """
        self.history = history.History()
        self.curve = training_curve.TrainingCurve()
        self._identity = {name: getattr(config, name) for name in IDENTITY}
        self._job_dir = config.job_dir
        self._trainer = trainer
        self._bad_records = bad_records
        self._variant = variant
        self._directory = layout.checkpoint_dir
        self._team = team
        self._micro_batches = micro_batches
        self._checkpoints = (
            checkpoints.Checkpoints(self._directory, trainer.variables)
            if team.is_chief
            else None
        )
        self._saved_step = 0
        self.budget = time_budget.TimeBudget(config.max_minutes)

    def restore(self) -> bool:
        """Goes on from the newest checkpoint; False if there is none.

        Raises:
            ConfigError: If the checkpoints are from a job with other variables.
            StorageError: If none of the checkpoints can be read.
        """
        content = self._team.share(self._read())
        if content is None:
            return False
        self.history = history.History(content["evaluations"])
        # Older checkpoints have none.
        self.curve = training_curve.TrainingCurve(content.get("training", []))
        self.budget.restore(content.get("secs", 0.0))
        self._micro_batches.restore(content.get("micro_batches", 1))
        for split, bad in self._bad_records.items():
            bad.restore(content["bad_records"][split])
        return True

    def start(self) -> None:
        """Gives the chief's variables, restored or not, to all replicas."""
        self._trainer.share_variables()
        self._saved_step = self._trainer.num_steps_done
        if self._saved_step:
            source = self._directory if self._team.is_chief else "the chief"
            logging.info("resume | step %d from %s", self._saved_step, source)

    def _read(self) -> dict[str, Any] | None:
        if self._checkpoints is None:
            return None
        self._check_identity()
        return self._checkpoints.restore()

    def save(self, *, waits: bool = True) -> None:
        """Writes a checkpoint, if this is the chief; see Checkpoints.save."""
        if self._checkpoints is None:
            return
        step = self._trainer.num_steps_done
        self._checkpoints.save(
            step,
            {
                "identity": self._identity,
                "variant": self._variant.export(),
                "evaluations": self.history.evaluations,
                "training": self.curve.export(),
                "secs": round(self.budget.secs, 3),
                "micro_batches": self._micro_batches.count,
                "bad_records": {
                    split: bad.export() for split, bad in self._bad_records.items()
                },
            },
            waits=waits,
        )
        self._saved_step = step

    def save_if_changed(self) -> None:
        """Writes a checkpoint if steps were taken since the last one, and waits."""
        if self._trainer.num_steps_done != self._saved_step:
            self.save()
        elif self._checkpoints:
            self._checkpoints.wait()

    def _check_identity(self) -> None:
        content = checkpoints.read_job_state(self._directory) or {}
        for name, found in content.get("identity", {}).items():
            if found != self._identity[name]:
                raise errors.ConfigError(
                    f"--job-dir={self._job_dir} holds checkpoints of a job with "
                    f"--{name}={found}, this one has {self._identity[name]}; give "
                    "another --job-dir, or the same flags to resume."
                )
