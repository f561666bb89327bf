"""The knobs of words that are Apache Beam pipelines, and the checks across them."""

from collections.abc import Iterator, Sequence
from typing import Any

from trainer.config.knobs import knob

DIRECT_RUNNER = "DirectRunner"
DATAFLOW_RUNNER = "DataflowRunner"
GS = "gs://"


def runner_knob() -> Any:
    """Declares `runner`."""
    return knob(
        DIRECT_RUNNER,
        "Apache Beam's runner: DirectRunner works on all processors of this machine, "
        "DataflowRunner on many machines of Google Cloud.",
        choices=(DIRECT_RUNNER, DATAFLOW_RUNNER),
    )


def project_id_knob() -> Any:
    """Declares `project_id`."""
    return knob(
        "",
        "Google Cloud project that pays for --runner=DataflowRunner. Without that "
        "runner it changes nothing, as the original script's documentation passes it "
        "always.",
    )


def region_knob() -> Any:
    """Declares `region`."""
    return knob("", "Where --runner=DataflowRunner works, for example us-central1.")


def temp_location_knob() -> Any:
    """Declares `temp_location`."""
    return knob("", "gs:// folder for temporary files of --runner=DataflowRunner.")


class RunsBeam:
    """What the four knobs mean to a config that has them."""

    runner: str
    project_id: str
    region: str
    temp_location: str

    @property
    def is_on_dataflow(self) -> bool:
        """True if other machines do the work, which see no disk of this one."""
        return self.runner == DATAFLOW_RUNNER

    def problems_of_runner(self, shared: Sequence[str]) -> Iterator[str]:
        """Yields a sentence for each value that does not fit the runner.

        Args:
            shared: Names of flags whose paths other machines must reach.
        """
        if self.is_on_dataflow:
            yield from self._problems_of_dataflow(shared)
            return
        for name in ("region", "temp_location"):
            if value := getattr(self, name):
                yield (
                    f"--{name}={value} is for --runner={DATAFLOW_RUNNER} only, got "
                    f"--runner={self.runner}; leave it out, or give that runner."
                )

    def _problems_of_dataflow(self, shared: Sequence[str]) -> Iterator[str]:
        for name in ("project_id", "region", "temp_location"):
            if not getattr(self, name):
                yield f"--runner={self.runner} needs --{name}; see --help."
        for name in (*shared, "temp_location"):
            values = getattr(self, name)
            for value in [values] if isinstance(values, str) else values:
                if value and not value.startswith(GS):
                    yield (
                        f"--{name} must be a gs:// path with --runner={self.runner}, "
                        f"which other machines can reach, got {value}; give "
                        "gs://BUCKET/FOLDER."
                    )
