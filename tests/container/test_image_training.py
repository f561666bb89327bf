"""`docker run IMAGE --flags`: the documented command, its outputs, its exit codes."""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest

from tests import jobs
from tests.docker_image import LOCKED, ROOT, TIMEOUT_SECS

pytestmark = pytest.mark.container

SHARED_DATA = pathlib.Path(os.environ.get("SHARED_DATA", "../shared/data"))
FIRST_STEP_SECS = 15
SMALL = (
    "--model_type=resnet-18",
    "--image_size=32",
    "--train_batch_size=8",
    "--max_steps=8",
    "--warmup_steps=2",
    "--initial_learning_rate=0.01",
)


def mounted(folder, *more):
    return (*LOCKED, f"--volume={folder}:/data", *more)


def train_flags(job_dir="job", **flags):
    """The flags of a job of seconds in /data."""
    return jobs.command("data", job_dir, **flags)[3:]


def documented_command():
    """The `docker run` of README.md."""
    text = (ROOT / "README.md").read_text()
    (command,) = re.findall(r"^    docker run --rm --user (?:.*\\\n)+.*", text, re.M)
    return command


def test_the_command_of_the_readme_trains_and_exports(image, folder):
    # As printed, but that it ends after some steps: the last of equal flags counts.
    image.engine.run_ok("tag", image.name, "image-classification-trainer-readme")
    command = documented_command().replace(
        "image-classification-trainer", "image-classification-trainer-readme"
    )
    done = subprocess.run(
        [
            *("bash", "-c", f'docker() {{ "$DOCKER" "$@"; }}; {command} "$@"', "bash"),
            *("--num_classes=3", *SMALL),
        ],
        cwd=folder,
        env={**image.engine.environment, "DOCKER": image.engine.client},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECS,
        check=False,
    )
    image.engine.run_ok("image", "rm", "image-classification-trainer-readme")
    assert done.returncode == 0, done.stderr
    assert (folder / "jobs/flowers/model/saved_model.pb").is_file()
    assert (folder / "jobs/flowers/report/index.html").is_file()
    metrics = json.loads((folder / "jobs/flowers/metrics.json").read_text())
    assert metrics["best"]["step"] <= 8


def test_photographs_become_a_model_on_a_read_only_root(image, tmp_path):
    photographs = SHARED_DATA / "ci_clothing"
    if not photographs.is_dir():
        pytest.skip(f"SHARED_DATA={SHARED_DATA} has no photographs in ci_clothing/")
    folder = tmp_path / "folder"
    shutil.copytree(photographs, folder / "photos")
    folder.chmod(0o777)
    options = mounted(folder)
    image.run_ok("convert", "--images_dir=photos", "--output_dir=data", options=options)
    image.run_ok("inspect", "--data_path=data/train-*", options=options)
    flags = ("--num_classes=5", *SMALL)
    image.run_ok(*train_flags(report="true"), *flags, options=options)
    assert (folder / "job/report/index.html").is_file()
    model = "--model_dir=job/model"
    said = image.run_ok("predict", model, "photos/val/dress", options=options)
    assert "%" in said
    data = "--data_path=data/validation-*"
    image.run_ok("evaluate", model, data, "--json=scores.json", options=options)
    assert json.loads((folder / "scores.json").read_text())["num_images"] == 60
    image.run_ok(
        *("batch-predict", model, "--data_format=TF_RECORD"),
        *("--output_path=predictions", "data/validation-*"),
        options=options,
    )
    results = list((folder / "predictions").glob("prediction.results-*"))
    assert sum(len(one.read_text().splitlines()) for one in results) == 60


def test_help_says_what_there_is(image):
    said = image.run_ok("--help", options=())
    assert "Usage: python -m trainer.task [WORD]" in said


def test_a_bad_flag_ends_with_1_and_says_which(image, folder):
    done = image.run(*train_flags(num_classes="many"), options=mounted(folder))
    assert done.returncode == 1
    assert "ConfigError: --num_classes" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_first_step_comes_soon(image, folder):
    flags = train_flags(max_steps=1)
    with image.started(*flags, options=mounted(folder)) as container:
        container.wait_for(r"train \| step 1/1")
        # On one free core it comes after as many seconds; other work does not count.
        secs = container.cpu_secs()
    print(f"the first step came after {secs:.1f} seconds of processor time")
    assert secs < FIRST_STEP_SECS


def test_any_user_may_run_it_and_owns_the_outputs(image, folder):
    os.chown(folder, 5555, 6666)
    image.run_ok(*train_flags(), options=mounted(folder, "--user=5555:6666"))
    model = folder / "job/model/saved_model.pb"
    assert (model.stat().st_uid, model.stat().st_gid) == (5555, 6666)


def test_a_user_who_may_not_write_is_told(image, folder):
    options = mounted(folder, "--user=5555:6666")
    done = image.run(*train_flags(), options=options)
    assert done.returncode == 1
    assert "StorageError: --job-dir=job/ can't be written (Permission" in done.stderr
    assert not (folder / "job").exists()


def test_a_root_that_can_be_written_nowhere_is_told(image):
    options = [one for one in LOCKED if one != "--tmpfs=/tmp"]
    done = image.run("predict", "--model_dir=model", "photos", options=options)
    assert done.returncode == 1, done.stderr
    assert "give docker run --tmpfs /tmp beside --read-only" in done.stderr


def test_sigterm_saves_and_the_same_command_resumes(image, folder):
    flags = train_flags(max_steps=100_000, train_steps_per_eval=4)
    with image.started(*flags, options=mounted(folder)) as container:
        container.wait_for(r"eval  \| step 8/")
        assert container.stop() == 143, container.log()
    assert any((folder / "job/checkpoints").iterdir())
    flags = train_flags(max_steps=12, train_steps_per_eval=4)
    assert "resume | step" in image.run_ok(*flags, options=mounted(folder))
    assert (folder / "job/model/saved_model.pb").is_file()


def test_sigterm_ends_a_job_that_has_only_started(image, folder):
    flags = train_flags(max_steps=100_000)
    with image.started(*flags, options=mounted(folder)) as container:
        container.wait_until_it_catches(signal.SIGTERM)
        assert "data  |" not in container.log()
        assert container.stop(secs=60) == 143, container.log()


def test_sigterm_ends_a_word_that_waits(image, folder, colour_model_dir):
    shutil.copytree(colour_model_dir, folder / "model")
    flags = ("predict", "--model_dir=model", "--instances=-")
    options = mounted(folder, "--interactive")
    with image.started(*flags, options=options) as container:
        container.wait_until_it_catches(signal.SIGTERM)
        assert container.stop(secs=60) == 143, container.log()


def test_a_job_that_runs_out_of_memory_is_killed_and_can_be_run_again(image, folder):
    options = mounted(folder, "--memory=300m", "--memory-swap=300m")
    with image.started(*train_flags(), options=options) as container:
        assert container.wait() == 137, container.log()
        assert container.state()["OOMKilled"]
    image.run_ok(*train_flags(), options=mounted(folder))
    assert (folder / "job/model/saved_model.pb").is_file()
