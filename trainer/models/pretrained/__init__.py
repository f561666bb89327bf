"""Weights of an earlier job, or from elsewhere -> a new model."""

from trainer.models.pretrained.load import read_weights
from trainer.models.pretrained.matching import load_weights
from trainer.models.pretrained.source import Weights

__all__ = ["Weights", "load_weights", "read_weights"]
