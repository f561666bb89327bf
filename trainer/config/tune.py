"""Every knob of `tune`."""

import dataclasses
from collections.abc import Iterator

from trainer.config.knobs import knob, trailing


@dataclasses.dataclass(frozen=True)
class TuneConfig:
    """What is tuned, where, and the flags that all trials have."""

    config: str = knob(
        "",
        "config.yaml of the service: trainingInput.hyperparameters says what is tuned.",
        required=True,
    )
    job_dir: str = knob(
        "",
        "Root of all outputs: model/trial_ID, the rest of each trial in ID, "
        "trials.json and tuning.html. The same command goes on with what is there. "
        "Default: that of the training flags, else jobDir of config.",
    )
    max_parallel_trials: int = knob(
        None,
        "Trials at a time, which share the processor's cores. "
        "Default: maxParallelTrials of config.",
        minimum=1,
    )
    image: str = knob(
        "",
        "Docker image to run trials in, one container each. Default: trials are "
        "processes of this Python.",
    )
    training_flags: tuple[str, ...] = trailing(
        "Flags of train that all trials have, after those of args in config. Tuned "
        "ones are added last."
    )

    def problems(self) -> Iterator[str]:
        """Yields nothing: all that can be wrong takes the file to tell."""
        yield from ()
