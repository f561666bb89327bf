import json
import os

import pytest

from trainer import errors
from trainer.jobs import job as jobs
from trainer.jobs import job_folder


@pytest.fixture(autouse=True)
def state_dir(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    return tmp_path


def submit(job_id="one"):
    """A job that this process looks after until it closes the lock."""
    folder = job_folder.JobFolder(job_id)
    lock = folder.claim()
    folder.write(jobs.queue(job_id, labels={}, training_input={"region": "here"}))
    return folder, lock


def test_a_job_is_what_its_supervisor_wrote_as_long_as_that_lives():
    folder, lock = submit()
    assert folder.read()["state"] == jobs.QUEUED
    folder.write(jobs.enter(folder.read(), jobs.RUNNING))
    assert folder.read()["state"] == jobs.RUNNING
    folder.cancel()
    assert folder.read()["state"] == jobs.CANCELLING
    os.close(lock)


def test_a_job_that_nobody_looks_after_has_failed():
    folder, lock = submit()
    os.close(lock)
    found = folder.read()
    assert found["state"] == jobs.FAILED
    assert "was killed" in found["errorMessage"]
    assert folder.read() == found


def test_a_job_that_was_cancelled_and_then_killed_is_cancelled():
    folder, lock = submit()
    folder.cancel()
    os.close(lock)
    assert folder.read()["state"] == jobs.CANCELLED


def test_a_name_is_taken_once():
    _, lock = submit()
    with pytest.raises(errors.ConfigError, match="There is a job one already"):
        job_folder.JobFolder("one").claim()
    os.close(lock)
    with pytest.raises(errors.ConfigError, match="There is a job one already"):
        job_folder.JobFolder("one").claim()


def test_a_name_whose_submission_was_killed_is_free():
    os.close(job_folder.JobFolder("one").claim())
    assert job_folder.read_all() == []
    _, lock = submit()
    os.close(lock)


def test_a_damaged_file_is_named():
    folder, lock = submit()
    os.close(lock)
    path = os.path.join(folder.path, "job.json")
    with open(path, "w") as file:
        file.write("{")
    with pytest.raises(errors.ConfigError, match=r"job\.json is damaged"):
        folder.read()


def test_an_unknown_job_is_named():
    with pytest.raises(errors.ConfigError, match="There is no job one in"):
        job_folder.JobFolder("one").read()


def test_a_state_folder_that_can_not_be_written_is_named(state_dir, monkeypatch):
    (state_dir / "file").touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(state_dir / "file"))
    with pytest.raises(errors.StorageError, match=r"file/image-.*can't be written"):
        job_folder.JobFolder("one").claim()


def test_the_etag_is_another_one_for_other_content():
    job = jobs.queue("one", labels={"a": "b"}, training_input={})
    changed = jobs.enter(job, jobs.FAILED, error="why")
    assert job["etag"] != changed["etag"]
    assert jobs.enter(changed, jobs.FAILED, error="why")["endTime"]
    assert json.loads(json.dumps(changed)) == changed
