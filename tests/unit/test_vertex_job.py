import dataclasses

import pytest

from tests import tuning
from trainer import config, errors, flags
from trainer.jobs import described_job, to_vertex, vertex_job

IMAGE = "us-docker.pkg.dev/p/r/trainer"
FLAGS = (
    "--training_data_path=gs://b/train-*",
    "--validation_data_path=/gcs/b/validation-*",
    "--job-dir=gs://b/out",
    "--num_classes=5",
    "--max_steps=30",
)
ALL = """\
trainingInput:
  scaleTier: CUSTOM
  masterType: complex_model_m_v100
  masterConfig:
    containerArgs: [train]
    diskConfig: {bootDiskType: pd-ssd, bootDiskSizeGb: 200}
  workerCount: 2
  runtimeVersion: "1.15"
  pythonVersion: "3.7"
  network: projects/1/global/networks/a
  serviceAccount: me@example.com
  enableWebAccess: true
  encryptionConfig: {kmsKeyName: projects/p/key}
  scheduling: {maxRunningTime: 3600s, priority: 3}
  hyperparameters:
    goal: MINIMIZE
    hyperparameterMetricTag: top_1_accuracy
    maxTrials: 9
    maxFailedTrials: 2
    algorithm: RANDOM_SEARCH
    resumePreviousJobId: before
    params:
    - {parameterName: weight_decay, type: DISCRETE, discreteValues: [0.1, 0.2]}
    - {parameterName: optimizer_type, type: CATEGORICAL, categoricalValues: [adam]}
    - {parameterName: train_batch_size, type: INTEGER, minValue: 8, maxValue: 64,
       scaleType: UNIT_LINEAR_SCALE}
    - {parameterName: label_smoothing, type: DOUBLE, minValue: 0, maxValue: 0.5}
"""


def build(path=None, image=IMAGE, given=FLAGS, **more):
    job = config.ToVertexConfig(
        job_id="flowers",
        config=str(path or ""),
        master_image_uri=image,
        training_flags=given,
        labels="a=b",
        **more,
    )
    train = flags.parse(given, config.TrainConfig)
    return vertex_job.build("flowers", described_job.join(job), train)


