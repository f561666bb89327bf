"""Image classification training: the documented flags in, a SavedModel out."""

__version__ = "0.1.0"
