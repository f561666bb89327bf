import pytest

from tests import tuning
from trainer import errors
from trainer.jobs import parameters, spec


def load(tmp_path, text):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return spec.load(str(path))


def problems_of(tmp_path, text):
    with pytest.raises(errors.ConfigError) as caught:
        load(tmp_path, text)
    return str(caught.value).replace(f"{tmp_path}/", "").splitlines()


def test_the_guides_file_is_read_whole(tmp_path):
    found = load(tmp_path, tuning.CONFIG).training_input
    assert (found.scale_tier, found.master_type) == ("CUSTOM", "n1-highmem-16")
    assert (found.worker_type, found.worker_count) == ("cloud_tpu", 1)
    assert found.worker_config.tpu_tf_version == "1.14"
    assert found.worker_config.accelerator_config == spec.AcceleratorConfig("TPU_V2", 8)
    assert found.has_tpu
    assert found.hyperparameters == spec.HyperparameterSpec(
        params=(
            parameters.ParameterSpec(
                "initial_learning_rate",
                "DOUBLE",
                0.001,
                0.2,
                scale_type="UNIT_LOG_SCALE",
            ),
        ),
        hyperparameter_metric_tag="top_1_accuracy",
        max_trials=6,
        max_parallel_trials=3,
        enable_trial_early_stopping=True,
    )


def test_the_rest_of_training_input_is_read_as_well(tmp_path):
    text = """\
jobId: flowers_1
labels: {team: a}
trainingInput:
  args: [--max_steps=5, --num_classes, 3]
  region: us-central1
  jobDir: gs://bucket/job
  runtimeVersion: 2.10
  pythonVersion: "3.7"
  masterConfig:
    containerCommand: [python]
    diskConfig: {bootDiskType: pd-ssd, bootDiskSizeGb: 200}
  scheduling: {maxRunningTime: 3600s, priority: 2}
  serviceAccount: a@b
  useChiefInTfConfig: true
"""
    found = load(tmp_path, text)
    assert (found.job_id, found.labels) == ("flowers_1", {"team": "a"})
    job = found.training_input
    assert job.args == ("--max_steps=5", "--num_classes", "3")
    assert (job.region, job.job_dir) == ("us-central1", "gs://bucket/job")
    assert (job.runtime_version, job.python_version) == ("2.10", "3.7")
    assert job.master_config.container_command == ("python",)
    assert job.master_config.disk_config.boot_disk_size_gb == 200
    assert (job.scheduling.max_running_secs, job.scheduling.priority) == (3600.0, 2)
    assert job.use_chief_in_tf_config
    assert not job.has_tpu


def test_all_that_is_wrong_is_said_with_line_and_nearest_key(tmp_path):
    text = (
        tuning.CONFIG.replace("maxTrials", "maxTrails")
        .replace("minValue: 0.001", "minValue: 0.3")
        .replace("count: 8", "count: eight")
        .replace("TPU_V2", "TPU_V1")
    )
    assert problems_of(tmp_path, text) == [
        "config.yaml, line 12: trainingInput.workerConfig.acceleratorConfig.type must "
        f"be one of {', '.join(spec.ACCELERATORS)}, got TPU_V1; did you mean TPU_V3?",
        "config.yaml, line 13: trainingInput.workerConfig.acceleratorConfig.count must "
        "be an integer, got 'eight'.",
        "config.yaml, line 19: unknown key maxTrails in trainingInput.hyperparameters; "
        "did you mean maxTrials?",
        "config.yaml, line 23: trainingInput.hyperparameters.params[0]: minValue must "
        "be at most maxValue, got 0.3 and 0.2; swap them.",
    ]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "    goal:",
            "    algorithm: GRID_SEARCH\n    goal:",
            "GRID_SEARCH can't take initial_learning_rate, which is DOUBLE; make it",
        ),
        (
            "    params:",
            "    params:\n    - {parameterName: initial_learning_rate, type: DISCRETE, "
            "discreteValues: [1]}",
            "parameterName initial_learning_rate is in params 2 times; keep one.",
        ),
        ("minValue: 0.001", "minValue: 0", "needs values above 0, got 0 as minValue"),
        ("scaleTier: CUSTOM", "scaleTier: BASIC", "masterType needs scaleTier CUSTOM"),
        ("masterType: n1-highmem-16", "", "scaleTier CUSTOM needs masterType; add it."),
        ("maxTrials: 6", "maxTrials: 0", "maxTrials must be 1 or more, got 0."),
        (
            "scaleTier: CUSTOM",
            "scaleTier: CUSTOM\n  scheduling: {maxRunningTime: 2h}",
            "maxRunningTime must be seconds above 0 such as 3600s, got 2h.",
        ),
        ("trainingInput:", "training:", "the file lacks trainingInput; add it."),
    ],
)
def test_what_can_not_work_is_refused(tmp_path, old, new, sentence):
    assert sentence in "\n".join(
        problems_of(tmp_path, tuning.CONFIG.replace(old, new, 1))
    )


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(errors.StorageError, match=r"config\.yaml is not there"):
        spec.load(str(tmp_path / "config.yaml"))


def test_a_file_of_another_size_is_not_parsed(tmp_path):
    (problem,) = problems_of(tmp_path, "#" * 300_000)
    assert "has 300,000 bytes, expected at most 200,000 of YAML" in problem


def test_bytes_that_are_no_text_are_said_in_a_sentence(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_bytes(b"trainingInput: \xff\xfe\n")
    with pytest.raises(errors.ConfigError, match=r"config\.yaml, line 1: "):
        spec.load(str(path))
