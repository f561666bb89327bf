"""gcloud's flags and config.yaml -> one description of a job; flags count more."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from trainer import config, errors
from trainer.jobs import spec

# What the service took for the algorithm; it is gone, and this trainer is in its place.
BUILT_IN_IMAGES = "gcr.io/cloud-ml-algos/"


@dataclasses.dataclass(frozen=True)
class Description:
    """A job, joined from both.

    Attributes:
        training_input: What it was asked to do; args are those of both.
        labels: Of the job.
        job_dir: Of jobDir; empty if only the training flags have one.
    """

    training_input: spec.TrainingInput
    labels: Mapping[str, str]

    @property
    def job_dir(self) -> str:
        """jobDir, which training flags may replace."""
        return self.training_input.job_dir

    @property
    def flags(self) -> tuple[str, ...]:
        """Flags of train as the service gave them; the last one of a name counts."""
        own = (f"--job-dir={self.job_dir}",) if self.job_dir else ()
        return (*own, *self.training_input.args)

    @property
    def is_tuning(self) -> bool:
        """True if the job is many trials."""
        return self.training_input.hyperparameters is not None

    @property
    def image(self) -> str:
        """The Docker image; empty where none was named or it was the algorithm's."""
        master = self.training_input.master_config
        uri = master.image_uri if master else ""
        return "" if uri.startswith(BUILT_IN_IMAGES) else uri


def join(job: config.DescribedJob) -> Description:
    """Reads config.yaml, and puts what flags say in its place.

    Raises:
        StorageError: If there is no such file.
        ConfigError: If it is wrong, or does not fit the flags.
    """
    found = spec.load(job.config) if job.config else spec.JobSpec()
    given = found.training_input
    changes: dict[str, Any] = {
        "region": job.region,
        "job_dir": job.job_dir,
        "service_account": job.service_account,
        "scale_tier": job.scale_tier.upper().replace("-", "_"),
        "master_type": job.master_machine_type,
        "master_config": _change_master(given.master_config, job),
    }
    joined = dataclasses.replace(
        given,
        args=(*given.args, *job.training_flags),
        **{name: value for name, value in changes.items() if value},
    )
    if problems := list(joined.problems()):
        raise errors.ConfigError("\n".join(problems))
    labels = {**(found.labels or {}), **config.parse_pairs(job.labels)}
    return Description(joined, labels)


def _change_master(
    given: spec.ReplicaConfig | None, job: config.DescribedJob
) -> spec.ReplicaConfig | None:
    changes: dict[str, Any] = {}
    if job.master_image_uri:
        changes["image_uri"] = job.master_image_uri
    if job.master_accelerator:
        changes["accelerator_config"] = _parse_accelerator(job.master_accelerator)
    if not changes:
        return given
    return dataclasses.replace(given or spec.ReplicaConfig(), **changes)


def _parse_accelerator(text: str) -> spec.AcceleratorConfig:
    pairs = config.parse_pairs(text)
    kind = pairs["type"].upper().replace("-", "_")
    if kind not in spec.ACCELERATORS:
        raise errors.ConfigError(
            f"--master_accelerator has type={pairs['type']}; expected one of "
            f"{', '.join(spec.ACCELERATORS)}, in small letters and with hyphens or not."
        )
    return spec.AcceleratorConfig(kind, int(pairs.get("count", "1")))