@pytest.fixture
def everything(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(ALL)
    return build(path)


def parse(job):
    """The client's own message, which refuses keys and enums that it lacks."""
    aiplatform = pytest.importorskip(
        "google.cloud.aiplatform_v1", reason="needs the extra vertex"
    )
    from google.protobuf import json_format

    message = (
        aiplatform.HyperparameterTuningJob()
        if job.is_tuning
        else aiplatform.CustomJob()
    )
    json_format.ParseDict(dict(job.resource), message._pb)
    return message


def test_a_job_becomes_a_custom_job():
    job = build(scale_tier="basic-gpu")
    assert job.content == {
        "workerPoolSpecs": [
            {
                "machineSpec": {
                    "machineType": "n1-standard-8",
                    "acceleratorType": "NVIDIA_TESLA_T4",
                    "acceleratorCount": 1,
                },
                "replicaCount": 1,
                "containerSpec": {"imageUri": IMAGE, "args": list(FLAGS)},
            }
        ],
        "baseOutputDirectory": {"outputUriPrefix": "gs://b/out"},
    }
    assert job.resource["displayName"] == "flowers"
    assert job.resource["labels"] == {"a": "b"}


def test_the_guides_config_becomes_a_tuning_job(tmp_path):
    job = build(tuning.write_config(tmp_path))
    assert job.content["maxTrialCount"] == 6
    assert job.content["parallelTrialCount"] == 3
    assert job.content["studySpec"] == {
        "metrics": [{"metricId": "top_1_accuracy", "goal": "MAXIMIZE"}],
        "parameters": [
            {
                "parameterId": "initial_learning_rate",
                "scaleType": "UNIT_LOG_SCALE",
                "doubleValueSpec": {"minValue": 0.001, "maxValue": 0.2},
            }
        ],
        "medianAutomatedStoppingSpec": {"useElapsedDuration": False},
    }
    assert [note.partition(" has no")[0] for note in job.notes] == ["TPU_V2 x 8"]


def test_all_that_can_be_mapped_is(everything):
    trial = everything.content["trialJobSpec"]
    (pool,) = trial["workerPoolSpecs"]
    assert pool["diskSpec"] == {"bootDiskType": "pd-ssd", "bootDiskSizeGb": 200}
    assert pool["containerSpec"]["args"] == ["train", *FLAGS]
    assert trial["scheduling"] == {"timeout": "3600s"}
    assert trial["serviceAccount"] == "me@example.com"
    assert trial["network"] == "projects/1/global/networks/a"
    assert trial["enableWebAccess"] is True
    assert everything.resource["encryptionSpec"] == {"kmsKeyName": "projects/p/key"}
    assert everything.content["maxFailedTrialCount"] == 2
    study = everything.content["studySpec"]
    assert study["algorithm"] == "RANDOM_SEARCH"
    assert study["metrics"][0]["goal"] == "MINIMIZE"
    assert study["parameters"] == [
        {"parameterId": "weight_decay", "discreteValueSpec": {"values": [0.1, 0.2]}},
        {"parameterId": "optimizer_type", "categoricalValueSpec": {"values": ["adam"]}},
        {
            "parameterId": "train_batch_size",
            "scaleType": "UNIT_LINEAR_SCALE",
            "integerValueSpec": {"minValue": 8, "maxValue": 64},
        },
        {
            "parameterId": "label_smoothing",
            "doubleValueSpec": {"minValue": 0.0, "maxValue": 0.5},
        },
    ]


def test_what_can_not_be_mapped_is_said(everything):
    notes = "\n".join(everything.notes)
    for words in (
        "NVIDIA_TESLA_V100 x 4: the trainer uses one GPU",
        "runtimeVersion 1.15 is left out",
        "pythonVersion 3.7 is left out",
        "workerCount 2 is left out",
        "priority are left out",
        "resumePreviousJobId before is left out",
    ):
        assert words in notes


def test_the_client_takes_a_custom_job():
    message = parse(build())
    assert message.display_name == "flowers"
    (pool,) = message.job_spec.worker_pool_specs
    assert pool.machine_spec.machine_type == "n1-standard-4"
    assert list(pool.container_spec.args) == list(FLAGS)


def test_the_client_takes_a_tuning_job(everything):
    message = parse(everything)
    (metric,) = message.study_spec.metrics
    assert (metric.metric_id, metric.goal.name) == ("top_1_accuracy", "MINIMIZE")
    scales = [one.scale_type.name for one in message.study_spec.parameters]
    assert scales[2] == "UNIT_LINEAR_SCALE"
    assert message.trial_job_spec.scheduling.timeout.total_seconds() == 3600
    pool = message.trial_job_spec.worker_pool_specs[0]
    assert pool.machine_spec.accelerator_type.name == "NVIDIA_TESLA_V100"


def test_the_guides_config_is_taken_by_the_client(tmp_path):
    message = parse(build(tuning.write_config(tmp_path)))
    assert message.study_spec.parameters[0].scale_type.name == "UNIT_LOG_SCALE"
    assert message.study_spec.median_automated_stopping_spec is not None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"image": ""}, "--master-image-uri must be this trainer's image"),
        ({"image": "gcr.io/cloud-ml-algos/image_classification"}, "own is gone"),
        ({"given": (*FLAGS, "--job-dir=out")}, "--job-dir must be on gs://.*got out"),
        (
            {"given": (*FLAGS, "--training_data_path=data/t*")},
            r"--training_data_path must be on gs://.*got data/t\*",
        ),
        (
            {"given": (*FLAGS, "--model_type=hub", "--hub_handle=vector")},
            "--hub_handle must be on gs://.*got vector",
        ),
    ],
)
def test_what_vertex_could_not_run_is_refused(changes, expected):
    with pytest.raises(errors.ConfigError, match=expected):
        build(**changes)


def test_a_saved_model_may_have_an_address():
    given = (*FLAGS, "--model_type=hub", "--hub_handle=https://tfhub.dev/google/x/1")
    assert build(given=given)


def test_the_page_starts_with_the_command_that_takes_it(everything):
    text = to_vertex.format_job(everything, "us-central1")
    assert text.startswith(
        "# gcloud ai hp-tuning-jobs create --region=us-central1 "
        "--display-name=flowers --labels=a=b --kms-key=projects/p/key --config=FILE\n"
    )
    plain = dataclasses.replace(everything, is_tuning=False, labels={}, kms_key_name="")
    text = to_vertex.format_job(plain, "us-central1")
    assert text.startswith(
        "# gcloud ai custom-jobs create --region=us-central1 --display-name=flowers "
        "--config=FILE\n"
    )
