"""The stages of a conversion, in order, without a word of who runs them where.

    lists of rows -> examine -> (all rows of a part) write_part
                  -> (all parts) plan -> (each shard) assemble

What passes between stages is small: image bytes go from file to part to shard.
"""

from typing import NamedTuple

from trainer import config
from trainer.config.lists import parse_split
from trainer.data import assembly, examine, parts, report

BYTES_PER_MB = 1_000_000


class Stages(NamedTuple):
    """Each stage, ready to be sent to a worker; shards go to `staging_dir`."""

    examine: examine.Examine
    write_part: parts.WritePart
    plan: assembly.PlanShards
    staging_dir: str


def build(
    job: config.ConvertConfig, source: report.Source, *, work_dir: str, staging_dir: str
) -> Stages:
    """Makes the stages of one run.

    Args:
        job: What to convert.
        source: Its labels and splits.
        work_dir: For files that stages pass to each other.
        staging_dir: For the shards; the output folder itself where workers are on
            other machines.
    """
    numbers = {label: number for number, label in enumerate(source.labels, start=1)}
    return Stages(
        examine.Examine(parse_split(job.split)),
        parts.WritePart(work_dir, numbers, job.skip_bad, job.max_shorter_side),
        assembly.PlanShards(
            work_dir,
            list(source.splits),
            source.labels,
            job.skip_bad,
            job.shard_mb * BYTES_PER_MB,
            in_place_dir=staging_dir if staging_dir == job.output_dir else "",
        ),
        staging_dir,
    )
