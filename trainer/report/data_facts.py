"""What is known of a job's data without reading it again."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from trainer import errors, storage
from trainer.data.index_cache import IndexCache
from trainer.data.shard_content import NO_LABEL
from trainer.report.job_record import JobRecord

SPLITS = {"training": "training_data_path", "validation": "validation_data_path"}


@dataclasses.dataclass(frozen=True)
class SplitFacts:
    """One split.

    Attributes:
        name: "training" or "validation".
        pattern: What the job was given.
        num_files: Files that match now.
        num_bytes: Their size.
        counts: int64 [num_classes], good images of each class; None if unknown.
        num_bad: Records that the job skipped.
        problem: Why something is unknown; empty if all is known.
    """

    name: str
    pattern: str
    num_files: int
    num_bytes: int
    counts: np.ndarray | None
    num_bad: int
    problem: str


def find_facts(job: JobRecord) -> list[SplitFacts]:
    """Looks at listings and at what the job remembers of its files."""
    known = IndexCache(job.layout.index_path)
    return [_find(job, known, name, flag) for name, flag in SPLITS.items()]


def _find(job: JobRecord, known: IndexCache, name: str, flag: str) -> SplitFacts:
    pattern = getattr(job.config, flag)
    num_bad = len(job.bad_records.get(name, []))
    try:
        files = storage.find_files(pattern, flag)
    except errors.StorageError as error:
        return SplitFacts(name, pattern, 0, 0, None, num_bad, str(error))
    num_bytes = sum(file.num_bytes for file in files)
    counts, num_unknown = _count_classes(job, known, files)
    problem = ""
    if num_unknown:
        problem = (
            f"{num_unknown} of {len(files)} files of --{flag} changed since the job, "
            "or were not read by it; their classes are not counted."
        )
    return SplitFacts(name, pattern, len(files), num_bytes, counts, num_bad, problem)


def _count_classes(
    job: JobRecord, known: IndexCache, files: Sequence[storage.StoredFile]
) -> tuple[np.ndarray | None, int]:
    """Images of each class in files that are as the job read them; others' number."""
    contents = [known.find(file) for file in files]
    labels = [content.labels for content in contents if content is not None]
    if not labels:
        return None, len(files)
    found = np.concatenate(labels)
    classes = found[found != NO_LABEL] - job.resolved.get("label_offset", 1)
    is_class = (classes >= 0) & (classes < job.config.num_classes)
    counts = np.bincount(classes[is_class], minlength=job.config.num_classes)
    return counts, len(files) - len(labels)
