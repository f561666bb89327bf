"""config.yaml -> what the discontinued service was asked to do.

The whole of `trainingInput`, with the API's names in snake_case. What may stand where
is decided here; what becomes of it is decided by the words.

Source: the discovery document ml.v1, revision 20230121, GoogleCloudMlV1__Job.
"""

import dataclasses
import math
from collections.abc import Iterator

from trainer import errors, storage
from trainer.jobs.parameters import ParameterSpec
from trainer.jobs.reader import Problems, compose, entry, read_mapping

# It takes seconds to parse so many; those of jobs have a thousand or two.
MAX_BYTES = 200_000
MAXIMIZE, MINIMIZE = "MAXIMIZE", "MINIMIZE"
GRID_SEARCH, RANDOM_SEARCH = "GRID_SEARCH", "RANDOM_SEARCH"
SCALE_TIERS = (
    "BASIC",
    "STANDARD_1",
    "PREMIUM_1",
    "BASIC_GPU",
    "BASIC_TPU",
    "CUSTOM",
)
ACCELERATORS = (
    "NVIDIA_TESLA_K80",
    "NVIDIA_TESLA_P100",
    "NVIDIA_TESLA_V100",
    "NVIDIA_TESLA_P4",
    "NVIDIA_TESLA_T4",
    "NVIDIA_TESLA_A100",
    "TPU_V2",
    "TPU_V3",
    "TPU_V2_POD",
    "TPU_V3_POD",
)


@dataclasses.dataclass(frozen=True)
class AcceleratorConfig:
    """Accelerators of one machine."""

    type: str = entry("", choices=ACCELERATORS)
    count: int = entry(1, minimum=1)


@dataclasses.dataclass(frozen=True)
class DiskConfig:
    """The boot disk of one machine."""

    boot_disk_type: str = entry("", choices=("pd-ssd", "pd-standard"))
    boot_disk_size_gb: int = entry(100, minimum=100)


@dataclasses.dataclass(frozen=True)
class ReplicaConfig:
    """The container and the accelerators of one kind of machine."""

    image_uri: str = entry("")
    container_command: tuple[str, ...] = entry(())
    container_args: tuple[str, ...] = entry(())
    accelerator_config: AcceleratorConfig | None = entry()
    disk_config: DiskConfig | None = entry()
    tpu_tf_version: str = entry("")


@dataclasses.dataclass(frozen=True)
class Scheduling:
    """How long a job may take; durations as the API writes them, like 3600s."""

    max_running_time: str = entry("")
    max_wait_time: str = entry("")
    priority: int = entry(0, minimum=0)

    @property
    def max_running_secs(self) -> float | None:
        """Seconds that a job may run; None without a limit."""
        return parse_secs(self.max_running_time) if self.max_running_time else None

    def problems(self) -> Iterator[str]:
        """Yields a sentence for each duration that is none."""
        for key, text in (
            ("maxRunningTime", self.max_running_time),
            ("maxWaitTime", self.max_wait_time),
        ):
            try:
                parse_secs(text or "1s")
            except ValueError:
                yield f"{key} must be seconds above 0 such as 3600s, got {text}."


@dataclasses.dataclass(frozen=True)
class HyperparameterSpec:
    """What to tune, and how."""

    params: tuple[ParameterSpec, ...] = entry((), required=True)
    goal: str = entry(MAXIMIZE, choices=(MAXIMIZE, MINIMIZE))
    hyperparameter_metric_tag: str = entry("training/hptuning/metric")
    max_trials: int = entry(1, minimum=1)
    max_parallel_trials: int = entry(1, minimum=1)
    max_failed_trials: int = entry(0, minimum=0)
    enable_trial_early_stopping: bool = entry(False)
    resume_previous_job_id: str = entry("")
    algorithm: str = entry(
        "ALGORITHM_UNSPECIFIED",
        choices=("ALGORITHM_UNSPECIFIED", GRID_SEARCH, RANDOM_SEARCH),
    )
    line: int = dataclasses.field(default=0, compare=False)

    @property
    def maximizes(self) -> bool:
        """True if more of the metric is better."""
        return self.goal == MAXIMIZE

    def problems(self) -> Iterator[str]:
        """Yields a sentence for each combination that can't work."""
        names = [param.parameter_name for param in self.params]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield (
                f"parameterName {name} is in params {names.count(name)} times; keep "
                "one."
            )
        if self.algorithm == GRID_SEARCH:
            for param in self.params:
                if param.type == "DOUBLE":
                    yield (
                        f"GRID_SEARCH can't take {param.parameter_name}, which is "
                        "DOUBLE; make it DISCRETE, or take another algorithm."
                    )


