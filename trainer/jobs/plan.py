"""What a tuning is, decided and checked before anything starts.

Joins config.yaml and the command line. No process, no study, no Optuna.
"""

import dataclasses
import difflib
import logging
from collections.abc import Iterator, Sequence

from trainer import config, errors, flags
from trainer.jobs import reader, spec
from trainer.jobs.parameters import ParameterSpec, Values
from trainer.training import history

# Of trainingInput, what is heard here.
_HEARD = ("hyperparameters", "args", "job_dir", "scheduling")
# Each trial's outputs have their place below the tuning's own.
_NEVER_TUNED = "job_dir"


@dataclasses.dataclass(frozen=True)
class Plan:
    """A tuning.

    Attributes:
        hyperparameters: What is tuned, and how.
        training_input: The service's description of the job, for the trials.
        flags: Flags of all trials, job-dir included; tuned ones come after them.
        train: What those flags say; its tuned fields have one value of many.
        max_parallel_trials: Trials at a time.
        image: Docker image that trials run in; empty for processes.
    """

    hyperparameters: spec.HyperparameterSpec
    training_input: spec.TrainingInput
    flags: tuple[str, ...]
    train: config.TrainConfig
    max_parallel_trials: int
    image: str

    @property
    def job_dir(self) -> str:
        """Root of all outputs."""
        return self.train.job_dir

    def trial_flags(self, values: Values) -> tuple[str, ...]:
        """The command line of one trial: what is tuned comes last, and counts."""
        return (*self.flags, *_format_values(self.hyperparameters.params, values))

    def describe(self, values: Values) -> str:
        """Values for a line of a log."""
        texts = _format_values(self.hyperparameters.params, values)
        return ", ".join(text.removeprefix("--") for text in texts)


def make_plan(job: config.TuneConfig) -> Plan:
    """Reads and checks all that was asked for.

    Raises:
        StorageError: If there is no config.yaml.
        ConfigError: If it, a training flag, or both together are wrong; the message
            has a line for each thing.
    """
    training_input = spec.load(job.config).training_input
    tuned = training_input.hyperparameters
    if tuned is None:
        raise errors.ConfigError(
            f"--config={job.config} has no trainingInput.hyperparameters, which says "
            "what to tune; add it, or train without the word tune."
        )
    given = tuple(_gather_flags(job, training_input))
    train = check_tuned(job.config, tuned, given, has_own_metric=bool(job.image))
    _warn(job.config, training_input, train)
    parallel = job.max_parallel_trials or tuned.max_parallel_trials
    return Plan(
        hyperparameters=tuned,
        training_input=training_input,
        flags=given,
        train=train,
        max_parallel_trials=min(parallel, tuned.max_trials),
        image=job.image,
    )


def check_tuned(
    path: str,
    tuned: spec.HyperparameterSpec,
    given: Sequence[str],
    *,
    has_own_metric: bool,
) -> config.TrainConfig:
    """Checks that all points of a search are jobs.

    Args:
        path: Of config.yaml, for sentences.
        tuned: What it says.
        given: Flags of all trials.
        has_own_metric: True if trials are not known to be this trainer's.

    Returns:
        What the flags say for one point.

    Raises:
        ConfigError: If anything is wrong; a line for each thing.
    """
    problems = [*_problems_of_names(path, tuned.params)]
    if not has_own_metric:
        problems += _problems_of_metric(path, tuned)
    train, wrong = _check_flags(given, tuned.params)
    problems += wrong
    if problems or train is None:
        raise errors.ConfigError("\n".join(problems))
    return train


def _gather_flags(
    job: config.TuneConfig, training_input: spec.TrainingInput
) -> Iterator[str]:
    """All flags that trials have in common; of duplicates the last one counts."""
    if training_input.job_dir:
        yield f"--job-dir={training_input.job_dir}"
    yield from training_input.args
    yield from job.training_flags
    if job.job_dir:
        yield f"--job-dir={job.job_dir}"


def _format_values(params: Sequence[ParameterSpec], values: Values) -> list[str]:
    return [
        f"--{param.parameter_name}={param.format(values[param.parameter_name])}"
        for param in params
    ]


def _problems_of_names(path: str, params: Sequence[ParameterSpec]) -> Iterator[str]:
    known = _trained_flags()
    for param in params:
        name = param.parameter_name
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else "train --help lists them."
            yield (
                f"{path}, line {param.line}: parameterName {name} is no flag of train "
                f"that can be tuned; {hint}"
            )


def _trained_flags() -> list[str]:
    fields = dataclasses.fields(config.TrainConfig)
    return [field.name for field in fields if field.name != _NEVER_TUNED]


def _problems_of_metric(path: str, tuned: spec.HyperparameterSpec) -> Iterator[str]:
    tag = tuned.hyperparameter_metric_tag
    if tag != history.METRIC:
        yield (
            f"{path}, line {tuned.line}: hyperparameterMetricTag is {tag}, which is "
            f"never reported; train reports {history.METRIC}."
        )


def _check_flags(
    given: Sequence[str], params: Sequence[ParameterSpec]
) -> tuple[config.TrainConfig | None, list[str]]:
    """Parses the flags with values of which all can work if these can.

    Returns:
        A trial's config if there is one, and what is wrong, each thing once.
    """
    known = _trained_flags()
    tried = [param for param in params if param.parameter_name in known]
    problems: dict[str, str] = {}
    train = None
    for values in _vary(tried):
        arguments = [*given, *_format_values(tried, values)]
        try:
            train = flags.parse(arguments, config.TrainConfig)
        except errors.ConfigError as error:
            for sentence in str(error).splitlines():
                # One value of a flag that can't work speaks for others.
                problems.setdefault(sentence.partition(", got ")[0], sentence)
    return train, list(problems.values())


def _vary(params: Sequence[ParameterSpec]) -> Iterator[Values]:
    """The middle of all ranges, and from there the ends of one at a time."""
    middle = {param.parameter_name: param.from_unit(0.5) for param in params}
    yield middle
    for param in params:
        for edge in param.edges():
            yield {**middle, param.parameter_name: edge}


def _warn(
    path: str, training_input: spec.TrainingInput, train: config.TrainConfig
) -> None:
    for warning in train.warnings():
        logging.warning(warning)
    default = spec.TrainingInput()
    ignored = [
        reader.spell(field.name)
        for field in dataclasses.fields(training_input)
        if field.name not in _HEARD
        and getattr(training_input, field.name) != getattr(default, field.name)
    ]
    if ignored:
        logging.warning(
            "%s: %s have no effect: they chose machines%s and limits of the service, "
            "and trials run on this machine.",
            path,
            ", ".join(ignored),
            ", TPUs" if training_input.has_tpu else "",
        )
