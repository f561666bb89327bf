"""The word inspect as its users run it: a process of its own."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from tests import pictures

SHARED_DATA = pathlib.Path(os.environ.get("SHARED_DATA", "../shared/data"))


def command(*flags):
    return [sys.executable, "-m", "trainer.task", "inspect", *flags]


def run(*flags):
    return subprocess.run(command(*flags), capture_output=True, text=True, timeout=240)


def write_split(path, labels, first_seed):
    records = [
        pictures.example(pictures.encode(pictures.draw(64, 64, seed=seed)), label)
        for seed, label in enumerate(labels, start=first_seed)
    ]
    pictures.write_records(path, records)


PAGE = """\
            records  bad  files  bad files   MB
train             3    0      1          0  0.0
validation        3    0      1          0  0.0

2 classes (from labels.txt), labels count from 1
class       train  validation
1 cat           1           1  ###############
2 dog           2           2  ##############################

pictures       train  validation
format JPEG        3           3
colour RGB         3           3
width min         64          64
width median      64          64
width max         64          64
height min        64          64
height median     64          64
height max        64          64

pictures that are there twice or more  exact  near
in both train and validation               1     0
  exact:
    {directory}/train-0.tfrecord, record 2
    {directory}/validation-0.tfrecord, record 0

one picture, different labels: 1
  exact:
    {directory}/train-0.tfrecord, record 2 is 2 dog
    {directory}/validation-0.tfrecord, record 0 is 1 cat

warning: 1 picture is in both train and validation: what a model scores on them is no \
forecast; keep each in one split.
warning: 1 picture with more than one label; correct the labels, or leave the records \
out.
A train job on this data would run.
"""


def test_the_page_and_the_json_say_what_is_in_the_data(tmp_path):
    write_split(tmp_path / "train-0.tfrecord", [1, 2, 2], first_seed=0)
    write_split(tmp_path / "validation-0.tfrecord", [1, 2, 2], first_seed=2)
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    done = run(
        f"--data_path={tmp_path}/train-*",
        f"--data_path={tmp_path}/validation-*",
        f"--json={tmp_path}/findings.json",
    )
    assert (done.returncode, done.stdout) == (0, PAGE.format(directory=tmp_path))
    assert "inspect | 6 records | " in done.stderr
    found = json.loads((tmp_path / "findings.json").read_text())
    assert found["splits"]["train"]["records_by_label"] == {"1": 1, "2": 2}
    assert len(found["conflicting_labels"]) == 1
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]


def test_data_that_would_fail_a_job_ends_with_1(tmp_path):
    write_split(tmp_path / "train-0.tfrecord", [1, 2, 5], first_seed=0)
    done = run(f"--data_path={tmp_path}/train-*", "--num_classes=2")
    assert done.returncode == 1
    assert done.stdout.endswith(
        "A train job on this data would fail:\n"
        f"  image/class/label is 5 in {tmp_path}/train-0.tfrecord, record 2; expected "
        "1..2 for 2 classes (--num_classes). Correct --num_classes or the labels.\n"
    )
    assert "Traceback" not in done.stderr


def count_children(process):
    children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children")
    return len(children.read_text().split())


def wait_until(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_gone(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def test_ctrl_c_ends_with_130_and_leaves_no_process(tmp_path):
    write_split(tmp_path / "one", [1], first_seed=0)
    (tmp_path / "train-0").write_bytes((tmp_path / "one").read_bytes() * 50_000)
    with subprocess.Popen(
        command(f"--data_path={tmp_path}/train-*"),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        # One is multiprocessing's own, for clean-up; the other reads.
        wait_until(lambda: count_children(process) >= 2)
        # The parent ignores it, too, while it starts the readers.
        time.sleep(0.5)
        # As a terminal does: to the whole group.
        os.killpg(process.pid, signal.SIGINT)
        log = process.stderr.read()
    assert process.returncode == 130, log
    assert "Traceback" not in log
    wait_until(lambda: is_gone(process.pid))


def test_the_photographs_for_tests_are_clean(tmp_path):
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
    done = run(
        f"--data_path={tmp_path}/train-*", f"--data_path={tmp_path}/validation-*"
    )
    assert done.returncode == 0
    assert "duplicates: none" in done.stdout
    assert "warning" not in done.stdout
