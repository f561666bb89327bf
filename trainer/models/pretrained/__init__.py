"""Weights of an earlier job, or from elsewhere -> a new model."""

from trainer.models.pretrained.load import load_pretrained

__all__ = ["load_pretrained"]
