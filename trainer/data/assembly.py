"""From the outcomes of all parts to shards, and one summary for the driver."""

import dataclasses
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from trainer import storage
from trainer.data import parts, report, shards

SUMMARY = "summary.json"


class Summary(NamedTuple):
    """What came of all parts.

    `messages` has a sentence for each bad image, in the order of the records.
    """

    messages: list[str]
    written: dict[str, report.Written]


@dataclasses.dataclass(frozen=True)
class PlanShards:
    """The stage from the keys of all parts to the shards to cut from them.

    Leaves a summary in `work_dir`. After a bad image that is not to be skipped, or
    without an image in every split, there are no shards. `in_place_dir` is the
    output folder if shards are written there directly, else empty.
    """

    work_dir: str
    splits: Sequence[str]
    labels: Sequence[str]
    skip_bad: bool
    max_bytes: int
    in_place_dir: str

    def __call__(self, keys: Iterable[parts.PartKey]) -> Iterator[shards.Shard]:
        """Plans, and yields the shards of all splits."""
        ordered = sorted(keys, key=lambda key: (self.splits.index(key[0]), key[1]))
        summary = Summary([], {})
        planned: list[shards.Shard] = []
        for split in self.splits:
            classes: Counter[str] = Counter()
            cut = shards.plan_shards(
                split,
                self._read(
                    [key for key in ordered if key[0] == split], summary, classes
                ),
                max_bytes=self.max_bytes,
            )
            counts = {shard.name: shard.num_records for shard in cut}
            by_label = {label: classes[label] for label in self.labels}
            summary.written[split] = report.Written(counts, by_label)
            planned += cut
        storage.write_text(os.path.join(self.work_dir, SUMMARY), json.dumps(summary))
        is_whole = all(part.shards for part in summary.written.values())
        if is_whole and (self.skip_bad or not summary.messages):
            if self.in_place_dir:
                names = [*(shard.name for shard in planned), shards.LABELS]
                shards.begin_publishing(self.in_place_dir, names)
            yield from planned

    def _read(
        self, keys: Sequence[parts.PartKey], summary: Summary, classes: Counter[str]
    ) -> Iterator[tuple[str, Sequence[int]]]:
        """Yields each part's file and record sizes; adds up all else."""
        for key in keys:
            outcome = parts.read_outcome(self.work_dir, key)
            summary.messages.extend(outcome.messages)
            classes.update(outcome.classes)
            yield parts.part_path(self.work_dir, key), outcome.sizes


def read_summary(work_dir: str, splits: Iterable[str]) -> Summary:
    """Reads what came of all parts; there is none if there was no image at all."""
    text = storage.read_text(os.path.join(work_dir, SUMMARY))
    if text is None:
        return Summary([], {split: report.Written({}, {}) for split in splits})
    messages, written = json.loads(text)
    return Summary(
        messages,
        {split: report.Written(*part) for split, part in written.items()},
    )
