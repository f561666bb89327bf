import os
import subprocess
import sys

from trainer import storage


def test_one_at_a_time_holds_a_lock(tmp_path):
    path = str(tmp_path / "a" / "lock")
    held = storage.try_lock(path)
    assert held is not None
    assert storage.try_lock(path) is None
    os.close(held)
    again = storage.try_lock(path)
    assert again is not None
    os.close(again)


def test_a_process_that_was_given_the_lock_keeps_it(tmp_path):
    path = str(tmp_path / "lock")
    held = storage.try_lock(path)
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[held]
    ) as process:
        os.close(held)
        assert storage.try_lock(path) is None
        process.communicate(b"\n")
    again = storage.try_lock(path)
    assert again is not None
    os.close(again)
