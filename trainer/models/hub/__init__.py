"""Any TF2 SavedModel of images -> features, with a classifier on it, as a network."""

from trainer.models.hub.feature_vector import FeatureVector
from trainer.models.hub.network import build_network
from trainer.models.hub.opening import opened

__all__ = ["FeatureVector", "build_network", "opened"]
