"""Specs, trials and plans of tunings, for tests."""

from trainer import config
from trainer.jobs import parameters, spec, trial
from trainer.jobs.plan import Plan

TAG = "top_1_accuracy"

# The guide's own.
CONFIG = """\
trainingInput:
  # Use a cluster with many workers and a few parameter servers.
  scaleTier: CUSTOM
  masterType: n1-highmem-16
  masterConfig:
    imageUri: gcr.io/cloud-ml-algos/image_classification:latest
  workerType: cloud_tpu
  workerConfig:
    imageUri: gcr.io/cloud-ml-algos/image_classification:latest
    tpuTfVersion: 1.14
    acceleratorConfig:
      type: TPU_V2
      count: 8
  workerCount: 1
  # The following are hyperparameter configs.
  hyperparameters:
    goal: MAXIMIZE
    hyperparameterMetricTag: top_1_accuracy
    maxTrials: 6
    maxParallelTrials: 3
    enableTrialEarlyStopping: True
    params:
    - parameterName: initial_learning_rate
      type: DOUBLE
      minValue: 0.001
      maxValue: 0.2
      scaleType: UNIT_LOG_SCALE
"""


def write_config(directory, **changes):
    """The guide's config.yaml with other values of some keys."""
    text = CONFIG
    for key, value in changes.items():
        (line,) = [one for one in text.splitlines() if one.strip(" -").startswith(key)]
        start = line.partition(":")[0]
        text = text.replace(line, f"{start}: {value}")
    path = directory / "config.yaml"
    path.write_text(text)
    return path


def double(low=0.001, high=0.2, scale=parameters.LOG, name="initial_learning_rate"):
    return parameters.ParameterSpec(name, "DOUBLE", low, high, scale_type=scale)


def integer(low, high, scale=parameters.NO_SCALE, name="train_batch_size"):
    return parameters.ParameterSpec(name, "INTEGER", low, high, scale_type=scale)


def discrete(*values, scale=parameters.NO_SCALE, name="weight_decay"):
    return parameters.ParameterSpec(
        name, "DISCRETE", discrete_values=tuple(map(float, values)), scale_type=scale
    )


def categorical(*values, name="optimizer_type"):
    return parameters.ParameterSpec(name, "CATEGORICAL", categorical_values=values)


def tuned(*params, **changes):
    changes = {"hyperparameter_metric_tag": TAG, "max_trials": 6, **changes}
    return spec.HyperparameterSpec(params=params or (double(),), **changes)


def ended(number, values, *measurements, early=False):
    """A trial with measurements at steps 10, 20 and so on."""
    one = trial.Trial(number, values)
    steps = range(10, 10 * len(measurements) + 1, 10)
    one.measure(dict(zip(steps, measurements, strict=True)))
    one.end(trial.SUCCEEDED, stopped_early=early)
    return one


def plan(job_dir, *params, image="", flags=(), parallel=1, **changes):
    """A plan whose flags are all right."""
    train = config.TrainConfig(
        training_data_path="data/train-*",
        validation_data_path="data/validation-*",
        job_dir=str(job_dir),
        num_classes=3,
        max_steps=8,
    )
    hyperparameters = tuned(*params, **changes)
    return Plan(
        hyperparameters=hyperparameters,
        training_input=spec.TrainingInput(hyperparameters=hyperparameters),
        flags=(f"--job-dir={job_dir}", *flags),
        train=train,
        max_parallel_trials=parallel,
        image=image,
    )
