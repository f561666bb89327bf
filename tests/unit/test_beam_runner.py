import gc
import logging
import os
import subprocess
import sys
import warnings

import apache_beam as beam
import pytest
from apache_beam.options import pipeline_options
from apache_beam.runners.portability.fn_api_runner import fn_runner

from trainer import config, errors
from trainer.config.beam import DATAFLOW_RUNNER
from trainer.data import beam_runner, progress

LOCAL = config.ConvertConfig(images_dir="photos", output_dir="out")
DATAFLOW = config.ConvertConfig(
    images_dir="photos",
    output_dir="gs://bucket/out",
    runner=DATAFLOW_RUNNER,
    project_id="my-project",
    region="us-central1",
    temp_location="gs://bucket/temp",
)


class Failing:
    """A stage that fails with the error that it was given."""

    def __init__(self, error):
        self.error = error

    def __call__(self, *_):
        raise self.error


def work(element, stage):
    with progress.CURRENT.working():
        return stage(element)


def run(stage):
    progress.CURRENT.reset("convert")
    beam_runner.run(
        beam_runner.build(
            LOCAL, lambda start: start | beam.Create([1]) | beam.Map(work, stage)
        )
    )


def test_import_is_left_to_the_conversion_that_starts():
    code = (
        "import sys, trainer.task, trainer.data.convert;"
        "print({'apache_beam', 'tensorflow'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_garbage_collector_goes_on_after_the_import():
    beam_runner.check_installed(LOCAL, "convert")
    assert gc.isenabled()


def test_missing_beam_names_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(
        errors.ConfigError,
        match=r"pip install 'image-classification-trainer\[beam\]'\.$",
    ):
        beam_runner.check_installed(LOCAL, "convert")


def test_missing_google_clients_name_the_command_that_installs_them(monkeypatch):
    name = "apache_beam.runners.dataflow.internal.apiclient"
    monkeypatch.setitem(sys.modules, name, None)
    beam_runner.check_installed(LOCAL, "convert")
    with pytest.raises(errors.ConfigError, match=r"run pip install 'apache-beam\[gcp"):
        beam_runner.check_installed(DATAFLOW, "convert")


def test_beam_never_chooses_a_local_runner_by_itself():
    # Beam's own DirectRunner downloads and starts Prism where it can.
    assert type(beam_runner._build_runner(LOCAL)) is fn_runner.FnApiRunner


def test_all_processors_work_in_threads(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(7)))
    options = beam_runner._build_options(LOCAL)
    direct = options.view_as(pipeline_options.DirectOptions)
    assert direct.direct_running_mode == "in_memory"
    assert direct.direct_num_workers == 7


def test_flags_of_dataflow_reach_beam():
    assert beam_runner._build_runner(DATAFLOW) == "DataflowRunner"
    options = beam_runner._build_options(DATAFLOW).get_all_options()
    assert {name: options[name] for name in ("project", "region", "temp_location")} == {
        "project": "my-project",
        "region": "us-central1",
        "temp_location": "gs://bucket/temp",
    }
    assert options["setup_file"].endswith("/setup.py")


def test_error_for_the_user_comes_out_of_a_worker_as_it_is():
    error = errors.StorageError("the disk is full")
    with pytest.raises(errors.StorageError, match=r"^the disk is full$"):
        run(Failing(error))


def test_bug_in_a_worker_is_no_error_of_the_user():
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        run(Failing(ZeroDivisionError("division by zero")))
    assert progress.CURRENT.stop.is_set()


def test_beam_is_silent_and_warnings_are_as_before(caplog):
    caplog.set_level(logging.INFO)
    before = list(warnings.filters)
    with pytest.raises(errors.DataError):
        run(Failing(errors.DataError("bad")))
    assert warnings.filters == before
    assert not caplog.records
