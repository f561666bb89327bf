"""Every knob of `report`."""

import dataclasses
from collections.abc import Iterator

from trainer.config.knobs import knob


@dataclasses.dataclass(frozen=True)
class ReportConfig:
    """Which job `report` tells of."""

    job_dir: str = knob(
        "",
        "Folder of a job that has evaluated at least once; of a tuning trial the "
        "folder JOB_DIR/TRIAL. The report goes to report/ in it. The model is scored "
        "again on the validation data, if that is still where it was.",
        required=True,
    )

    def problems(self) -> Iterator[str]:
        """Yields a sentence for each combination of values that can't work."""
        yield from ()
