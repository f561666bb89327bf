"""The word tune as its users run it: a process of its own.

Trials are `docker run` of a stand-in that trains nothing, but where it says so.
"""

import json
import os
import pathlib
import resource
import signal
import subprocess
import sys
import time

import pytest

import tests
from tests import jobs, tuning

SHARED_DATA = pathlib.Path(os.environ.get("SHARED_DATA", "../shared/data"))
TIMEOUT_SECS = 240
FAKE_DOCKER = pathlib.Path(tests.__path__[0]) / "fake_docker.py"
FLAGS = [
    "--training_data_path=data/train-*",
    "--validation_data_path=data/validation-*",
    "--num_classes=3",
    "--max_steps=20",
]


@pytest.fixture(scope="module")
def docker_dir(tmp_path_factory):
    """A folder for PATH with the stand-in."""
    directory = tmp_path_factory.mktemp("bin")
    docker = directory / "docker"
    docker.write_text(f'#!/bin/sh\nexec {sys.executable} {FAKE_DOCKER} "$@"\n')
    docker.chmod(0o755)
    return directory


def command(config, job_dir, *flags, image="", word_flags=()):
    word = [f"--config={config}", f"--job-dir={job_dir}", *word_flags]
    if image:
        word.append(f"--image={image}")
    return [sys.executable, "-m", "trainer.task", "tune", *word, "--", *flags]


def start(arguments, docker_dir, **options):
    path = f"{docker_dir}:{os.environ['PATH']}" if docker_dir else os.environ["PATH"]
    return subprocess.Popen(
        arguments,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PATH": path},
        **options,
    )


def run(arguments, docker_dir=None, **options):
    with start(arguments, docker_dir, **options) as process:
        stdout, stderr = process.communicate(timeout=TIMEOUT_SECS)
    assert "Traceback" not in stderr, stderr
    return process.returncode, stdout, stderr


def tune(tmp_path, docker_dir, image, **changes):
    config = tuning.write_config(tmp_path, **changes)
    arguments = command(config, tmp_path / "tuned", *FLAGS, image=image)
    return run(arguments, docker_dir)


def read_trials(job_dir):
    content = json.loads((job_dir / "trials.json").read_text())
    return {one["trialId"]: one for one in content["trials"]}


def wait_for_line(process, text):
    """The log up to the line that holds a text."""
    lines = []
    for line in process.stderr:
        lines.append(line)
        if text in line:
            return "".join(lines)
    raise AssertionError("".join(lines))


def test_a_tuning_ends_with_a_table_and_all_its_files(tmp_path, docker_dir):
    code, stdout, log = tune(tmp_path, docker_dir, "good")
    assert code == 0, log
    assert "workerType, masterConfig, workerConfig, workerCount have no" in log
    trials = read_trials(tmp_path / "tuned")
    assert sorted(trials) == ["1", "2", "3", "4", "5", "6"]
    rates = {
        number: float(one["hyperparameters"]["initial_learning_rate"])
        for number, one in trials.items()
    }
    best = max(rates, key=rates.get)
    assert next(iter(trials)) == best
    assert trials[best]["finalMetric"]["trainingStep"] == "20"
    assert trials[best]["finalMetric"]["objectiveValue"] == 2 * rates[best]
    head, first, *_ = stdout.splitlines()
    assert head.split()[:3] == ["trial", "initial_learning_rate", "top_1_accuracy"]
    assert first.split()[0] == best
    assert f"best: trial {best}, initial_learning_rate={rates[best]}" in stdout
    assert f"model: {tmp_path}/tuned/model/trial_{best}\n" in stdout
    page = (tmp_path / "tuned" / "tuning.html").read_text()
    assert f"at best, trial {best}" in page
    assert "http" not in page.replace("http://www.w3.org", "").replace(
        "http://purl.org", ""
    ).replace("http://creativecommons.org", "").replace("https://matplotlib.org", "")
    # The same command again has nothing left to do, and says the same.
    assert tune(tmp_path, docker_dir, "good")[:2] == (0, stdout)


