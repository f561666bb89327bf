"""The stages of a conversion as an Apache Beam pipeline; the one user of Beam.

Beam is an extra, and takes a second to import: only a conversion that starts does.
"""

import contextlib
import logging
import pathlib
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from trainer import config, environment, errors, storage
from trainer.config.convert import DATAFLOW_RUNNER
from trainer.data import examine, parts, progress, row_lists, shards, workers
from trainer.data.stages import Stages

INSTALL_BEAM = "pip install 'image-classification-trainer[beam]'"
INSTALL_DATAFLOW = "pip install 'apache-beam[gcp]==2.77.0'"
# Installs this package on Dataflow's machines.
SETUP_FILE = pathlib.Path(__file__).resolve().parents[2] / "setup.py"


def check_installed(job: config.ConvertConfig) -> None:
    """Checks that Beam and its runner can be imported.

    Raises:
        ConfigError: If not, with the command that installs what is missing.
    """
    with _quiet_import():
        try:
            import apache_beam
        except ImportError as error:
            raise errors.ConfigError(
                f"convert needs Apache Beam, found none ({error}); run {INSTALL_BEAM}."
            ) from error
        if job.runner != DATAFLOW_RUNNER:
            return
        try:
            import apache_beam.runners.dataflow.internal.apiclient  # noqa: F401
        except ImportError as error:
            raise errors.ConfigError(
                f"--runner={DATAFLOW_RUNNER} needs Google Cloud's clients, found none "
                f"({error}); run {INSTALL_DATAFLOW}."
            ) from error


def run(stages: Stages, list_paths: Sequence[str], job: config.ConvertConfig) -> None:
    """Runs the stages to their end.

    Args:
        stages: What to do.
        list_paths: Files with rows.
        job: Says where to do it.
    """
    with _quiet_import():
        import apache_beam as beam
    # What a worker meets is said by this package; Dataflow says where its page is.
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    logging.getLogger("apache_beam.runners.dataflow").setLevel(logging.INFO)
    pipeline = beam.Pipeline(runner=_build_runner(job), options=_build_options(job))
    _connect(pipeline, stages, list_paths)
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


def _connect(pipeline: Any, stages: Stages, list_paths: Sequence[str]) -> None:
    """Adds the stages to a pipeline."""
    import apache_beam as beam

    examined = (
        pipeline
        | "Lists" >> beam.Create(list(list_paths))
        | "Share lists" >> beam.Reshuffle()
        | "Examine" >> beam.Map(_examine, stages.examine)
    )
    split_bytes = (
        examined
        | "Bytes" >> beam.FlatMap(_take_bytes)
        | "Bytes of splits" >> beam.CombinePerKey(sum)
    )
    (
        examined
        | "Find parts" >> beam.FlatMap(_find_parts, beam.pvalue.AsDict(split_bytes))
        | "Spans of parts" >> beam.GroupByKey()
        | "Write parts" >> beam.FlatMap(_write_part, stages.write_part)
        | "All parts" >> beam.GroupByKey()
        | "Plan shards" >> beam.FlatMap(_plan, stages.plan)
        | "Share shards" >> beam.Reshuffle()
        | "Assemble shards" >> beam.Map(_assemble, stages.staging_dir)
    )


def _examine(list_path: str, stage: Any) -> examine.Examined:
    with progress.CURRENT.working():
        examined = workers.CURRENT.call(stage, list_path)
    for split, count in examined.num_images.items():
        progress.CURRENT.advance(progress.EXAMINE, count)
        progress.CURRENT.expect(split, count)
    return examined


def _take_bytes(examined: examine.Examined) -> Iterable[tuple[str, int]]:
    return examined.num_bytes.items()


def _find_parts(
    examined: examine.Examined, split_bytes: Mapping[str, int]
) -> Iterator[tuple[parts.PartKey, row_lists.Rows]]:
    """Yields parts, with where their rows are, or far from the list the rows."""
    list_path = examined.list_path
    with progress.CURRENT.working():
        found = workers.CURRENT.call(parts.find_parts, list_path, dict(split_bytes))
        for key, span in found:
            # Dataflow's shuffle is made for this; here it would fill the memory.
            far = storage.is_gs(list_path)
            yield key, row_lists.read_span(*span) if far else tuple(span)


def _write_part(
    group: tuple[parts.PartKey, Iterable[row_lists.Rows]], stage: Any
) -> Iterator[tuple[int, parts.PartKey]]:
    key, found = group
    if progress.CURRENT.stop.is_set():
        return
    with progress.CURRENT.working():
        num_rows = workers.CURRENT.call(stage, key, list(found))
    progress.CURRENT.advance(key[0], num_rows)
    yield 0, key


def _plan(
    group: tuple[int, Iterable[parts.PartKey]], stage: Any
) -> Iterator[shards.Shard]:
    with progress.CURRENT.working():
        yield from stage(group[1])


def _assemble(shard: shards.Shard, directory: str) -> None:
    with progress.CURRENT.working():
        shards.assemble(shard, directory)


def _build_runner(job: config.ConvertConfig) -> Any:
    if job.runner == DATAFLOW_RUNNER:
        return DATAFLOW_RUNNER
    from apache_beam.runners.portability.fn_api_runner import fn_runner

    # By its class: what Beam calls DirectRunner may first try to download Prism.
    return fn_runner.FnApiRunner()


def _build_options(job: config.ConvertConfig) -> Any:
    from apache_beam.options.pipeline_options import PipelineOptions

    if job.runner == DATAFLOW_RUNNER:
        return PipelineOptions(
            [],
            runner=DATAFLOW_RUNNER,
            project=job.project_id,
            region=job.region,
            temp_location=job.temp_location,
            setup_file=str(SETUP_FILE) if SETUP_FILE.exists() else None,
        )
    # Threads of this process, which wait for those of workers.py
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
