"""What a job starts from: its own checkpoints, pretrained weights, or nothing."""

from typing import NamedTuple

import keras

from trainer.config import TrainConfig
from trainer.models import factory, pretrained
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


def find_start(config: TrainConfig, layout: JobLayout) -> Start:
    """Looks at the job's checkpoints, and if there are none at pretrained weights.

    A job that goes on does not read the weights again: they may be gone.

    Raises:
        ConfigError: If the weights can't be read.
    """
    path = config.pretrained_checkpoint_path
    job_state = checkpoints.read_job_state(layout.checkpoint_dir)
    if job_state is not None:
        found = job_state.get("variant")
        default = factory.default_variant(config.model_type)
        return Start(variants.restore(found) if found else default, None, path)
    if not path:
        return Start(factory.default_variant(config.model_type), None, path)
    weights = pretrained.read_weights(path, config.model_type)
    return Start(weights.variant, weights, path)
