"""The word report: reads what a job left, scores its model, writes page and card."""

import logging
import os
import time

from trainer import config, errors, storage
from trainer.report import data_facts, job_record, model_card, page, validation
from trainer.report.content import Content
from trainer.report.job_record import JobRecord
from trainer.training.layout import JobLayout

PAGE, CARD = "index.html", "model_card.md"
LABELS = "labels.txt"


def run(job: config.ReportConfig) -> None:
    """Writes the report of a job that may have run anywhere.

    Args:
        job: Says which.

    Raises:
        JobError: As `write_report`.
    """
    write_report(JobLayout(job.job_dir))


def write_report(layout: JobLayout) -> None:
    """Writes report/index.html and report/model_card.md.

    Without the model or the validation data they tell the rest, and why.

    Args:
        layout: Says where the job's files are.

    Raises:
        StorageError: If there is no job, or the report can't be written.
        DataError: If a file of the job holds something else.
    """
    started = time.monotonic()
    content = _gather(job_record.read_job(layout))
    # The card first: who finds the page has both.
    for name, text in (
        (CARD, model_card.format_card(content)),
        (PAGE, page.format_page(content)),
    ):
        storage.write_text(os.path.join(layout.report_dir, name), text)
    logging.info(
        "report | %s | %.1f s",
        os.path.join(layout.report_dir, PAGE),
        time.monotonic() - started,
    )


def _gather(job: JobRecord) -> Content:
    splits = data_facts.find_facts(job)
    try:
        validated = validation.validate(job)
    except errors.JobError as error:
        logging.warning("report | the model can't be scored again: %s", error)
        return Content(job, splits, _read_names(job), None, str(error))
    return Content(job, splits, validated.names, validated, "")


def _read_names(job: JobRecord) -> list[str]:
    """Names of the classes, or their numbers from 1."""
    text = storage.read_text(os.path.join(job.model_dir, LABELS))
    names = [] if text is None else text.splitlines()
    if len(names) == job.config.num_classes:
        return names
    return [str(number + 1) for number in range(job.config.num_classes)]
