import subprocess
import sys

import pytest

from trainer import errors
from trainer.jobs import work_dir


def test_it_is_in_the_job_dir_where_files_can_grow(tmp_path):
    assert work_dir.find_work_dir(str(tmp_path)) == str(tmp_path / "tuning")


@pytest.mark.parametrize("job_dir", ["gs://bucket/job", "/gcs/bucket/job"])
def test_elsewhere_it_is_in_the_temporary_folder_one_a_job(job_dir):
    found = work_dir.find_work_dir(job_dir)
    assert "image-classification-tuning-" in found
    assert found == work_dir.find_work_dir(job_dir)
    assert found != work_dir.find_work_dir(job_dir + "2")


def test_a_second_tuner_is_refused(tmp_path):
    work = str(tmp_path)
    with (
        work_dir.claimed(work, "jobs/a"),
        pytest.raises(errors.ConfigError, match="--job-dir=jobs/a is being tuned by"),
        work_dir.claimed(work, "jobs/a"),
    ):
        pass
    with work_dir.claimed(work, "jobs/a"):
        pass


@pytest.fixture
def orphan(tmp_path):
    """A process that holds what a trial does, after its tuner's end."""
    with work_dir.claimed(str(tmp_path), "jobs/a") as lock:
        process = subprocess.Popen(
            [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[lock]
        )
    with process:
        yield process


def test_trials_that_were_left_behind_are_waited_for(tmp_path, orphan, monkeypatch):
    monkeypatch.setattr(work_dir, "ORPHAN_SECS", 0.0)
    with (
        pytest.raises(errors.ConfigError, match="trials of a tuner that was killed"),
        work_dir.claimed(str(tmp_path), "jobs/a"),
    ):
        pass
    orphan.communicate(b"\n")
    with work_dir.claimed(str(tmp_path), "jobs/a"):
        pass


def test_a_folder_that_can_not_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(errors.StorageError, match="can't be written"),
        work_dir.claimed(str(tmp_path / "file" / "tuning"), "jobs/a"),
    ):
        pass
