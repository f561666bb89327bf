import os

import pytest

from tests import finished_jobs
from trainer.report import data_facts, job_record


def find(layout):
    return data_facts.find_facts(job_record.read_job(layout))


def test_classes_are_counted_from_what_the_job_remembers(finished_job):
    training, validation = find(finished_job)
    assert training.counts.tolist() == [4, 3, 3]
    # The record that does not decode was not found by the index, its label was.
    assert validation.counts.tolist() == [3, 2, 3]
    assert (training.name, training.num_files, training.problem) == ("training", 1, "")
    assert training.num_bytes > 1000
    assert (training.num_bad, validation.num_bad) == (0, 1)


@pytest.mark.parametrize("offset", [0, 1])
def test_labels_may_count_from_0(finished_job, offset):
    finished_jobs.change(finished_job, resolved={"label_offset": offset})
    expected = {1: [4, 3, 3], 0: [0, 4, 3]}
    assert find(finished_job)[0].counts.tolist() == expected[offset]


def test_files_that_changed_since_are_not_counted(finished_job):
    data_dir = os.path.dirname(finished_job.job_dir) + "/data"
    os.utime(f"{data_dir}/train-0", ns=(0, 0))
    training = find(finished_job)[0]
    assert training.counts is None
    assert "1 of 1 files of --training_data_path changed" in training.problem


def test_files_that_are_gone_are_said(finished_job):
    data_dir = os.path.dirname(finished_job.job_dir) + "/data"
    os.remove(f"{data_dir}/train-0")
    training, validation = find(finished_job)
    assert "matches no file" in training.problem
    assert (training.num_files, training.counts) == (0, None)
    assert validation.problem == ""
