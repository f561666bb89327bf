"""Every knob of the `jobs` words: names and meaning of gcloud ai-platform jobs."""

import dataclasses
import re
from collections.abc import Iterator

from trainer.config.knobs import knob, trailing

# Source: the API's reference, projects.jobs, jobId.
JOB_ID = re.compile("[A-Za-z][A-Za-z0-9_]{0,127}")
FORMAT = re.compile(r"json|yaml|value\([\w.]+(,[\w.]+)*\)")
_FORMAT_MEANING = (
    "json, yaml or value(KEY,...), for example value(state) or "
    "value(trainingInput.region). Default: "
)


def parse_pairs(text: str) -> dict[str, str]:
    """Parses name=value,name=value.

    Raises:
        ValueError: If it is none, or has a name twice.
    """
    pairs = [part.partition("=") for part in text.split(",") if part]
    if not all(name and value for name, _, value in pairs):
        raise ValueError(f"expected name=value,name=value, got {text!r}")
    names = [name for name, _, _ in pairs]
    if len(set(names)) < len(names):
        raise ValueError(f"expected each name once, got {text!r}")
    return {name: value for name, _, value in pairs}


@dataclasses.dataclass(frozen=True)
class DescribedJob:
    """A training job as gcloud's flags and config.yaml describe it."""

    config: str = knob(
        "",
        "config.yaml of the service: a Job, with trainingInput. What flags say "
        "counts more.",
    )
    region: str = knob("", "Region that a service would run the job in.")
    master_image_uri: str = knob(
        "",
        "Docker image of this trainer. Default: masterConfig.imageUri of config.",
    )
    job_dir: str = knob(
        "",
        "Root of all outputs; that of the training flags counts more. Default: jobDir "
        "of config.",
    )
    scale_tier: str = knob(
        "",
        "Machines that a service would take. Default: scaleTier of config.",
        choices=(
            "basic",
            "basic-gpu",
            "basic-tpu",
            "custom",
            "premium-1",
            "standard-1",
        ),
    )
    master_machine_type: str = knob(
        "", "Machine of scale tier custom. Default: masterType of config."
    )
    master_accelerator: str = knob(
        "",
        "Accelerators of that machine, such as type=nvidia-tesla-t4,count=1. Default: "
        "masterConfig.acceleratorConfig of config.",
    )
    service_account: str = knob("", "Account that a service would run the job as.")
    labels: str = knob("", "Labels of the job, as KEY=VALUE,KEY=VALUE.")
    training_flags: tuple[str, ...] = trailing(
        "Flags of train, after those of args in config; the last one of a name counts."
    )

    def problems(self) -> Iterator[str]:
        """Yields a sentence for each value that can't be read."""
        for name in ("labels", "master_accelerator"):
            try:
                pairs = parse_pairs(getattr(self, name))
            except ValueError as error:
                yield f"--{name}: {error}."
                continue
            if name == "master_accelerator" and pairs:
                yield from _problems_of_accelerator(pairs)


def _problems_of_accelerator(pairs: dict[str, str]) -> Iterator[str]:
    count = pairs.get("count", "1")
    if pairs.keys() - {"type", "count"} or "type" not in pairs or not count.isdigit():
        yield (
            "--master_accelerator must be like type=nvidia-tesla-t4,count=1, got "
            + ",".join(f"{name}={value}" for name, value in pairs.items())
            + "."
        )


@dataclasses.dataclass(frozen=True)
class SubmitConfig(DescribedJob):
    """What `jobs submit training` starts."""

    job_id: str = knob(
        "",
        "Name of the job, which no other job has: letters, digits and underscores, "
        "the first one a letter.",
        positional=True,
        required=True,
    )
    stream_logs: bool = knob(
        False, "Show the log until the job ends; exit code 1 unless it succeeded."
    )
    format: str = knob("", _FORMAT_MEANING + "yaml of jobId and state.")

    def problems(self) -> Iterator[str]:
        """Yields a sentence for each value that can't be read."""
        yield from super().problems()
        yield from _problems_of_job_id(self.job_id)
        yield from _problems_of_format(self.format)


@dataclasses.dataclass(frozen=True)
class ToVertexConfig(DescribedJob):
    """What `jobs to-vertex` prints, or sends."""

    job_id: str = knob(
        "",
        "Display name of the job. Default: image_classification.",
        positional=True,
    )
    project: str = knob(
        "", "Project that --submit sends the job to. Default: that of the credentials."
    )
    submit: bool = knob(
        False, "Send the job to Vertex AI as well; takes the extra vertex."
    )

    @property
    def display_name(self) -> str:
        """Name of the job on Vertex AI."""
        return self.job_id or "image_classification"

    def problems(self) -> Iterator[str]:
        """Yields a sentence for each value that can't be read or can't work."""
        yield from super().problems()
        if self.job_id:
            yield from _problems_of_job_id(self.job_id)
        if self.project and not self.submit:
            yield "--project says where --submit sends the job; give --submit as well."


@dataclasses.dataclass(frozen=True)
class DescribeJobConfig:
    """Which job `jobs describe` prints."""

    job_id: str = knob("", "Name of the job.", positional=True, required=True)
    format: str = knob("", _FORMAT_MEANING + "yaml.")

    def problems(self) -> Iterator[str]:
        """Yields a sentence for a format that can't be read."""
        yield from _problems_of_format(self.format)


@dataclasses.dataclass(frozen=True)
class StreamLogsConfig:
    """Which log `jobs stream-logs` prints."""

    job_id: str = knob("", "Name of the job.", positional=True, required=True)
    polling_interval: float = knob(
        0.5, "Seconds between looks for new lines.", above=0.0
    )

    def problems(self) -> Iterator[str]:
        """Yields nothing: all that can be wrong takes the job to tell."""
        yield from ()


@dataclasses.dataclass(frozen=True)
class ListJobsConfig:
    """Which jobs `jobs list` prints."""

    limit: int = knob(None, "Jobs at most, newest first. Default: all.", minimum=1)
    format: str = knob("", _FORMAT_MEANING + "a table.")

    def problems(self) -> Iterator[str]:
        """Yields a sentence for a format that can't be read."""
        yield from _problems_of_format(self.format)


@dataclasses.dataclass(frozen=True)
class CancelJobConfig:
    """Which job `jobs cancel` ends."""

    job_id: str = knob("", "Name of the job.", positional=True, required=True)

    def problems(self) -> Iterator[str]:
        """Yields nothing: all that can be wrong takes the job to tell."""
        yield from ()


def _problems_of_job_id(job_id: str) -> Iterator[str]:
    if job_id and not JOB_ID.fullmatch(job_id):
        yield (
            "JOB_ID must be letters, digits and underscores, 128 at most and the first "
            f"one a letter, got {job_id!r}."
        )


def _problems_of_format(text: str) -> Iterator[str]:
    if text and not FORMAT.fullmatch(text):
        yield f"--format must be json, yaml or value(KEY,...), got {text!r}."
