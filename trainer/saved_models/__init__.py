"""SavedModels of any origin: looked through first, then loaded."""

from trainer.saved_models.loading import checked_copy, load
from trainer.saved_models.source import is_packed, local_copy
from trainer.saved_models.unusable import UnusableError

__all__ = ["UnusableError", "checked_copy", "is_packed", "load", "local_copy"]
