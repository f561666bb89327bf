import os
import shutil

import pytest

from trainer import config, errors
from trainer.report import write


def read(layout):
    found = {}
    for name in ("index.html", "model_card.md"):
        with open(os.path.join(layout.report_dir, name)) as file:
            found[name] = file.read()
    return found


def test_the_word_writes_page_and_card(finished_job):
    write.run(config.ReportConfig(job_dir=finished_job.job_dir))
    found = read(finished_job)
    assert sorted(os.listdir(finished_job.report_dir)) == sorted(found)
    assert "<h2>Worst mistakes</h2>" in found["index.html"]
    assert "| top-1 accuracy | 0.8571 |" in found["model_card.md"]


def test_without_the_model_the_rest_is_written(finished_job, caplog):
    shutil.rmtree(finished_job.model_dirs[0])
    write.write_report(finished_job)
    found = read(finished_job)
    assert "has no saved_model.pb" in found["index.html"]
    assert "has no saved_model.pb" in found["model_card.md"]
    # Without labels.txt classes are their numbers.
    assert "classes apart: `1`, `2`, `3`." in found["model_card.md"]
    assert "report | the model can't be scored again: " in caplog.text


def test_without_the_data_names_are_the_models(finished_job):
    shutil.rmtree(os.path.join(os.path.dirname(finished_job.job_dir), "data"))
    write.write_report(finished_job)
    assert "apart: `red`, `green`, `blue`." in read(finished_job)["model_card.md"]


def test_a_job_that_moved_is_reported_where_it_is(finished_job, tmp_path):
    shutil.move(finished_job.job_dir, tmp_path / "moved")
    write.run(config.ReportConfig(job_dir=str(tmp_path / "moved")))
    assert (tmp_path / "moved" / "report" / "index.html").exists()
    assert not os.path.exists(finished_job.job_dir)


def test_a_job_on_gs_is_reported_there(finished_job, bucket):
    bucket.write_dir(finished_job.job_dir, "job")
    write.run(config.ReportConfig(job_dir=f"{bucket.url}/job"))
    assert b"<h2>Worst mistakes</h2>" in bucket.read("job/report/index.html")


def test_no_job_is_an_error_of_its_owner(tmp_path):
    with pytest.raises(errors.StorageError, match=r"has no metrics.json"):
        write.run(config.ReportConfig(job_dir=str(tmp_path)))
    assert os.listdir(tmp_path) == []
