"""The errors that a user can cause and can mend; anything else is our bug."""


class JobError(Exception):
    """A job that its owner can mend. Ends the process with exit code 1.

    The message is one sentence for each thing that is wrong: which flag, file or
    record, what was expected, what was found, and what to do next.
    """


class ConfigError(JobError):
    """The command line, or a combination of flags, is wrong."""


class DataError(JobError):
    """The data can be reached but does not hold what the job needs."""


class DamagedError(DataError):
    """One record can't be used, though others can.

    Attributes:
        reason: What is wrong with it, for a sentence "PATH, record 7 ...".
    """

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where} {reason}")
        self.reason = reason


class StorageError(JobError):
    """A path can't be listed, read or written."""


class TrainingError(JobError):
    """Training itself came to a state from which it can't go on."""
