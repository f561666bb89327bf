"""The words that the image knows, and how each is started.

A word's module is imported when the word runs: TensorFlow takes seconds.
"""

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

from trainer import config, environment, errors


class Word(NamedTuple):
    """A thing that the image can do: `task.py WORD --flags`.

    A word may have several parts, as `jobs describe` has.
    """

    summary: str
    example: str
    config_class: type[Any]
    run: Callable[[Any], int | None]


def _train(job: config.TrainConfig) -> int:
    from trainer.training import cluster, limits

    place = cluster.own_cluster()
    if place.idle_role:
        logging.info(
            "This process is a %s of its job, for which training has no use: it ends. "
            "The chief and the workers train.",
            place.idle_role,
        )
        return 0
    limits.check(job, place)
    with environment.importing_tensorflow():
        from trainer.training import experiment

    exit_code = experiment.run(job)
    if exit_code == 0 and job.report and place.is_chief:
        _report_of_training(job)
    return exit_code


def _report_of_training(job: config.TrainConfig) -> None:
    """Writes the report of a job that is done: it stays done whatever happens here."""
    command = f"python -m trainer.task report --job-dir={job.job_dir}"
    environment.quiet_matplotlib()
    try:
        from trainer.report import write
        from trainer.training.layout import own_layout

        write.write_report(own_layout(job.job_dir))
    except errors.JobError as error:
        logging.warning("report | not written: %s Then run: %s", error, command)
    except KeyboardInterrupt:
        logging.warning("report | interrupted; the job is done. Later: %s", command)
    except Exception:
        logging.exception(
            "report | not written for a bug in the trainer; the job is done, and its "
            "model is in place."
        )


def _convert(job: config.ConvertConfig) -> None:
    from trainer.data import convert

    convert.run(job)


def _inspect(job: config.InspectConfig) -> int:
    from trainer.data import inspect

    return inspect.run(job)


def _evaluate(job: config.EvaluateConfig) -> int:
    with environment.importing_tensorflow():
        from trainer.serving import evaluate

    return evaluate.run(job)


def _report(job: config.ReportConfig) -> None:
    environment.quiet_matplotlib()
    with environment.importing_tensorflow():
        from trainer.report import write

    write.run(job)


def _tune(job: config.TuneConfig) -> int:
    from trainer.jobs import tune

    return tune.run(job)


def _predict(job: config.PredictConfig) -> int:
    from trainer.serving import predict

    return predict.run(job)


def _batch_predict(job: config.BatchPredictConfig) -> None:
    from trainer.serving import batch_predict

    batch_predict.run(job)


def _serve(job: config.ServeConfig) -> None:
    try:
        with environment.importing_tensorflow():
            from trainer.serving.server import serve
    except ModuleNotFoundError as error:
        raise errors.ConfigError(
            f"serve needs FastAPI and what goes with it, found less ({error}); run "
            "pip install 'image-classification-trainer[serve]'."
        ) from error
    serve.run(job)


def _submit_job(job: config.SubmitConfig) -> int:
    from trainer.jobs import submit

    return submit.run(job)


def _describe_job(job: config.DescribeJobConfig) -> None:
    from trainer.jobs import describe

    describe.run(job)


def _stream_logs(job: config.StreamLogsConfig) -> int:
    from trainer.jobs import stream_logs

    return stream_logs.run(job)


def _list_jobs(job: config.ListJobsConfig) -> None:
    from trainer.jobs import list_jobs

    list_jobs.run(job)


def _cancel_job(job: config.CancelJobConfig) -> None:
    from trainer.jobs import cancel

    cancel.run(job)


def _to_vertex(job: config.ToVertexConfig) -> None:
    from trainer.jobs import to_vertex

    to_vertex.run(job)


