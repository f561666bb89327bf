"""What is said of a SavedModel, or of its address, that can't be trained."""


class UnusableError(ValueError):
    """Why not. The message goes on after the handle, without a stop."""
