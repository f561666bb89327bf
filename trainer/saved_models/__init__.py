"""SavedModels of any origin: looked through first, then loaded."""

from trainer.saved_models.loading import checked_copy, load

__all__ = ["checked_copy", "load"]