WORDS = {
    "train": Word(
        "Train a model; the best SavedModel goes to job-dir/model.",
        "--training_data_path='data/train-*' "
        "--validation_data_path='data/validation-*' --job-dir=jobs/flowers "
        "--num_classes=5 --max_steps=3000 --initial_learning_rate=0.032",
        config.TrainConfig,
        _train,
    ),
    "convert": Word(
        "Turn folders or CSV lists of images into TFRecord files.",
        "--images_dir=photos --output_dir=data",
        config.ConvertConfig,
        _convert,
    ),
    "inspect": Word(
        "Say what the data holds; exit code 1 if a train job would fail.",
        "--data_path='data/train-*' --data_path='data/validation-*' "
        "--json=findings.json",
        config.InspectConfig,
        _inspect,
    ),
    "evaluate": Word(
        "Score a SavedModel on labelled pictures; --json for programs.",
        "--model_dir=jobs/flowers/model --data_path='data/test-*' "
        "--assert_accuracy_at_least=0.9 --json=scores.json",
        config.EvaluateConfig,
        _evaluate,
    ),
    "report": Word(
        "Write a page and a model card of a job: report/ in its folder.",
        "--job-dir=jobs/flowers",
        config.ReportConfig,
        _report,
    ),
    "tune": Word(
        "Train several times, and find the flags that train best.",
        "--config=config.yaml --job-dir=jobs/tuned -- "
        "--training_data_path='data/train-*' "
        "--validation_data_path='data/validation-*' --num_classes=5 --max_steps=3000",
        config.TuneConfig,
        _tune,
    ),
    "predict": Word(
        "Say what a model sees in picture files or in a request.",
        "--model_dir=jobs/flowers/model photo.jpg photos/",
        config.PredictConfig,
        _predict,
    ),
    "batch-predict": Word(
        "Write what a model sees in any number of pictures or instances.",
        "--model_dir=jobs/flowers/model --data_format=JSON "
        "--input_paths='requests/*.jsonl' --output_path=predictions",
        config.BatchPredictConfig,
        _batch_predict,
    ),
    "serve": Word(
        "Answer for pictures over HTTP, with a page to try it.",
        "--model_dir=jobs/flowers/model --model_name=flowers --port=8080",
        config.ServeConfig,
        _serve,
    ),
    "jobs submit training": Word(
        "Start a training job on this machine, as gcloud did.",
        "flowers_1 --region=us-central1 --config=config.yaml "
        "--master-image-uri=gcr.io/cloud-ml-algos/image_classification:latest -- "
        "--training_data_path='data/train-*' "
        "--validation_data_path='data/validation-*' --job-dir=jobs/flowers "
        "--num_classes=5 --max_steps=3000",
        config.SubmitConfig,
        _submit_job,
    ),
    "jobs describe": Word(
        "Print a job with its state, as the service's API has it.",
        "flowers_1 --format='value(state)'",
        config.DescribeJobConfig,
        _describe_job,
    ),
    "jobs stream-logs": Word(
        "Print a job's log from its start until the job ends.",
        "flowers_1",
        config.StreamLogsConfig,
        _stream_logs,
    ),
    "jobs list": Word(
        "List the jobs of this user, newest first.",
        "--limit=10",
        config.ListJobsConfig,
        _list_jobs,
    ),
    "jobs cancel": Word(
        "End a job once it has saved a checkpoint.",
        "flowers_1",
        config.CancelJobConfig,
        _cancel_job,
    ),
    "jobs to-vertex": Word(
        "Print the job that does the same on Vertex AI, or send it there.",
        "flowers_1 --region=us-central1 --config=config.yaml "
        "--master-image-uri=us-docker.pkg.dev/project/repository/trainer -- "
        "--training_data_path=gs://bucket/train-* "
        "--validation_data_path=gs://bucket/validation-* "
        "--job-dir=gs://bucket/flowers --num_classes=5 --max_steps=3000",
        config.ToVertexConfig,
        _to_vertex,
    ),
}
DEFAULT_WORD = "train"


def take_word(argv: list[str]) -> str:
    """Takes the parts of a word off the arguments.

    Args:
        argv: Arguments without the program's name; shortened in place.

    Returns:
        A key of WORDS; without a word DEFAULT_WORD, as in the original image.

    Raises:
        ConfigError: If they start with none.
    """
    if not argv or argv[0].startswith("-"):
        return DEFAULT_WORD
    for name in WORDS:
        parts = name.split()
        if argv[: len(parts)] == parts:
            del argv[: len(parts)]
            return name
    parts_given = [one for one in argv[:2] if not one.startswith("-")]
    family = [name for name in WORDS if name.split()[0] == argv[0]]
    raise errors.ConfigError(
        f"Unknown word {' '.join(parts_given)!r}; expected one of "
        f"{', '.join(family or WORDS)}, or flags alone to train; --help explains them."
    )
