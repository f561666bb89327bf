import multiprocessing
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from trainer import errors
from trainer.data import progress, workers

# Starts two processes, names them, and waits to be killed.
PARENT = """
import os, sys, time
from trainer.data import workers
if __name__ == "__main__":
    with workers.CURRENT.opened(2):
        workers.CURRENT.call(os.getpid)
        print(*workers.CURRENT._pool._processes, flush=True)
        time.sleep(60)
"""
SECS_TO_WAIT = 30
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def raise_data_error():
    raise errors.DataError("bad record")


def stop_all():
    progress.CURRENT.stop.set()


def wait_for_file(path):
    deadline = time.monotonic() + SECS_TO_WAIT
    while not os.path.exists(path):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return os.getpid()


def wait_for_stop():
    return progress.CURRENT.stop.wait(SECS_TO_WAIT)


def handles_interrupts():
    return signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


def is_running(pid):
    try:
        state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1]
    except FileNotFoundError:
        return False
    return state.split()[0] != "Z"


@pytest.fixture
def opened():
    progress.CURRENT.reset("convert")
    with workers.CURRENT.opened(1):
        yield workers.CURRENT
    progress.CURRENT.reset("convert")


def test_without_processes_the_caller_does_the_work():
    assert workers.CURRENT.call(os.getpid) == os.getpid()


def test_work_is_done_elsewhere_and_errors_come_back_as_they_are(opened):
    assert opened.call(os.getpid) != os.getpid()
    with pytest.raises(errors.DataError, match=r"^bad record$"):
        opened.call(raise_data_error)


def test_caller_goes_on_while_a_process_works(opened, tmp_path):
    path = tmp_path / "sign"
    wait = opened.submit(wait_for_file, str(path))
    path.touch()
    assert wait() != os.getpid()


def test_without_processes_submitted_work_is_done_when_it_is_waited_for(tmp_path):
    path = tmp_path / "sign"
    wait = workers.CURRENT.submit(wait_for_file, str(path))
    path.touch()
    assert wait() == os.getpid()


def test_an_error_of_the_caller_stops_what_runs():
    progress.CURRENT.reset("convert")
    submitted = []

    def fail_meanwhile():
        with workers.CURRENT.opened(1):
            submitted.append(workers.CURRENT.submit(wait_for_stop))
            raise errors.ConfigError("no Beam")

    with pytest.raises(errors.ConfigError, match="no Beam"):
        fail_meanwhile()
    (is_stopped,) = submitted
    assert is_stopped()


def test_one_stops_all(opened):
    assert not progress.CURRENT.stop.is_set()
    opened.call(stop_all)
    assert progress.CURRENT.stop.is_set()


def test_afterwards_there_are_no_processes_and_no_stop():
    progress.CURRENT.reset("convert")
    with workers.CURRENT.opened(1):
        workers.CURRENT.call(stop_all)
    assert not multiprocessing.active_children()
    assert not progress.CURRENT.stop.is_set()
    assert workers.CURRENT.call(os.getpid) == os.getpid()


def test_ctrl_c_is_left_to_the_first_process(opened):
    assert handles_interrupts()
    assert not opened.call(handles_interrupts)


def test_death_for_lack_of_memory_is_said(opened):
    with pytest.raises(errors.DataError, match="probably for lack of memory"):
        opened.call(die)


def test_processes_end_with_the_one_that_started_them(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with parent:
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert all(map(is_running, pids))
        parent.kill()
    deadline = time.monotonic() + 10
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_running, pids))
