"""The jobs words as their users run them: processes of their own, in a shell."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

import tests
from tests import gcs, jobs, tuning

TIMEOUT_SECS = 240
JOBS = f"{sys.executable} -m trainer.task jobs"
BUILT_IN = "gcr.io/cloud-ml-algos/image_classification:latest"
FLAGS = [
    "--training_data_path=data/train-*",
    "--validation_data_path=data/validation-*",
    "--num_classes=3",
    "--max_steps=20",
    "--job-dir=out",
]
# The guide's own commands, but for what makes the job one of seconds.
GUIDE = """
REGION="us-central1"
TRAINING_DATA_PATH="gs://${BUCKET_NAME}/YOUR_DATA_DIRECTORY/train-*.tfrecord"
VALIDATION_DATA_PATH="gs://${BUCKET_NAME}/YOUR_DATA_DIRECTORY/validation-*.tfrecord"
IMAGE_URI="gcr.io/cloud-ml-algos/image_classification:latest"
DATASET_NAME="flowers"
ALGORITHM="image_classification"
MODEL_NAME="${DATASET_NAME}_${ALGORITHM}"
DATE="$(date '+%Y%m%d_%H%M%S')"
JOB_ID="${MODEL_NAME}_${DATE}"
JOB_DIR="gs://${BUCKET_NAME}/algorithm_training/${JOB_ID}"
gcloud ai-platform jobs submit training $JOB_ID \\
  --region=$REGION \\
  --config=config.yaml \\
  --master-image-uri=$IMAGE_URI \\
  -- \\
  --training_data_path=$TRAINING_DATA_PATH \\
  --validation_data_path=$VALIDATION_DATA_PATH \\
  --job-dir=$JOB_DIR \\
  --max_steps=4 \\
  --train_batch_size=8 \\
  --num_classes=3 \\
  --num_eval_images=10 \\
  --initial_learning_rate=0.128 \\
  --warmup_steps=2 \\
  --model_type='resnet-18' --image_size=32 --train_steps_per_eval=4
echo "== describe"
gcloud ai-platform jobs describe $JOB_ID
echo "== stream-logs"
gcloud ai-platform jobs stream-logs $JOB_ID
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to be in, with a state folder and a place for programs of its own."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("PYTHONPATH", str(pathlib.Path(tests.__path__[0]).parent))
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    for name in ("CLOUD_ML_JOB_ID", "TF_CONFIG", "CLUSTER_SPEC", "AIP_MODEL_DIR"):
        monkeypatch.delenv(name, raising=False)
    yield tmp_path
    for path in tmp_path.glob("state/*/jobs/*"):
        run(tmp_path, "cancel", path.name)
        run(tmp_path, "stream-logs", path.name)


