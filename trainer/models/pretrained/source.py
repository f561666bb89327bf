"""What a file of weights turned out to be."""


class UnreadableError(ValueError):
    """A file can't be taken; the message goes on after its path and ends without stop."""