def test_the_last_lines_of_a_trial_that_crashed_are_shown(tmp_path, docker_dir):
    code, stdout, log = tune(tmp_path, docker_dir, "crash-2", maxTrials=2)
    assert code == 0, log
    assert "trial 2 | failed with exit code 1; its last lines:" in log
    assert "trial 2 |   DataError: no such data" in log
    assert stdout.splitlines()[2].split()[-1] == "failed"
    assert read_trials(tmp_path / "tuned")["2"]["state"] == "FAILED"


def test_a_tuning_ends_where_none_succeeds(tmp_path, docker_dir):
    code, _, log = tune(tmp_path, docker_dir, "crash")
    assert code == 1
    assert "Failed trials: 3, and none succeeded, so the others were not tried" in log
    # What was wrong is mended, so the same points are tried again.
    code, _, log = tune(tmp_path, docker_dir, "good", maxTrials=3)
    assert code == 0
    assert "trial 1 | goes on | initial_learning_rate=0.0141" in log
    states = {one["state"] for one in read_trials(tmp_path / "tuned").values()}
    assert states == {"SUCCEEDED"}


def test_all_trials_failing_ends_with_1(tmp_path, docker_dir):
    code, _, log = tune(tmp_path, docker_dir, "crash", maxTrials=2)
    assert code == 1
    assert "None of 2 trials succeeded; the lines above say why." in log


def test_max_failed_trials_is_heard(tmp_path, docker_dir):
    code, _, log = tune(
        tmp_path, docker_dir, "crash-2", maxTrials="6\n    maxFailedTrials: 1"
    )
    assert code == 1
    assert "Failed trials: 1, and maxFailedTrials is 1, so the others were not" in log


def test_a_metric_that_is_never_reported_is_said_with_those_that_are(
    tmp_path, docker_dir
):
    code, _, log = tune(tmp_path, docker_dir, "other-tag")
    assert code == 1
    assert "hyperparameterMetricTag is top_1_accuracy, which trial" in log
    assert "did not report; it reported accuracy, loss. Correct the tag" in log


def test_a_trial_that_reports_nothing_is_said(tmp_path, docker_dir):
    code, _, log = tune(tmp_path, docker_dir, "silent", maxTrials=1)
    assert code == 1
    assert "it reported nothing. Correct the tag" in log


def test_a_trial_that_was_killed_goes_on(tmp_path, docker_dir):
    code, _, log = tune(tmp_path, docker_dir, "killed", maxTrials=2)
    assert code == 0, log
    assert "trial 1 | ended by signal 9, not by itself; it goes on from its last" in log
    assert "trial 1 | goes on" in log
    assert read_trials(tmp_path / "tuned")["1"]["state"] == "SUCCEEDED"


def test_a_trial_that_is_always_killed_fails_at_last(tmp_path, docker_dir):
    code, _, log = tune(tmp_path, docker_dir, "always-killed", maxTrials=1)
    assert code == 1
    assert "(restart 5 of 5)" in log
    assert "trial 1 | failed with exit code -9; its last lines:" in log


def test_a_trial_without_prospect_is_stopped(tmp_path, docker_dir):
    code, stdout, log = tune(
        tmp_path, docker_dir, "worse", maxTrials=4, maxParallelTrials=1
    )
    assert code == 0, log
    fourth = read_trials(tmp_path / "tuned")["4"]
    assert fourth["isTrialStoppedEarly"]
    assert fourth["state"] == "SUCCEEDED"
    assert "trial 4 | stops early: below the median" in log
    assert "stopped early" in stdout


def test_a_second_tuner_is_refused_and_ctrl_c_ends_the_first(tmp_path, docker_dir):
    config = tuning.write_config(tmp_path, maxTrials=2)
    arguments = command(config, tmp_path / "tuned", *FLAGS, image="slow")
    with start(arguments, docker_dir) as first:
        wait_for_line(first, "top_1_accuracy 0.")
        code, _, log = run(arguments, docker_dir)
        assert code == 1
        assert f"--job-dir={tmp_path}/tuned is being tuned by another process" in log
        first.send_signal(signal.SIGINT)
        _, log = first.communicate(timeout=TIMEOUT_SECS)
    assert first.returncode == 130, log
    assert "Ended by SIGINT; the same command goes on." in log
    states = [one["state"] for one in read_trials(tmp_path / "tuned").values()]
    assert states == ["RUNNING", "RUNNING"]


