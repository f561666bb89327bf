"""The word `jobs to-vertex`: the job that does the same on Vertex AI."""

import logging
import shlex
import sys

import yaml

from trainer import config, errors, flags
from trainer.jobs import described_job, plan, vertex_client, vertex_job
from trainer.jobs.described_job import Description
from trainer.jobs.vertex_job import VertexJob

NO_REGION = "REGION"


def run(job: config.ToVertexConfig) -> None:
    """Prints the job for gcloud's --config, and sends it if asked to.

    Args:
        job: The command.

    Raises:
        JobError: If there can be no such job, or Vertex AI does not take it.
    """
    description = described_job.join(job)
    region = description.training_input.region
    if job.submit and not region:
        raise errors.ConfigError("--submit needs --region; give it.")
    mapped = vertex_job.build(job.display_name, description, _check(job, description))
    for note in mapped.notes:
        logging.warning(note)
    sys.stdout.write(format_job(mapped, region or NO_REGION))
    sys.stdout.flush()
    if job.submit:
        name = vertex_client.send(mapped, region=region, project=job.project)
        logging.info("Vertex AI has the job as %s.", name)


def _check(job: config.ToVertexConfig, description: Description) -> config.TrainConfig:
    tuned = description.training_input.hyperparameters
    if tuned is None:
        return flags.parse(description.flags, config.TrainConfig)
    return plan.check_tuned(job.config, tuned, description.flags, has_own_metric=False)


def format_job(job: VertexJob, region: str) -> str:
    """The job as YAML, under the command that takes it."""
    words = "hp-tuning-jobs" if job.is_tuning else "custom-jobs"
    options = {
        "region": region,
        "display-name": job.display_name,
        "labels": ",".join(f"{name}={text}" for name, text in job.labels.items()),
        "kms-key": job.kms_key_name,
        "config": "FILE",
    }
    given = " ".join(
        f"--{name}={shlex.quote(text)}" for name, text in options.items() if text
    )
    content = yaml.safe_dump(dict(job.content), sort_keys=False, width=1000)
    return f"# gcloud ai {words} create {given}\n{content}"
