import os
import shutil

import pytest

from tests import finished_jobs, pictures, saved_models
from trainer import errors
from trainer.report import job_record, validation


def validate(layout):
    return validation.validate(job_record.read_job(layout))


def test_the_model_on_disk_is_scored_on_the_images_of_the_job(finished_job):
    found = validate(finished_job)
    assert (found.scores.count, found.scores.num_right) == (7, 6)
    assert found.names == ["red", "green", "blue"]
    (one,) = found.worst
    assert (one.mistake.true, one.mistake.predicted, one.mistake.record) == (2, 1, 7)
    assert one.name.endswith("/validation-0, record 7")
    assert "are 32 pixels wide and 32 pixels high" in found.pictures


def test_it_takes_the_images_that_num_eval_images_takes(finished_job):
    finished_jobs.change_flags(finished_job, num_eval_images=4)
    # Records 0, 2, 4 and 6, of which 2 does not decode.
    found = validate(finished_job)
    assert [one.support for one in found.scores.classes] == [2, 0, 1]


def test_another_model_in_its_place_is_refused(finished_job, tmp_path):
    shutil.rmtree(finished_job.model_dirs[0])
    saved_models.write(tmp_path / "job" / "model", num_classes=4, labels=None)
    with pytest.raises(errors.DataError, match=r"has 4 classes, expected 3 as the job"):
        validate(finished_job)


def test_data_without_a_good_record_is_named(finished_job, tmp_path):
    path = tmp_path / "data" / "validation-0"
    pictures.write_records(path, [pictures.example(b"no picture", 1)])
    with pytest.raises(errors.DataError, match="has no record that can be used"):
        validate(finished_job)


def test_data_that_is_gone_is_named(finished_job, tmp_path):
    os.remove(tmp_path / "data" / "validation-0")
    with pytest.raises(errors.StorageError, match=r"--validation_data_path=.* matches"):
        validate(finished_job)