def test_a_second_ctrl_c_ends_trials_that_do_not_end(tmp_path, docker_dir):
    config = tuning.write_config(tmp_path, maxTrials=1)
    arguments = command(config, tmp_path / "tuned", *FLAGS, image="stubborn")
    with start(arguments, docker_dir) as process:
        wait_for_line(process, "top_1_accuracy 0.")
        process.send_signal(signal.SIGINT)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(2)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=TIMEOUT_SECS)
    assert process.returncode == 130
    assert is_gone(tmp_path / "tuned")


def test_other_flags_are_another_study(tmp_path, docker_dir):
    config = tuning.write_config(tmp_path, maxTrials=1)
    assert tune(tmp_path, docker_dir, "good", maxTrials=1)[0] == 0
    other = [*FLAGS, "--weight_decay=0.5"]
    code, _, log = run(command(config, tmp_path / "tuned", *other), docker_dir)
    assert code == 1
    assert "study with --weight_decay=0.0001; this one has --weight_decay=0.5" in log


def test_trials_of_an_earlier_job_are_made_use_of(tmp_path, docker_dir):
    assert tune(tmp_path, docker_dir, "good", maxTrials=4)[0] == 0
    (tmp_path / "tuned").rename(tmp_path / "earlier")
    code, _, log = tune(
        tmp_path,
        docker_dir,
        "good",
        maxTrials="1\n    resumePreviousJobId: earlier",
    )
    assert code == 0, log
    (one,) = read_trials(tmp_path / "tuned").values()
    # More is better all the way, which four trials told the model.
    assert float(one["hyperparameters"]["initial_learning_rate"]) > 0.1


def test_a_full_disk_ends_with_a_sentence(tmp_path, docker_dir):
    config = tuning.write_config(tmp_path)

    def limit_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    code, _, log = run(
        command(config, tmp_path / "tuned", *FLAGS, image="good"),
        docker_dir,
        preexec_fn=limit_files,
    )
    assert code == 1
    assert (
        f"StorageError: {tmp_path}/tuned/study.json can't be written (File too" in log
    )


def test_max_running_time_is_heard(tmp_path, docker_dir):
    code, _, log = tune(
        tmp_path,
        docker_dir,
        "slow",
        maxTrials=1,
        workerCount="1\n  scheduling: {maxRunningTime: 0.5s}",
    )
    assert code == 1
    assert "scheduling.maxRunningTime is over; trials have saved a checkpoint" in log


def test_a_study_may_be_on_gs(tmp_path, docker_dir, bucket, monkeypatch):
    # Logs and metric files are below the temporary folder then.
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    config = tuning.write_config(tmp_path, maxTrials=2)
    job_dir = f"{bucket.url}/tuned"
    arguments = command(config, job_dir, *FLAGS, image="good")
    code, stdout, log = run(arguments, docker_dir)
    assert code == 0, log
    assert f"model: {job_dir}/model/trial_" in stdout
    assert {
        "tuned/trials.json",
        "tuned/tuning.html",
        "tuned/tuning/trial_1.log",
    } <= set(bucket.names())
    code, again, log = run(arguments, docker_dir)
    assert (code, again) == (0, stdout), log
    assert "| start |" not in log


def test_no_docker_is_said(tmp_path):
    config = tuning.write_config(tmp_path)
    arguments = command(config, tmp_path / "tuned", *FLAGS, image="good")
    with subprocess.Popen(
        arguments,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PATH": str(tmp_path)},
    ) as process:
        _, log = process.communicate(timeout=TIMEOUT_SECS)
    assert process.returncode == 1
    assert "--image needs the command docker, which is not on PATH" in log


def test_what_is_wrong_is_said_before_anything_starts(tmp_path):
    config = tuning.write_config(
        tmp_path, parameterName="learning_rate", hyperparameterMetricTag="accuracy"
    )
    code, _, log = run(command(config, tmp_path / "tuned", *FLAGS, "--max_steps=0"))
    assert code == 1
    assert "parameterName learning_rate is no flag of train" in log
    assert "hyperparameterMetricTag is accuracy, which is never reported; train" in log
    assert "--max_steps must be 1 or more, got 0." in log
    assert not (tmp_path / "tuned").exists()