@dataclasses.dataclass(frozen=True)
class EncryptionConfig:
    """A key of the owner's."""

    kms_key_name: str = entry("")


@dataclasses.dataclass(frozen=True)
class TrainingInput:
    """`trainingInput`, whole."""

    scale_tier: str = entry("BASIC", choices=SCALE_TIERS)
    master_type: str = entry("")
    worker_type: str = entry("")
    parameter_server_type: str = entry("")
    evaluator_type: str = entry("")
    master_config: ReplicaConfig | None = entry()
    worker_config: ReplicaConfig | None = entry()
    parameter_server_config: ReplicaConfig | None = entry()
    evaluator_config: ReplicaConfig | None = entry()
    worker_count: int = entry(0, minimum=0)
    parameter_server_count: int = entry(0, minimum=0)
    evaluator_count: int = entry(0, minimum=0)
    package_uris: tuple[str, ...] = entry(())
    python_module: str = entry("")
    args: tuple[str, ...] = entry(())
    hyperparameters: HyperparameterSpec | None = entry()
    region: str = entry("")
    job_dir: str = entry("")
    runtime_version: str = entry("")
    python_version: str = entry("")
    use_chief_in_tf_config: bool = entry(False)
    encryption_config: EncryptionConfig | None = entry()
    scheduling: Scheduling | None = entry()
    network: str = entry("")
    service_account: str = entry("")
    enable_web_access: bool = entry(False)

    @property
    def has_tpu(self) -> bool:
        """True if any machine has a TPU."""
        configs = (self.master_config, self.worker_config)
        accelerators = [one.accelerator_config for one in configs if one]
        return self.scale_tier == "BASIC_TPU" or any(
            one.type.startswith("TPU") for one in accelerators if one
        )

    def problems(self) -> Iterator[str]:
        """Yields a sentence for each combination that can't work."""
        if self.scale_tier == "CUSTOM" and not self.master_type:
            yield "scaleTier CUSTOM needs masterType; add it."
        if self.master_type and self.scale_tier != "CUSTOM":
            yield (
                f"masterType needs scaleTier CUSTOM, got {self.scale_tier}; correct "
                "it, or remove masterType."
            )


@dataclasses.dataclass(frozen=True)
class JobSpec:
    """The whole file."""

    training_input: TrainingInput = entry(TrainingInput(), required=True)
    job_id: str = entry("")
    labels: dict[str, str] | None = entry()


def load(path: str) -> JobSpec:
    """Reads a config.yaml.

    Args:
        path: The file; local or on gs://.

    Returns:
        What it says, in range and consistent.

    Raises:
        StorageError: If there is no such file, or it can't be read.
        ConfigError: If anything in it is wrong; a line for each thing.
    """
    content = storage.read_bytes(path)
    if content is None:
        raise errors.StorageError(
            f"--config={path} is not there; expected a YAML file with trainingInput, "
            "as for gcloud ai-platform jobs submit training --config."
        )
    if len(content) > MAX_BYTES:
        raise errors.ConfigError(
            f"--config={path} has {len(content):,} bytes, expected at most "
            f"{MAX_BYTES:,} of YAML with trainingInput; check the path."
        )
    problems = Problems(path)
    spec = JobSpec()
    # Bytes that are no UTF-8 become a character that YAML refuses by its place.
    node = compose(content.decode(errors="backslashreplace"), path, problems)
    if node is not None:
        spec = read_mapping(node, JobSpec, "", problems)
    if sentences := problems.sentences():
        raise errors.ConfigError("\n".join(sentences))
    return spec


def parse_secs(text: str) -> float:
    """Parses a duration such as 3600s or 1.5s.

    Raises:
        ValueError: If it is none, or not above 0.
    """
    secs = float(text.removesuffix("s"))
    if not text.endswith("s") or not math.isfinite(secs) or secs <= 0:
        raise ValueError(text)
    return secs
