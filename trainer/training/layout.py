"""Where the files of a job are, under its job-dir."""

import dataclasses
import os

# Beside each SavedModel, for gcloud ai-platform versions create --config.
DEPLOYMENT_CONFIG = "deployment_config.yaml"


@dataclasses.dataclass(frozen=True)
class JobLayout:
    """Paths of one job, or of one trial of a tuning job.

    Source: docs/contract.md, "Output layout".
    """

    job_dir: str
    trial_id: str | None = None

    @property
    def root_dir(self) -> str:
        """Folder of all that is not a finished model; trials do not share it."""
        return os.path.join(self.job_dir, self.trial_id or "")

    @property
    def model_dirs(self) -> tuple[str, ...]:
        """Folders that the best SavedModel goes to, the canonical one first."""
        if self.trial_id is None:
            return (os.path.join(self.job_dir, "model"),)
        return (
            os.path.join(self.job_dir, "model", f"trial_{self.trial_id}"),
            os.path.join(self.job_dir, self.trial_id, "model"),
        )

    @property
    def checkpoint_dir(self) -> str:
        """Folder of the checkpoints."""
        return os.path.join(self.root_dir, "checkpoints")

    @property
    def log_dir(self) -> str:
        """Folder of TensorBoard's event files."""
        return os.path.join(self.root_dir, "logs")

    @property
    def metrics_path(self) -> str:
        """The file with the history of evaluations."""
        return os.path.join(self.root_dir, "metrics.json")

    @property
    def curve_path(self) -> str:
        """The file with the course of training."""
        return os.path.join(self.root_dir, "training.jsonl")

    @property
    def report_dir(self) -> str:
        """Folder of the report and the model card."""
        return os.path.join(self.root_dir, "report")

    @property
    def index_path(self) -> str:
        """The file with what is known of the records."""
        return os.path.join(self.root_dir, "index.npz")
