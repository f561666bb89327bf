"""The stages of a conversion as an Apache Beam pipeline."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from trainer import config, storage
from trainer.data import (
    beam_runner,
    examine,
    parts,
    progress,
    row_lists,
    shards,
    workers,
)
from trainer.data.stages import Stages


def build(stages: Stages, work_dir: str, job: config.ConvertConfig) -> Any:
    """Builds the pipeline of a conversion.

    Args:
        stages: What to do.
        work_dir: Has the lists of rows by the time that the pipeline runs.
        job: Says where to do it.

    Returns:
        A pipeline for `beam_runner.run`.
    """
    return beam_runner.build(job, lambda start: _connect(start, stages, work_dir))


def _connect(pipeline: Any, stages: Stages, work_dir: str) -> None:
    """Adds the stages to a pipeline."""
    import apache_beam as beam

    examined = (
        pipeline
        | "Folder" >> beam.Create([work_dir])
        | "Lists" >> beam.FlatMap(row_lists.find)
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
