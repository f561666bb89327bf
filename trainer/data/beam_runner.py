"""Where an Apache Beam pipeline runs; that it is quiet, and fails in one sentence.

Beam is an extra, and takes a second to import: only a run that starts does.
"""

import contextlib
import logging
import os
import pathlib
import uuid
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from trainer import environment, errors, storage
from trainer.config.beam import DATAFLOW_RUNNER, RunsBeam
from trainer.data import progress

INSTALL_BEAM = "pip install 'image-classification-trainer[beam]'"
INSTALL_DATAFLOW = "pip install 'apache-beam[gcp]==2.77.0'"
# Installs this package on Dataflow's machines.
SETUP_FILE = pathlib.Path(__file__).resolve().parents[2] / "setup.py"


def check_installed(job: RunsBeam, word: str) -> None:
    """Checks that Beam and its runner can be imported.

    Args:
        job: Says which runner.
        word: What needs it, for messages.

    Raises:
        ConfigError: If not, with the command that installs what is missing.
    """
    with _quiet_import(), environment.uncollected():
        try:
            import apache_beam
        except ImportError as error:
            raise errors.ConfigError(
                f"{word} needs Apache Beam, found none ({error}); run {INSTALL_BEAM}."
            ) from error
        if not job.is_on_dataflow:
            return
        try:
            import apache_beam.runners.dataflow.internal.apiclient  # noqa: F401
        except ImportError as error:
            raise errors.ConfigError(
                f"--runner={DATAFLOW_RUNNER} needs Google Cloud's clients, found none "
                f"({error}); run {INSTALL_DATAFLOW}."
            ) from error


@contextlib.contextmanager
def scratch_dirs(
    job: RunsBeam, output_dir: str, word: str
) -> Iterator[tuple[str, str]]:
    """Yields a folder for what stages pass on, and one for what they make.

    Workers on other machines see neither this machine's disk nor each other's, so
    they write what they make into place themselves.

    Args:
        job: Says where the workers are.
        output_dir: Where all goes in the end.
        word: What runs, for names.
    """
    if not job.is_on_dataflow:
        with (
            storage.staging_dir(output_dir) as work_dir,
            storage.staging_dir(output_dir) as staging_dir,
        ):
            yield work_dir, staging_dir
        return
    work_dir = os.path.join(job.temp_location, f"{word}-{uuid.uuid4().hex}")
    try:
        yield work_dir, output_dir
    finally:
        names = storage.list_names(work_dir)
        storage.remove_files([os.path.join(work_dir, name) for name in names])


def build(job: RunsBeam, connect: Callable[[Any], None]) -> Any:
    """Builds a pipeline.

    Args:
        job: Says where it will run.
        connect: Adds the stages to it. What they do in a worker they do in
            `progress.CURRENT.working()`, so that an error for the user gets here.

    Returns:
        A beam.Pipeline.
    """
    with _quiet_import():
        import apache_beam as beam
    # What a worker meets is said by this package; Dataflow says where its page is.
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    logging.getLogger("apache_beam.runners.dataflow").setLevel(logging.INFO)
    pipeline = beam.Pipeline(runner=_build_runner(job), options=_build_options(job))
    connect(pipeline)
    return pipeline


def run(pipeline: Any) -> None:
    """Runs a pipeline to its end.

    Args:
        pipeline: What `build` built.

    Raises:
        JobError: The first that a worker met.
    """
    # In threads Pillow's warnings can't be silenced picture by picture alone.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            pipeline.run().wait_until_finish()
        except BaseException as error:
            progress.CURRENT.halt()
            if progress.CURRENT.error:
                raise progress.CURRENT.error from error
            raise


def _build_runner(job: RunsBeam) -> Any:
    if job.is_on_dataflow:
        return DATAFLOW_RUNNER
    from apache_beam.runners.portability.fn_api_runner import fn_runner

    # By its class: what Beam calls DirectRunner may first try to download Prism.
    return fn_runner.FnApiRunner()


def _build_options(job: RunsBeam) -> Any:
    from apache_beam.options.pipeline_options import PipelineOptions

    if job.is_on_dataflow:
        return PipelineOptions(
            [],
            runner=DATAFLOW_RUNNER,
            project=job.project_id,
            region=job.region,
            temp_location=job.temp_location,
            setup_file=str(SETUP_FILE) if SETUP_FILE.exists() else None,
        )
    # Threads of this process, which convert's wait for those of workers.py
    # (docs/adr/0012-conversion-in-processes.md).
    return PipelineOptions(
        [],
        direct_running_mode="in_memory",
        direct_num_workers=environment.num_cores(),
    )


@contextlib.contextmanager
def _quiet_import() -> Iterator[None]:
    """Holds back what Beam logs about Google's clients that are not installed."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(disabled)
