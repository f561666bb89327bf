"""What a file of weights turned out to be."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from trainer.models.variant import Variant


class UnreadableError(ValueError):
    """A file can't be taken. The message goes on after its path, without a stop."""


class Weights(NamedTuple):
    """Weights for one model type.

    Attributes:
        tensors: Values by the paths of our variables, such as "stem_conv/kernel".
        variant: How the network that they are from computes.
        origin: What they were found to be, for the log.
    """

    tensors: Mapping[str, np.ndarray]
    variant: Variant
    origin: str
