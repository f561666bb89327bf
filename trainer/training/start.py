"""What a job starts from: its own checkpoints, pretrained weights, or nothing."""

from typing import NamedTuple

import keras

from trainer import errors
from trainer.config import TrainConfig
from trainer.models import pretrained
from trainer.models import variant as variants
from trainer.models.variant import Variant
from trainer.training import checkpoints
from trainer.training.layout import JobLayout


class Start(NamedTuple):
    """How the network is to compute, and the weights that ask for that, if any."""

    variant: Variant
    weights: pretrained.Weights | None
    path: str

    def load(self, model: keras.Model) -> None:
        """Gives the model the weights.

        Raises:
            ConfigError: If fewer than half of its variables have some.
        """
        if self.weights is not None:
            pretrained.load_weights(model, self.weights.tensors, self.path)


def find_start(config: TrainConfig, layout: JobLayout, default: Variant) -> Start:
    """Looks at the job's checkpoints, and if there are none at pretrained weights.

    A job that goes on does not read the weights again: they may be gone.

    Args:
        config: The job.
        layout: Where its checkpoints are.
        default: How the network computes unless these say otherwise.

    Raises:
        ConfigError: If the weights can't be read, or the job went on another SavedModel
            before.
    """
    path = config.pretrained_checkpoint_path
    job_state = checkpoints.read_job_state(layout.checkpoint_dir)
    if job_state is not None:
        found = job_state.get("variant")
        variant = variants.restore(found) if found else default
        check_backbone(config, variant, default)
        return Start(variant, None, path)
    if not path:
        return Start(default, None, path)
    weights = pretrained.read_weights(path, config.model_type)
    return Start(weights.variant, weights, path)


def check_backbone(config: TrainConfig, found: Variant, own: Variant) -> None:
    """Refuses a SavedModel that is not the one which the job has so far.

    Args:
        config: The job.
        found: Of its checkpoints, or of the process that leads.
        own: Of this process.

    Raises:
        ConfigError: If it is another.
    """
    # With another --model_type, the checkpoints are refused for that.
    if found.backbone and own.backbone and found.backbone != own.backbone:
        raise errors.ConfigError(
            f"--hub_handle={config.hub_handle} holds another SavedModel than the one "
            f"that the job in --job-dir={config.job_dir} began with; give that one to "
            "resume, or another --job-dir."
        )