def train_flags(data_dir, *more):
    return [
        f"--training_data_path={data_dir}/train-*.tfrecord",
        f"--validation_data_path={data_dir}/validation-*.tfrecord",
        f"--num_classes={jobs.NUM_CLASSES}",
        "--model_type=resnet-18",
        "--image_size=32",
        "--train_batch_size=8",
        "--max_steps=8",
        "--train_steps_per_eval=4",
        "--precision=float32",
        *more,
    ]


def is_gone(job_dir):
    """True if no process has the job-dir in its command line."""
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if f"--job-dir={job_dir}" in path.read_text():
                return False
        except (FileNotFoundError, ProcessLookupError):
            continue
    return True


def test_a_tuner_that_was_killed_goes_on_with_real_trials(data_dir, tmp_path):
    config = tuning.write_config(tmp_path, maxTrials=2, maxParallelTrials=2)
    job_dir = tmp_path / "tuned"
    arguments = command(config, job_dir, *train_flags(data_dir, "--max_steps=12"))
    with start(arguments, None) as first:
        log = wait_for_line(first, "| step 4 |")
        first.kill()
    assert "trial 2 | start" in log
    started = read_trials(job_dir)
    code, stdout, log = run(arguments)
    assert code == 0, log
    # Orphans were asked to end and had their time before their trials went on.
    assert "trial 1 | goes on" in log
    trials = read_trials(job_dir)
    for number, one in trials.items():
        assert one["state"] == "SUCCEEDED"
        assert one["hyperparameters"] == started[number]["hyperparameters"]
        assert [two["trainingStep"] for two in one["allMetrics"]] == ["4", "8", "12"]
        for place in (f"model/trial_{number}", f"{number}/model"):
            assert (job_dir / place / "saved_model.pb").is_file()
        assert one["builtInAlgorithmOutput"]["modelPath"] == str(
            job_dir / "model" / f"trial_{number}"
        )
    logs = "".join(path.read_text() for path in job_dir.glob("tuning/trial_*.log"))
    assert "Ended by SIGTERM; the same command resumes." in logs
    assert "resume | step" in logs
    assert f"model: {job_dir}/model/trial_{next(iter(trials))}\n" in stdout
    assert is_gone(job_dir)


@pytest.mark.slow
def test_the_guides_own_config_tunes_on_photographs(tmp_path):
    images_dir = SHARED_DATA / "ci_clothing"
    if not images_dir.is_dir():
        pytest.skip(f"SHARED_DATA={SHARED_DATA} has no photographs in ci_clothing/")
    subprocess.run(
        [
            *(sys.executable, "-m", "trainer.task", "convert"),
            *(f"--images_dir={images_dir}", f"--output_dir={tmp_path}"),
        ],
        check=True,
        capture_output=True,
    )
    num_classes = len((tmp_path / "labels.txt").read_text().splitlines())
    config = tuning.write_config(tmp_path)
    flags = train_flags(
        tmp_path,
        f"--num_classes={num_classes}",
        "--image_size=64",
        "--train_batch_size=32",
        "--max_steps=120",
        "--train_steps_per_eval=20",
        "--warmup_steps=10",
    )
    started_at = time.monotonic()
    with start(command(config, tmp_path / "tuned", *flags), None) as process:
        stdout, log = process.communicate(timeout=1800)
    print(log, stdout, f"{time.monotonic() - started_at:.0f} s")
    assert process.returncode == 0, log
    assert "have no effect: they chose machines, TPUs and limits of the service" in log
    trials = read_trials(tmp_path / "tuned")
    assert sorted(trials) == ["1", "2", "3", "4", "5", "6"]
    assert {one["state"] for one in trials.values()} == {"SUCCEEDED"}
    best = next(iter(trials))
    assert trials[best]["finalMetric"]["objectiveValue"] > 1.5 / num_classes, (
        "not better than guessing"
    )
    assert (tmp_path / "tuned" / "model" / f"trial_{best}" / "saved_model.pb").is_file()
    assert (tmp_path / "tuned" / "tuning.html").is_file()
