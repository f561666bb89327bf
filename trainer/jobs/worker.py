"""The process that does a job's work: train or tune, here or in a container."""

import json
import sys
from collections.abc import Mapping, Sequence

from trainer import config, environment, errors, flags
from trainer.jobs import api_form, container
from trainer.jobs import plan as plans
from trainer.jobs.described_job import BUILT_IN_IMAGES, Description
from trainer.jobs.job_folder import JobFolder


def check(job: config.SubmitConfig, description: Description) -> config.TrainConfig:
    """Checks all that the work would find wrong within its first second.

    Args:
        job: The command.
        description: What it and config.yaml say together.

    Returns:
        What the training flags say.

    Raises:
        ConfigError: If a flag is wrong, or there is no Docker to run an image.
    """
    if description.image and not environment.has_command("docker"):
        raise errors.ConfigError(
            f"--master-image-uri={description.image} needs the command docker, which "
            f"is not on PATH; install Docker, or give {BUILT_IN_IMAGES}"
            "image_classification:latest or no image to train with this Python."
        )
    if description.is_tuning:
        return plans.make_plan(_tune_config(job, description)).train
    return flags.parse(description.flags, config.TrainConfig)


def _tune_config(
    job: config.SubmitConfig, description: Description
) -> config.TuneConfig:
    return config.TuneConfig(
        config=job.config,
        job_dir=job.job_dir,
        image=description.image,
        training_flags=job.training_flags,
    )


def build_command(
    job: config.SubmitConfig,
    description: Description,
    train: config.TrainConfig,
    folder: JobFolder,
) -> list[str]:
    """The command line of the work.

    Args:
        job: The command that submitted the job.
        description: What it and config.yaml say together.
        train: What the training flags say.
        folder: Has a copy of config.yaml, which may change meanwhile.
    """
    if description.is_tuning:
        return _build_tuning(job, description, folder)
    if not description.image:
        return [sys.executable, "-m", "trainer.task", "train", *description.flags]
    return container.build_command(
        description.image,
        description.flags,
        name=job.job_id,
        folders=list(container.find_folders(train)),
        variables=build_variables(job.job_id, description),
    )


def _build_tuning(
    job: config.SubmitConfig, description: Description, folder: JobFolder
) -> list[str]:
    own = {
        "config": folder.config_path,
        "job-dir": job.job_dir,
        "image": description.image,
    }
    return [
        *(sys.executable, "-m", "trainer.task", "tune"),
        *(f"--{name}={value}" for name, value in own.items() if value),
        "--",
        *job.training_flags,
    ]


def build_variables(job_id: str, description: Description) -> Mapping[str, str]:
    """What the service told a job through its environment.

    Source: docs/contract.md, "Trials", without the trial.
    """
    cluster = {
        "cluster": {"master": ["127.0.0.1:2222"]},
        "task": {"type": "master", "index": 0},
        "job": api_form.to_api(description.training_input),
        "environment": "cloud",
    }
    text = json.dumps(cluster)
    return {"CLOUD_ML_JOB_ID": job_id, "TF_CONFIG": text, "CLUSTER_SPEC": text}


def describe_place(description: Description) -> str:
    """Where the work is done, in words."""
    if description.is_tuning:
        trials = "containers" if description.image else "processes"
        return f"the tuner of this Python, with trials as {trials}"
    if description.image:
        return f"a container of {description.image}"
    return "a process of this Python"


def unheard(description: Description) -> Sequence[str]:
    """Machines that were asked for, and that a job of this machine does not get."""
    given = description.training_input
    configs = (given.master_config, given.worker_config)
    accelerators = [one.accelerator_config for one in configs if one]
    asked = [
        f"scaleTier {given.scale_tier}" if given.scale_tier != "BASIC" else "",
        given.master_type,
        given.worker_type,
        *(f"{one.type} x {one.count}" for one in accelerators if one),
    ]
    return [one for one in asked if one]
