import pytest

from tests import tuning
from trainer import config, errors
from trainer.jobs import described_job

BUILT_IN = "gcr.io/cloud-ml-algos/image_classification:latest"


def join(**given):
    return described_job.join(config.SubmitConfig(job_id="one", **given))


def test_flags_count_more_than_the_file(tmp_path):
    path = tuning.write_config(tmp_path)
    found = join(
        config=str(path),
        region="us-central1",
        master_image_uri="mine",
        master_machine_type="standard_v100",
        master_accelerator="type=nvidia-tesla-t4,count=2",
        service_account="me@example.com",
        job_dir="gs://b/out",
        labels="a=b",
        training_flags=("--num_classes=5",),
    )
    given = found.training_input
    assert (given.region, given.master_type) == ("us-central1", "standard_v100")
    assert given.worker_type == "cloud_tpu"
    assert given.master_config.image_uri == found.image == "mine"
    accelerator = given.master_config.accelerator_config
    assert (accelerator.type, accelerator.count) == ("NVIDIA_TESLA_T4", 2)
    assert given.service_account == "me@example.com"
    assert found.labels == {"a": "b"}
    assert found.flags == ("--job-dir=gs://b/out", "--num_classes=5")
    assert found.is_tuning


def test_args_of_the_file_come_first(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        "labels:\n  a: file\n  c: d\ntrainingInput:\n  jobDir: in\n  args: [--x=1]\n"
    )
    found = join(config=str(path), labels="a=flag", training_flags=("--x=2",))
    assert found.flags == ("--job-dir=in", "--x=1", "--x=2")
    assert found.labels == {"a": "flag", "c": "d"}
    assert not found.is_tuning


def test_the_algorithms_own_image_is_this_trainer():
    assert join(master_image_uri=BUILT_IN).image == ""
    assert join().image == ""


def test_scale_tiers_are_written_as_gcloud_does():
    found = join(scale_tier="basic-gpu").training_input
    assert found.scale_tier == "BASIC_GPU"


def test_a_combination_that_can_not_work_is_refused():
    with pytest.raises(errors.ConfigError, match="scaleTier CUSTOM needs masterType"):
        join(scale_tier="custom")


def test_an_unknown_accelerator_is_named():
    with pytest.raises(errors.ConfigError, match="type=nvidia-b7; expected one of"):
        join(master_accelerator="type=nvidia-b7")
