"""What a job left in its folder about itself."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from trainer import config, errors, storage
from trainer.training import training_curve
from trainer.training.layout import JobLayout


@dataclasses.dataclass(frozen=True)
class JobRecord:
    """A job that has evaluated once or more.

    Attributes:
        layout: Where its files are now.
        config: What it was asked to do.
        resolved: What its defaults came to; older jobs have none.
        best: The evaluation of the exported model.
        evaluations: All of them, in order.
        bad_records: What was skipped, by split.
        points: The course of training.
    """

    layout: JobLayout
    config: config.TrainConfig
    resolved: Mapping[str, Any]
    best: Mapping[str, float]
    evaluations: Sequence[Mapping[str, float]]
    bad_records: Mapping[str, Sequence[Mapping[str, Any]]]
    points: Sequence[training_curve.Point]

    @property
    def model_dir(self) -> str:
        """The exported model."""
        return self.layout.model_dirs[0]

    @property
    def num_steps(self) -> int:
        """Steps of which the course is known."""
        return sum(point.num_steps for point in self.points)

    @property
    def train_secs(self) -> float:
        """Time that these steps took."""
        return sum(point.secs for point in self.points)

    @property
    def eval_secs(self) -> float:
        """Time that evaluations took."""
        return sum(one["secs"] for one in self.evaluations)

    @property
    def images_per_second(self) -> float | None:
        """Speed of training, evaluations left out; None if its course is unknown."""
        if not self.train_secs:
            return None
        return self.num_steps * self.config.train_batch_size / self.train_secs

    @property
    def wait_share(self) -> float | None:
        """Share of training in which steps waited for data; None if unknown."""
        if not self.train_secs:
            return None
        return sum(point.wait_secs for point in self.points) / self.train_secs


def read_job(layout: JobLayout) -> JobRecord:
    """Reads the job's files.

    Args:
        layout: Says where.

    Raises:
        StorageError: If there is no job, or a file can't be read.
        DataError: If a file holds something else.
    """
    text = storage.read_text(layout.metrics_path)
    if text is None:
        raise errors.StorageError(
            f"--job-dir={layout.job_dir} has no metrics.json, expected the folder of "
            "a job that has evaluated at least once; check the path, or train longer."
        )
    try:
        content = json.loads(text)
        return JobRecord(
            layout,
            _restore_config(content["flags"]),
            content.get("resolved", {}),
            content["best"],
            content["evaluations"],
            content["bad_records"],
            training_curve.read_curve(layout.curve_path).points,
        )
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise errors.DataError(
            f"{layout.metrics_path} or {layout.curve_path} is not what a job writes "
            f"({type(error).__name__}: {error}); run the job's command again, which "
            "writes them anew."
        ) from error


def _restore_config(flags: Mapping[str, Any]) -> config.TrainConfig:
    """The job's flags; those of another version that are not known are left out."""
    known = {field.name for field in dataclasses.fields(config.TrainConfig)}
    return config.TrainConfig(
        **{name: value for name, value in flags.items() if name in known}
    )
