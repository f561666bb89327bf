"""Where the files of a job are, under its job-dir."""

import dataclasses
import os

from trainer import environment
from trainer.environment import VertexOutputs

# Beside each SavedModel, for gcloud ai-platform versions create --config.
DEPLOYMENT_CONFIG = "deployment_config.yaml"


@dataclasses.dataclass(frozen=True)
class JobLayout:
    """Paths of one job, or of one trial of a tuning job.

    Attributes:
        job_dir: Root of the outputs.
        trial_id: The trial; None outside of tuning.
        vertex: Folders that Vertex AI names; they are used as they are.

    Source: docs/contract.md, "Output layout" and "Vertex AI".
    """

    job_dir: str
    trial_id: str | None = None
    vertex: VertexOutputs = dataclasses.field(default_factory=VertexOutputs)

    @property
    def root_dir(self) -> str:
        """Folder of all that is not a finished model; trials do not share it."""
        if self.job_dir.rstrip("/") == self.vertex.root_dir:
            # Vertex AI's folders of a trial have its id already.
            return self.job_dir
        return os.path.join(self.job_dir, self.trial_id or "")

    @property
    def model_dirs(self) -> tuple[str, ...]:
        """Folders that the best SavedModel goes to, the canonical one first."""
        if self.vertex.model_dir:
            return (self.vertex.model_dir,)
        if self.trial_id is None:
            return (os.path.join(self.job_dir, "model"),)
        return (
            os.path.join(self.job_dir, "model", f"trial_{self.trial_id}"),
            os.path.join(self.job_dir, self.trial_id, "model"),
        )

    @property
    def checkpoint_dir(self) -> str:
        """Folder of the checkpoints."""
        default = os.path.join(self.root_dir, "checkpoints")
        return self.vertex.checkpoint_dir or default

    @property
    def log_dir(self) -> str:
        """Folder of TensorBoard's event files."""
        return self.vertex.log_dir or os.path.join(self.root_dir, "logs")

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


def own_layout(job_dir: str) -> JobLayout:
    """Where the job or trial that this process runs has its files.

    Args:
        job_dir: Its --job-dir.
    """
    return JobLayout(job_dir, environment.trial_id(), environment.vertex_outputs())
