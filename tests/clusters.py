"""Jobs of several processes that meet over loopback, as a service would start them."""

import contextlib
import json
import socket
import subprocess

from tests import jobs

TIMEOUT_SECS = 300


def addresses(num_processes):
    """Addresses that were free a moment ago."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(num_processes)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{one.getsockname()[1]}" for one in sockets]


def tf_config(found, number):
    """TF_CONFIG as AI Platform has it for a custom container."""
    cluster = {"master": found[:1], "worker": found[1:]}
    role, index = ("master", 0) if number == 0 else ("worker", number - 1)
    return json.dumps({"cluster": cluster, "task": {"type": role, "index": index}})


@contextlib.contextmanager
def start(data_dir, job_dirs, *, variable="TF_CONFIG", describe=tf_config, **flags):
    """Starts a process for each job-dir; ends those that are left."""
    found = addresses(len(job_dirs))
    processes = []
    try:
        for number, job_dir in enumerate(job_dirs):
            log = open(f"{job_dir}-{number}.log", "w+")  # noqa: SIM115
            env = {**jobs._environment(), variable: describe(found, number)}
            process = subprocess.Popen(
                jobs.command(data_dir, job_dir, **flags), stderr=log, env=env
            )
            processes.append((process, log))
        yield processes
    finally:
        for process, log in processes:
            process.kill()
            process.wait()
            log.close()


def finish(processes):
    """Exit codes and logs, once all have ended."""
    codes = [process.wait(TIMEOUT_SECS) for process, _ in processes]
    return codes, [read_log(log) for _, log in processes]


def read_log(log):
    with open(log.name) as file:
        return file.read()
