"""All that the page and the model card tell of a job."""

from typing import NamedTuple

from trainer.report.data_facts import SplitFacts
from trainer.report.job_record import JobRecord
from trainer.report.validation import Validated


class Content(NamedTuple):
    """What is known.

    Attributes:
        job: What the job wrote down.
        splits: Its data.
        names: One a class.
        validated: The exported model's scores; None if it could not be scored.
        problem: Why not; empty if it was.
    """

    job: JobRecord
    splits: list[SplitFacts]
    names: list[str]
    validated: Validated | None
    problem: str

    @property
    def title(self) -> str:
        """Names the model."""
        return f"{self.job.config.model_type}, {self.job.config.num_classes} classes"
