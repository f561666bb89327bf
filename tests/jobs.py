"""Jobs as their users run them: processes of their own."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import pytest
import tensorflow as tf

from tests import pictures

NUM_CLASSES = 3
TIMEOUT_SECS = 240


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """36 training and 10 validation pictures of 3 colours, in shards."""
    directory = tmp_path_factory.mktemp("data")
    for shard in range(2):
        pictures.write_classes(
            directory / f"train-{shard:05}-of-00002.tfrecord",
            num_images=18,
            num_classes=NUM_CLASSES,
            seed=100 * shard,
        )
    pictures.write_classes(
        directory / "validation-00000-of-00001.tfrecord",
        num_images=10,
        num_classes=NUM_CLASSES,
        seed=1000,
    )
    (directory / "labels.txt").write_text("red\ngreen\nblue\n")
    return directory


def copy_with_cut_off_picture(data_dir, directory):
    """As `data_dir`, with a picture without its end: some of its crops do not decode.

    Evaluation crops need no more, so nobody notices before the first such crop.
    """
    shutil.copytree(data_dir, directory, dirs_exist_ok=True)
    encoded = pictures.encode(pictures.draw(96, 96))
    cut = encoded[: int(0.9 * len(encoded))]
    pictures.write_records(
        directory / "train-00002-of-00002.tfrecord", [pictures.example(cut, 1)]
    )
    return directory


def command(data_dir, job_dir, *, module="trainer.task", **flags):
    """The command of a job of seconds; `flags` replace or add, None leaves out."""
    defaults = {
        "training_data_path": f"{data_dir}/train-*.tfrecord",
        "validation_data_path": f"{data_dir}/validation-*.tfrecord",
        "job-dir": job_dir,
        "num_classes": NUM_CLASSES,
        "model_type": "resnet-18",
        "image_size": 32,
        "train_batch_size": 8,
        "max_steps": 8,
        "train_steps_per_eval": 4,
        "initial_learning_rate": 0.01,
        "precision": "float32",
        # Takes longer than these jobs; it has tests of its own.
        "report": "false",
    }
    values = {**defaults, **flags}
    arguments = [
        f"--{name}={value}" for name, value in values.items() if value is not None
    ]
    return [sys.executable, "-m", module, *arguments]


def _environment():
    dropped = ("CLOUD_ML", "TF_CONFIG", "CLUSTER_SPEC", "TF_CPP")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(dropped)
    }


def run(data_dir, job_dir, *, env=None, **flags):
    """Runs a job to its end."""
    return _run(command(data_dir, job_dir, **flags), env)


def _run(arguments, env):
    return subprocess.run(
        arguments,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECS,
        check=False,
        env={**_environment(), **(env or {})},
    )


def run_command(arguments, *, env):
    """Runs a command that must succeed, and returns what it logged."""
    done = _run(arguments, env)
    assert done.returncode == 0, done.stderr
    return done.stderr


def run_ok(*args, **options):
    """Runs a job that must succeed, and returns what it logged."""
    done = run(*args, **options)
    assert done.returncode == 0, done.stderr
    return done.stderr


def interrupt(data_dir, job_dir, *, after, number=signal.SIGTERM, **flags):
    """Starts a job and sends it a signal once a line of its log holds `after`.

    Returns:
        The exit code and the log.
    """
    with subprocess.Popen(
        command(data_dir, job_dir, **flags),
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(),
    ) as process:
        lines, sent = [], False
        deadline = time.monotonic() + TIMEOUT_SECS
        for line in process.stderr:
            lines.append(line)
            if after in line and not sent:
                process.send_signal(number)
                sent = True
            if time.monotonic() > deadline:
                process.kill()
        process.wait()
    return process.returncode, "".join(lines)


def kill_after(data_dir, job_dir, *, secs, **flags):
    """Starts a job and kills it with -9 after some seconds.

    Returns:
        Whether it was killed; a job that ended before must have succeeded.
    """
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            command(data_dir, job_dir, **flags), stderr=log, env=_environment()
        ) as process,
    ):
        try:
            code = process.wait(secs)
        except subprocess.TimeoutExpired:
            process.kill()
            return True
        log.seek(0)
        assert code == 0, log.read()
    return False


def read_weights(job_dir, step):
    """Everything that training changes, by name, of a checkpoint."""
    prefix = job_dir / "checkpoints" / f"model.ckpt-{step}"
    reader = tf.train.load_checkpoint(str(prefix))
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if name != "job_state"
    }
