"""Every knob of `inspect`."""

import dataclasses
from collections.abc import Iterator

from trainer.config.cache import CopiesFiles, cache_dir_knob, cache_gb_knob
from trainer.config.knobs import knob


@dataclasses.dataclass(frozen=True)
class InspectConfig(CopiesFiles):
    """Which data `inspect` reads, and what a job would be told of it."""

    data_path: tuple[str, ...] = knob(
        (),
        "TFRecord files of one split: a path or a glob with *, ? or [1-9]. Give it "
        "once for each split that a job will use, so that pictures which are in two of "
        "them are found.",
        required=True,
    )
    num_classes: int = knob(
        None,
        "Number of classes that the job will be given. Default: the lines of "
        "labels.txt beside the data, else what the labels reach to.",
        minimum=2,
        maximum=1_000_000,
    )
    json: str = knob(
        "",
        "File to write everything to that was found, with complete lists, for "
        "programs.",
    )
    cache_dir: str = cache_dir_knob()
    cache_gb: float = cache_gb_knob()

    def problems(self) -> Iterator[str]:
        """Yields a sentence for each combination of values that can't work."""
        for pattern in sorted(set(self.data_path)):
            if self.data_path.count(pattern) > 1:
                yield f"--data_path={pattern} is given twice; give each split once."
        yield from self.problems_of_cache()