def run(place, *words):
    done = subprocess.run(
        [*JOBS.split(), *words],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECS,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def run_ok(place, *words):
    done = run(place, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def state(place, job_id):
    return run_ok(place, "describe", job_id, "--format=value(state)").strip()


def wait_for(place, job_id, *states):
    deadline = time.monotonic() + TIMEOUT_SECS
    while (found := state(place, job_id)) not in states:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def fake_docker(place, script):
    """A program `docker` whose container does what a shell script says."""
    docker = place / "bin" / "docker"
    docker.write_text(f"#!/bin/sh\n{script}\n")
    docker.chmod(0o755)


def submit(place, job_id, *words, flags=FLAGS, image="mine"):
    return run(
        place,
        *("submit", "training", job_id, f"--master-image-uri={image}", *words),
        "--",
        *flags,
    )


def test_the_guides_sequence(place, gcs_proxy, data_dir, monkeypatch):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_proxy.url)
    bucket = gcs.Bucket(gcs_proxy)
    bucket.write_dir(data_dir, "YOUR_DATA_DIRECTORY")
    # The guide's file for one job; that for tuning goes on with hyperparameters.
    text = tuning.CONFIG.partition("  # The following are hyperparameter")[0]
    (place / "config.yaml").write_text(text)
    script = GUIDE.replace("gcloud ai-platform jobs", JOBS)
    done = subprocess.run(
        ["bash", "-ec", script],
        cwd=place,
        env={**os.environ, "BUCKET_NAME": bucket.url.removeprefix("gs://")},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    submitted, described, log = done.stdout.split("== ")
    assert "state: QUEUED" in submitted or "state: PREPARING" in submitted, submitted
    job_id = submitted.splitlines()[0].removeprefix("jobId: ")
    assert f"Job [{job_id}] submitted successfully." in done.stderr
    assert "TPU_V2 x 8 have no effect" in done.stderr
    assert f"jobId: {job_id}" in described
    assert "scaleTier: CUSTOM" in described
    assert "done  | top_1_accuracy" in log
    assert log.endswith("service | The job is SUCCEEDED.\n")
    job = json.loads(run_ok(place, "describe", job_id, "--format=json"))
    assert (job["jobId"], job["state"]) == (job_id, "SUCCEEDED")
    assert job["createTime"] <= job["startTime"] <= job["endTime"]
    assert job["trainingInput"]["args"][-1] == "--train_steps_per_eval=4"
    assert job["trainingInput"]["workerConfig"]["acceleratorConfig"]["count"] == "8"
    output = job["trainingOutput"]["builtInAlgorithmOutput"]
    model_dir = f"{bucket.url}/algorithm_training/{job_id}/model"
    assert output["modelPath"] == model_dir
    assert job["etag"]


def test_a_job_outlives_the_shell_that_submitted_it(place):
    fake_docker(place, "echo started; sleep 1; echo done")
    flags = " ".join(f"'{flag}'" for flag in FLAGS)
    script = (
        f"{JOBS} submit training one --master-image-uri=mine -- {flags}; kill -HUP 0"
    )
    subprocess.run(
        ["bash", "-c", script], cwd=place, capture_output=True, start_new_session=True
    )
    log = run_ok(place, "stream-logs", "one")
    assert "started\ndone\n" in log
    assert state(place, "one") == "SUCCEEDED"


def test_a_container_gets_flags_folders_and_the_services_variables(place):
    fake_docker(place, 'for one in "$@"; do echo "$one"; done')
    assert submit(place, "one", "--stream-logs").returncode == 0
    log = run_ok(place, "stream-logs", "one").splitlines()
    assert "--name=one" in log
    assert f"--volume={place / 'data'}:{place / 'data'}" in log
    assert "--env=CLOUD_ML_JOB_ID=one" in log
    assert log[log.index("mine") + 1 :][: len(FLAGS)] == FLAGS


@pytest.mark.parametrize(
    ("script", "expected", "starts"),
    [
        ("echo DataError: no such data; exit 1", "FAILED", 1),
        ("exit 125", "FAILED", 1),
        ("exit 2", "FAILED", 6),
        ("kill -9 $$", "FAILED", 6),
        ("test -e again && exit 0; touch again; exit 143", "SUCCEEDED", 2),
    ],
    ids=["owner's mistake", "docker's error", "bug", "killed", "interrupted"],
)
def test_work_that_fails_is_restarted_where_that_can_help(
    place, script, expected, starts
):
    fake_docker(place, f"echo started\n{script}")
    done = submit(place, "one", "--stream-logs")
    assert done.returncode == (0 if expected == "SUCCEEDED" else 1)
    assert f"state: {expected}" in done.stdout
    assert done.stderr.count("started\n") == starts
    job = json.loads(run_ok(place, "describe", "one", "--format=json"))
    assert ("errorMessage" in job) == (expected == "FAILED")
    if starts == 1 and "DataError" in script:
        assert "exited with a non-zero status of 1" in job["errorMessage"]
        assert "DataError: no such data" in job["errorMessage"]


def test_stream_logs_goes_on_after_a_restart_of_it(place):
    fake_docker(place, "echo first; while ! test -e go; do sleep 0.05; done; echo last")
    submit(place, "one")
    with subprocess.Popen(
        [*JOBS.split(), "stream-logs", "one"],
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while "first" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        assert "The job goes on" in process.stderr.read()
    assert process.returncode == 130
    assert state(place, "one") == "RUNNING"
    (place / "go").touch()
    log = run_ok(place, "stream-logs", "one", "--polling-interval=0.1")
    assert "first\nlast\n" in log


def test_a_killed_supervisor_is_noticed_and_its_work_ends(place):
    fake_docker(
        place,
        "trap 'echo saved; exit 143' TERM\necho $PPID > supervisor\n"
        "while :; do sleep 0.05; done",
    )
    submit(place, "one")
    while not (place / "supervisor").exists() or not (
        text := (place / "supervisor").read_text()
    ):
        time.sleep(0.05)
    os.kill(int(text), signal.SIGKILL)
    log = run_ok(place, "stream-logs", "one")
    assert "saved" in log
    job = json.loads(run_ok(place, "describe", "one", "--format=json"))
    assert job["state"] == "FAILED"
    assert "was killed" in job["errorMessage"]
    assert run_ok(place, "list", "--format=value(jobId,state)") == "one\tFAILED\n"


def test_cancel_lets_the_work_save_first(place):
    fake_docker(
        place,
        "trap 'sleep 0.5; echo saved; exit 143' TERM\necho up\n"
        "while :; do sleep 0.05; done",
    )
    submit(place, "one")
    wait_for(place, "one", "RUNNING")
    assert run(place, "cancel", "one").returncode == 0
    assert state(place, "one") in ("CANCELLING", "CANCELLED")
    log = run_ok(place, "stream-logs", "one")
    assert "is CANCELLING" in log
    assert log.endswith("is CANCELLED.\n")
    again = run(place, "cancel", "one")
    assert again.returncode == 1
    assert "Job one is CANCELLED; only a job that has not ended" in again.stderr


def test_a_job_ends_when_its_time_is_over(place):
    fake_docker(place, "trap 'exit 143' TERM\nwhile :; do sleep 0.05; done")
    (place / "config.yaml").write_text(
        "trainingInput:\n  scheduling:\n    maxRunningTime: 0.5s\n"
    )
    done = submit(place, "one", "--config=config.yaml", "--stream-logs")
    assert done.returncode == 1
    assert "state: CANCELLED" in done.stdout


def test_hyperparameters_are_tuned(place):
    pytest.importorskip("optuna")
    stand_in = pathlib.Path(tests.__path__[0]) / "fake_docker.py"
    fake_docker(place, f'exec {sys.executable} {stand_in} "$@"')
    tuning.write_config(place, maxTrials=2, maxParallelTrials=2)
    words = ("--config=config.yaml", "--stream-logs")
    done = submit(place, "one", *words, image="good")
    assert done.returncode == 0, done.stderr
    job = json.loads(run_ok(place, "describe", "one", "--format=json"))
    output = job["trainingOutput"]
    assert output["isHyperparameterTuningJob"] is True
    assert output["completedTrialCount"] == "2"
    assert job["trainingInput"]["hyperparameters"]["maxTrials"] == 2


def test_jobs_are_listed_newest_first(place):
    assert "Listed 0 items." in run(place, "list").stderr
    fake_docker(place, "exit 0")
    for job_id in ("one", "two"):
        submit(place, job_id, "--stream-logs", "--labels=owner=me")
        time.sleep(1)
    lines = run_ok(place, "list").splitlines()
    assert lines[0].split() == ["JOB_ID", "STATUS", "CREATED"]
    assert [line.split()[:2] for line in lines[1:]] == [
        ["two", "SUCCEEDED"],
        ["one", "SUCCEEDED"],
    ]
    (only,) = json.loads(run_ok(place, "list", "--limit=1", "--format=json"))
    assert (only["jobId"], only["labels"]) == ("two", {"owner": "me"})


def test_what_is_wrong_is_said_before_there_is_a_job(place):
    def fails(job_id, *words, flags=FLAGS, image=BUILT_IN):
        done = submit(place, job_id, *words, flags=flags, image=image)
        assert done.returncode == 1
        assert run_ok(place, "list", "--format=value(jobId)") == ""
        return done.stderr

    assert "JOB_ID must be letters, digits and underscores" in fails("flowers-1")
    assert "Unknown flag --max_step; did you mean --max_steps?" in fails(
        "one", flags=[*FLAGS, "--max_step=3"]
    )
    assert "--config=nowhere.yaml is not there" in fails("one", "--config=nowhere.yaml")
    (place / "config.yaml").write_text("trainingInput:\n  scaleTeir: BASIC\n")
    text = fails("one", "--config=config.yaml")
    assert "config.yaml, line 2: unknown key scaleTeir in trainingInput" in text
    assert "did you mean scaleTier?" in text
    for words in (["describe"], ["stream-logs"], ["cancel"]):
        done = run(place, *words, "nope")
        assert done.returncode == 1
        assert "There is no job nope" in done.stderr


def test_a_name_that_is_taken_is_refused(place):
    fake_docker(place, "exit 0")
    submit(place, "one", "--stream-logs")
    done = submit(place, "one")
    assert done.returncode == 1
    assert "There is a job one already; give another JOB_ID." in done.stderr
    assert state(place, "one") == "SUCCEEDED"


def test_an_image_needs_docker(place, monkeypatch):
    monkeypatch.setenv("PATH", str(place / "bin"))
    done = submit(place, "one")
    assert done.returncode == 1
    assert "--master-image-uri=mine needs the command docker" in done.stderr


def test_a_real_job_that_is_cancelled_leaves_a_checkpoint(place, data_dir):
    flags = jobs.command(data_dir, place / "out", max_steps=100_000)[3:]
    submit(place, "one", flags=flags, image=BUILT_IN)
    deadline = time.monotonic() + TIMEOUT_SECS
    while not list(place.glob("out/checkpoints/*.index")):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    run(place, "cancel", "one")
    log = run_ok(place, "stream-logs", "one")
    assert "Ended by SIGTERM; the same command resumes." in log
    assert state(place, "one") == "CANCELLED"
    described = run_ok(place, "describe", "one", "--format=value(errorMessage)")
    assert described == "\n"
