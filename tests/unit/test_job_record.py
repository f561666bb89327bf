import pytest

from tests import finished_jobs
from trainer import errors, storage
from trainer.report import job_record


def test_a_job_is_what_it_wrote_down(finished_job):
    job = job_record.read_job(finished_job)
    assert job.config.model_type == "resnet-18"
    assert job.config.resolved_eval_batch_size == 32
    assert job.resolved["label_offset"] == 1
    assert job.best["step"] == 20
    assert job.model_dir == f"{finished_job.job_dir}/model"


def test_speed_and_waiting_are_of_the_time_of_training(finished_job):
    job = job_record.read_job(finished_job)
    assert (job.num_steps, job.train_secs, job.eval_secs) == (20, 40, 4)
    assert job.images_per_second == pytest.approx(20 * 32 / 40)
    assert job.wait_share == pytest.approx(0.25)


def test_a_job_without_a_curve_has_no_speed(finished_job):
    storage.remove_files([finished_job.curve_path])
    job = job_record.read_job(finished_job)
    assert (job.images_per_second, job.wait_share, job.num_steps) == (None, None, 0)


def test_flags_of_another_version_are_left_out(finished_job):
    finished_jobs.change_flags(finished_job, sharpness=3)
    assert job_record.read_job(finished_job).config.num_classes == 3


def test_a_folder_without_a_job_is_named(tmp_path):
    layout = job_record.JobLayout(str(tmp_path))
    with pytest.raises(errors.StorageError, match=r"--job-dir=.* has no metrics.json"):
        job_record.read_job(layout)


@pytest.mark.parametrize("text", ["{", "[]", '{"flags": {}}', '{"flags": 3}'])
def test_another_file_in_its_place_is_named(finished_job, text):
    storage.write_text(finished_job.metrics_path, text)
    with pytest.raises(errors.DataError, match=r"metrics.json or .* is not what a job"):
        job_record.read_job(finished_job)


def test_a_damaged_curve_is_named(finished_job):
    storage.write_text(finished_job.curve_path, '{"step": 3}\n')
    with pytest.raises(errors.DataError, match=r"training.jsonl is not what a job"):
        job_record.read_job(finished_job)
