"""The image as its users have it: built from the Dockerfile, run with `docker run`."""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import threading
import time
import uuid

from tests import lock_files

TIMEOUT_SECS = 600
ROOT = pathlib.Path(__file__).parent.parent
# No network, no more rights than a user has, and only /tmp and volumes to write to.
LOCKED = (
    "--network=none",
    "--read-only",
    "--tmpfs=/tmp",
    "--cap-drop=ALL",
    "--security-opt=no-new-privileges",
)
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


class Image:
    """The image of one target.

    Attributes:
        canary: A text that is in each secret of the build.
    """

    def __init__(self, engine, name, canary):
        self.engine = engine
        self.name = name
        self.canary = canary

    def run(self, *flags, options=LOCKED, entrypoint=None, **more):
        """`docker run` to its end; the exit code is the program's."""
        return self.engine.run(
            *("run", "--rm", *options),
            *([f"--entrypoint={entrypoint}"] if entrypoint else []),
            *(self.name, *flags),
            **{"timeout": TIMEOUT_SECS, **more},
        )

    def run_ok(self, *flags, **more):
        """`docker run` that must succeed; returns what it printed and logged."""
        done = self.run(*flags, **more)
        assert done.returncode == 0, done.stderr[-4000:]
        return done.stdout + done.stderr

    def inspect(self):
        return json.loads(self.engine.run_ok("image", "inspect", self.name))[0]

    @contextlib.contextmanager
    def started(self, *flags, options=LOCKED):
        """A container in the background, which is removed at the end."""
        container = Container(
            self.engine,
            self.engine.run_ok("run", "--detach", *options, self.name, *flags),
        )
        try:
            yield container
        finally:
            self.engine.run_ok("rm", "--force", container.id)


class Container:
    """A container that runs."""

    def __init__(self, engine, container_id):
        self.engine = engine
        self.id = container_id

    def wait_for(self, pattern):
        """Waits for a line of the log; returns the match."""
        with subprocess.Popen(
            self.engine.command("logs", "--follow", self.id),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.engine.environment,
        ) as process:
            watchdog = threading.Timer(TIMEOUT_SECS, process.kill)
            watchdog.start()
            try:
                for line in process.stdout:
                    if match := re.search(pattern, line):
                        return match
            finally:
                watchdog.cancel()
                process.kill()
        raise AssertionError(f"no {pattern!r} in\n{self.log()}")

    def wait_until_it_catches(self, number):
        """Waits until process 1 has a handler for a signal; without, it gets none."""
        deadline = time.monotonic() + TIMEOUT_SECS
        look = ("exec", self.id, "grep", "SigCgt", "/proc/1/status")
        while not int(self.engine.run_ok(*look).split()[1], 16) >> number - 1 & 1:
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def cpu_secs(self):
        """Processor time of process 1. Source: proc(5)."""
        stat = self.engine.run_ok("exec", self.id, "cat", "/proc/1/stat")
        user, system = map(int, stat.rpartition(")")[2].split()[11:13])
        return (user + system) / os.sysconf("SC_CLK_TCK")

    def log(self):
        done = self.engine.run("logs", self.id)
        return done.stdout + done.stderr

    def stop(self, *, secs=60):
        """`docker stop`; returns the exit code, 137 if it took longer than `secs`."""
        self.engine.run_ok("stop", f"--time={secs}", self.id)
        return self.state()["ExitCode"]

    def wait(self):
        """Waits for the end; returns the exit code."""
        return int(self.engine.run_ok("wait", self.id, timeout=TIMEOUT_SECS))

    def state(self):
        return json.loads(self.engine.run_ok("inspect", self.id))[0]["State"]


def build(engine, base, work_dir, *, target):
    """`make image` of a target, with the host's way to the package index."""
    canary = uuid.uuid4().hex
    secrets = _write_secrets(pathlib.Path(work_dir), canary)
    name = f"image-classification-trainer-test:{target}"
    flags = ["--network=host", f"--build-arg=BASE_IMAGE={base}"]
    flags += [f"--secret=id={key},src={path}" for key, path in secrets.items()]
    done = subprocess.run(
        [
            *("make", "image", f"TARGET={target}", f"IMAGE={name}"),
            *(f"DOCKER={engine.client}", f"BUILD_FLAGS={' '.join(flags)}"),
        ],
        cwd=ROOT,
        env=engine.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return Image(engine, name, canary)


def _write_secrets(directory, canary):
    """pip's configuration and the certificates that it trusts, both with the canary."""
    certificates = pathlib.Path(os.environ.get("SSL_CERT_FILE", CERTIFICATES))
    lines = [f"# {canary}", "[global]", f"index-url = {lock_files.index_url()}"]
    if certificates.is_file():
        lines.append("cert = /run/secrets/ca_bundle")
    secrets = {"pip_conf": directory / "pip_conf"}
    secrets["pip_conf"].write_text("\n".join(lines) + "\n")
    if certificates.is_file():
        secrets["ca_bundle"] = directory / "ca_bundle"
        text = certificates.read_text(encoding="utf-8", errors="replace")
        secrets["ca_bundle"].write_text(f"{text}\n# {canary}\n", encoding="utf-8")
    return secrets
