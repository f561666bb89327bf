"""The entrypoint: argv -> word -> exit code, and the one broad except.

Exit codes: 0 done, 1 the owner of the job can mend it, 2 a bug of ours, 143 ended by
SIGTERM after a checkpoint. TensorFlow is imported by the word that needs it, after
its flags were checked.
"""

import logging
import os
import select
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from trainer import __version__, config, environment, errors, flags

EXIT_OK = 0
EXIT_JOB_ERROR = 1
EXIT_BUG = 2
# As a shell reports a process that ended by Ctrl-C.
EXIT_INTERRUPTED = 130
# As a shell reports a process that ended by SIGPIPE.
EXIT_READER_GONE = 141


class Word(NamedTuple):
    """A thing that the image can do: `task.py WORD --flags`.

    A word may have several parts, as `jobs describe` has.
    """

    summary: str
    example: str
    config_class: type[Any]
    run: Callable[[Any], int | None]


def _train(job: config.TrainConfig) -> int:
    from trainer.training.cluster import own_cluster

    place = own_cluster()
    if place.idle_role:
        logging.info(
            "This process is a %s of its job, for which training has no use: it ends. "
            "The chief and the workers train.",
            place.idle_role,
        )
        return EXIT_OK
    with environment.hidden_native_stderr():
        from trainer.training import experiment

    exit_code = experiment.run(job)
    if exit_code == EXIT_OK and job.report and place.is_chief:
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
    with environment.hidden_native_stderr():
        from trainer.serving import evaluate

    return evaluate.run(job)


def _report(job: config.ReportConfig) -> None:
    environment.quiet_matplotlib()
    with environment.hidden_native_stderr():
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
        with environment.hidden_native_stderr():
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


def main(argv: Sequence[str]) -> int:
    """Runs one word.

    Args:
        argv: Arguments without the program's name. The first one may be a word of
            `WORDS`; without one the word is `train`, as in the original image.

    Returns:
        The exit code.
    """
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S"
    )
    try:
        code = _run(list(argv))
        # Here, since an error while Python ends could not be caught.
        sys.stdout.flush()
        return code
    except errors.JobError as error:
        for line in str(error).splitlines():
            logging.error("%s: %s", type(error).__name__, line)
        return EXIT_JOB_ERROR
    except KeyboardInterrupt:
        logging.error("Interrupted before there was anything to save.")
        return EXIT_INTERRUPTED
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _has_lost_reader():
            return EXIT_READER_GONE
        logging.exception(
            "Internal error; this is a bug in the trainer, not in the job."
        )
        return EXIT_BUG


def _has_lost_reader() -> bool:
    """True if who reads standard output has closed it, as `head` does when it is done.

    What is left to write then goes nowhere.
    """
    output = sys.stdout.fileno()
    poll = select.poll()
    # An error is reported without being asked for.
    poll.register(output, 0)
    if not any(events & select.POLLERR for _, events in poll.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return True


def _run(argv: list[str]) -> int:
    name = _take_word(argv)
    if any(argument in flags.HELP_FLAGS for argument in argv):
        sys.stdout.write(_format_help(name))
        return EXIT_OK
    if "--version" in argv:
        sys.stdout.write(f"{__version__}\n")
        return EXIT_OK
    word = WORDS[name]
    job = flags.parse([*_given_by_surroundings(name), *argv], word.config_class)
    environment.quiet_tensorflow()
    environment.plain_gcsfs()
    return word.run(job) or EXIT_OK


def _take_word(argv: list[str]) -> str:
    """Takes the parts of a word off the arguments.

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


def _given_by_surroundings(name: str) -> list[str]:
    """Flags that Vertex AI says by variables; those of the command line count more."""
    root_dir = environment.vertex_outputs().root_dir
    return [f"--job-dir={root_dir}"] if name == DEFAULT_WORD and root_dir else []


def _format_help(name: str) -> str:
    width = max(map(len, WORDS))
    words = "\n".join(_format_word(word, width) for word in WORDS)
    return (
        f"Usage: python -m trainer.task [WORD] --flag=value ...\n\n"
        f"Words (without one: {DEFAULT_WORD}); each has its own --help:\n{words}\n\n"
        f"{name}: {WORDS[name].summary}\n\n"
        f"Example:\n{_format_command(name)}\n\nFlags:\n"
        f"{flags.format_help(WORDS[name].config_class)}\n"
    )


def _format_word(name: str, width: int) -> str:
    return textwrap.fill(
        WORDS[name].summary,
        80,
        initial_indent=f"  {name:{width}} ",
        subsequent_indent=" " * (width + 3),
    )


def _format_command(name: str) -> str:
    """The example as lines that can be pasted."""
    flags_of_example = WORDS[name].example.split()
    return " \\\n    ".join([f"  python -m trainer.task {name}", *flags_of_example])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
