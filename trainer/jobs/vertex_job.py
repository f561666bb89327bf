"""A described job -> what does the same on Vertex AI, in the API's JSON.

Source: googleapis/googleapis, google/cloud/aiplatform/v1: custom_job.proto,
study.proto, hyperparameter_tuning_job.proto.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from trainer import config, errors, storage
from trainer.jobs import machines, spec
from trainer.jobs.described_job import Description
from trainer.jobs.parameters import NO_SCALE, ParameterSpec
from trainer.jobs.reader import spell

# What has no place on Vertex AI, and what becomes of it.
_UNMAPPED = {
    "parameter_server_count": "the algorithm is not distributed",
    "evaluator_count": "the algorithm is not distributed",
    "runtime_version": "the image has its own TensorFlow",
    "python_version": "the image has its own Python",
    "package_uris": "the image has the trainer",
    "python_module": "the image has the trainer",
    "use_chief_in_tf_config": "Vertex AI says chief always",
}


@dataclasses.dataclass(frozen=True)
class VertexJob:
    """A job for Vertex AI.

    Attributes:
        display_name: Its name there.
        is_tuning: True for a HyperparameterTuningJob, else it is a CustomJob.
        content: What gcloud's --config takes: a CustomJobSpec, or a
            HyperparameterTuningJob.
        labels: Of the job.
        kms_key_name: Key of the owner's; empty for Google's.
        notes: What could not be mapped, or was changed.
    """

    display_name: str
    is_tuning: bool
    content: Mapping[str, Any]
    labels: Mapping[str, str]
    kms_key_name: str
    notes: Sequence[str]

    @property
    def resource(self) -> Mapping[str, Any]:
        """The whole CustomJob or HyperparameterTuningJob."""
        key = {"kmsKeyName": self.kms_key_name}
        own = {
            "displayName": self.display_name,
            **({"labels": dict(self.labels)} if self.labels else {}),
            **({"encryptionSpec": key} if self.kms_key_name else {}),
        }
        return {
            **own,
            **(self.content if self.is_tuning else {"jobSpec": self.content}),
        }


def build(
    display_name: str, description: Description, train: config.TrainConfig
) -> VertexJob:
    """Maps a job.

    Args:
        display_name: Its name on Vertex AI.
        description: What it was asked to do.
        train: What its training flags say.

    Raises:
        ConfigError: If Vertex AI could not run it; a line for each reason.
    """
    if problems := [*_problems(description, train)]:
        raise errors.ConfigError("\n".join(problems))
    given = description.training_input
    machine, notes = machines.find_machine(given)
    job_spec = _build_job_spec(description, machine, train)
    tuned = given.hyperparameters
    return VertexJob(
        display_name=display_name,
        is_tuning=tuned is not None,
        content=_build_tuning(display_name, tuned, job_spec) if tuned else job_spec,
        labels=description.labels,
        kms_key_name=given.encryption_config.kms_key_name
        if given.encryption_config
        else "",
        notes=[*notes, *_describe_unmapped(given)],
    )


def _problems(description: Description, train: config.TrainConfig) -> Iterator[str]:
    if not description.image:
        yield (
            "--master-image-uri must be this trainer's image in a registry that Vertex "
            "AI can read, such as us-docker.pkg.dev/PROJECT/REPOSITORY/trainer; the "
            "algorithm's own is gone."
        )
    if not storage.is_gs(train.job_dir):
        yield f"--job-dir must be on gs:// for Vertex AI, got {train.job_dir}."
    for flag in (
        "training_data_path",
        "validation_data_path",
        "pretrained_checkpoint_path",
        "hub_handle",
    ):
        path = getattr(train, flag)
        is_model = flag in ("pretrained_checkpoint_path", "hub_handle")
        is_address = is_model and path.startswith(("https://", "http://"))
        is_named = path in ("", config.IMAGENET) or is_address
        if not is_named and not storage.takes_whole_files(path):
            yield f"--{flag} must be on gs:// for Vertex AI, got {path}."


def _build_job_spec(
    description: Description, machine: machines.Machine, train: config.TrainConfig
) -> dict[str, Any]:
    """A CustomJobSpec."""
    given = description.training_input
    scheduling = given.scheduling
    found = {
        "workerPoolSpecs": [_build_pool(description, machine)],
        "scheduling": _given(timeout=scheduling.max_running_time if scheduling else ""),
        "serviceAccount": given.service_account,
        "network": given.network,
        "enableWebAccess": given.enable_web_access,
        "baseOutputDirectory": {"outputUriPrefix": train.job_dir},
    }
    return _given(**found)


def _build_pool(description: Description, machine: machines.Machine) -> dict[str, Any]:
    given = description.training_input
    master = given.master_config
    assert master is not None
    disk = master.disk_config
    return _given(
        machineSpec=_given(
            machineType=machine.machine_type,
            acceleratorType=machine.accelerator,
            acceleratorCount=machine.num_accelerators,
        ),
        replicaCount=1,
        diskSpec=_given(
            bootDiskType=disk.boot_disk_type, bootDiskSizeGb=disk.boot_disk_size_gb
        )
        if disk
        else None,
        containerSpec=_given(
            imageUri=description.image,
            command=list(master.container_command),
            args=[*master.container_args, *given.args],
        ),
    )


def _build_tuning(
    display_name: str, tuned: spec.HyperparameterSpec, job_spec: Mapping[str, Any]
) -> dict[str, Any]:
    """A HyperparameterTuningJob."""
    algorithm = tuned.algorithm
    has_default = algorithm == spec.HyperparameterSpec().algorithm
    return _given(
        displayName=display_name,
        maxTrialCount=tuned.max_trials,
        parallelTrialCount=tuned.max_parallel_trials,
        maxFailedTrialCount=tuned.max_failed_trials,
        studySpec=_given(
            metrics=[{"metricId": tuned.hyperparameter_metric_tag, "goal": tuned.goal}],
            parameters=[_build_parameter(param) for param in tuned.params],
            algorithm="" if has_default else algorithm,
            medianAutomatedStoppingSpec={"useElapsedDuration": False}
            if tuned.enable_trial_early_stopping
            else None,
        ),
        trialJobSpec=dict(job_spec),
    )


def _build_parameter(param: ParameterSpec) -> dict[str, Any]:
    return _given(
        parameterId=param.parameter_name,
        scaleType="" if param.scale_type == NO_SCALE else param.scale_type,
        **_build_values(param),
    )


def _build_values(param: ParameterSpec) -> dict[str, Any]:
    if param.type == "CATEGORICAL":
        return {"categoricalValueSpec": {"values": list(param.categorical_values)}}
    if param.type == "DISCRETE":
        return {"discreteValueSpec": {"values": list(param.discrete_values)}}
    if param.type == "INTEGER":
        ends = {"minValue": int(param.low), "maxValue": int(param.high)}
        return {"integerValueSpec": ends}
    return {"doubleValueSpec": {"minValue": param.low, "maxValue": param.high}}


def _describe_unmapped(given: spec.TrainingInput) -> Iterator[str]:
    for name, reason in _UNMAPPED.items():
        if value := getattr(given, name):
            yield f"{spell(name)} {value} is left out: {reason}."
    if given.worker_count and not given.has_tpu:
        yield (
            f"workerCount {given.worker_count} is left out: the algorithm is not "
            "distributed."
        )
    scheduling = given.scheduling
    if scheduling and (scheduling.max_wait_time or scheduling.priority):
        yield "scheduling.maxWaitTime and priority are left out: jobs do not queue so."
    tuned = given.hyperparameters
    if tuned and tuned.resume_previous_job_id:
        yield (
            f"resumePreviousJobId {tuned.resume_previous_job_id} is left out: a "
            "Vertex AI job does not go on with another one's trials."
        )


def _given(**values: Any) -> dict[str, Any]:
    """Without what is empty, which Vertex AI has a default for."""
    return {name: value for name, value in values.items() if value}
