"""A Docker engine: the one that runs, or one of our own for the time of the tests."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import time

import pytest

START_SECS = 30
# Without bridge and iptables the host's network stays as it was.
DAEMON_FLAGS = (
    "--bridge=none",
    "--iptables=false",
    "--ip6tables=false",
    "--ip-forward=false",
    "--ip-masq=false",
)
PACKAGES = "apt-get install --no-install-recommends docker.io mmdebstrap"


class Engine:
    """The docker client, told which engine to talk to."""

    def __init__(self, client, host=None):
        self.client = client
        own = {"DOCKER_BUILDKIT": "1"} | ({"DOCKER_HOST": host} if host else {})
        self.environment = {**os.environ, **own}

    def command(self, *arguments):
        return [self.client, *map(str, arguments)]

    def run(self, *arguments, **options):
        """Runs a docker command to its end, whatever that is."""
        return subprocess.run(
            self.command(*arguments),
            **{"capture_output": True, "text": True, "check": False, **options},
            env=self.environment,
        )

    def run_ok(self, *arguments, **options):
        """Runs a docker command that must succeed; returns what it printed."""
        done = self.run(*arguments, **options)
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout.strip()

    def is_up(self):
        return self.run("version").returncode == 0


def _client():
    """Debian's client first: it has BuildKit built in, others need a plugin for it."""
    client = shutil.which("docker", path="/usr/bin") or shutil.which("docker")
    if client is None:
        pytest.skip(f"there is no docker client; on Debian: {PACKAGES}")
    return client


@contextlib.contextmanager
def running_engine(work_dir):
    """The engine that runs already, else one of our own in `work_dir`.

    Skips where there is none and none can be started.
    """
    engine = Engine(_client())
    if engine.is_up():
        yield engine
        return
    daemon = shutil.which("dockerd", path=f"{os.environ['PATH']}:/usr/sbin")
    if daemon is None:
        pytest.skip(f"no Docker engine runs, nor is there a dockerd: {PACKAGES}")
    if os.geteuid() != 0:
        pytest.skip("no Docker engine runs, and only root can start one")
    with _own_daemon(daemon, work_dir) as host:
        yield Engine(engine.client, host)


@contextlib.contextmanager
def _own_daemon(daemon, work_dir):
    """Starts dockerd with all that it keeps in `work_dir`; ends it and removes that."""
    host = f"unix://{work_dir}/docker.sock"
    command = [
        daemon,
        *DAEMON_FLAGS,
        f"--host={host}",
        f"--data-root={work_dir}/data",
        f"--exec-root={work_dir}/exec",
        f"--pidfile={work_dir}/dockerd.pid",
    ]
    log_path = pathlib.Path(work_dir, "dockerd.log")
    with (
        log_path.open("w") as log,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        ) as process,
    ):
        try:
            _wait_for(Engine(_client(), host), process, log_path)
            yield host
        finally:
            process.terminate()
            process.wait(START_SECS)
            _remove(work_dir)


def _wait_for(engine, process, log_path):
    deadline = time.monotonic() + START_SECS
    while not engine.is_up():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.skip(f"dockerd does not start: {log_path.read_text()[-1000:]}")
        time.sleep(0.2)


def _remove(work_dir):
    """Removes what dockerd leaves: mounts first, or what they show would go."""
    mounts = [
        line.split()[4]
        for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()
    ]
    for mount in reversed([one for one in mounts if one.startswith(f"{work_dir}/")]):
        subprocess.run(["umount", mount], check=True)
    for name in ("data", "exec"):
        shutil.rmtree(os.path.join(work_dir, name))
