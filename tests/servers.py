"""Servers as their users run them: processes of their own, on loopback."""

import base64
import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
import threading

TIMEOUT_SECS = 120
# What a machine of Vertex AI sets.
DROPPED = ("AIP_", "TF_CPP")


class Server:
    """A process that serves, and what it logs."""

    def __init__(self, process):
        self.process = process
        self.log = ""
        self.port = 0
        self._connections = contextlib.ExitStack()

    def wait_for(self, pattern):
        """Reads the log until a line has the pattern; returns the match."""
        for line in self.process.stderr:
            self.log += line
            if match := re.search(pattern, line):
                return match
        raise AssertionError(f"no {pattern!r} in\n{self.log}")

    def connect(self):
        """A connection that lasts as long as the server."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=TIMEOUT_SECS
        )
        self._connections.callback(connection.close)
        return connection

    def close(self):
        """Kills it, if it still runs."""
        self.process.kill()
        self._connections.close()

    def end(self):
        """Waits for the end, and returns the exit code."""
        self.log += self.process.communicate(timeout=TIMEOUT_SECS)[1]
        return self.process.returncode


def command(*flags):
    return [sys.executable, "-m", "trainer.task", "serve", *flags]


def environment(**variables):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(DROPPED)}
    return {**kept, **variables}


@contextlib.contextmanager
def starting(*flags, env=None):
    """A server whose port is open, on 127.0.0.1; it is killed at the end."""
    given = command("--host=127.0.0.1", *flags)
    variables = environment(**{"AIP_HTTP_PORT": "0", **(env or {})})
    with subprocess.Popen(
        given, stderr=subprocess.PIPE, text=True, env=variables
    ) as process:
        watchdog = threading.Timer(TIMEOUT_SECS, process.kill)
        watchdog.start()
        server = Server(process)
        try:
            server.port = int(server.wait_for(r"loading .* \| http://.*:(\d+)/")[1])
            yield server
        finally:
            watchdog.cancel()
            server.close()


@contextlib.contextmanager
def serving(*flags, env=None):
    """A server that is ready."""
    with starting(*flags, env=env) as server:
        server.wait_for(r"serve \| ready")
        yield server


def body(*pictures, keys=None):
    """The JSON of a request."""
    instances = [
        {"image_bytes": {"b64": base64.b64encode(one).decode()}} for one in pictures
    ]
    for instance, key in zip(instances, keys or (), strict=False):
        instance["key"] = key
    return json.dumps({"instances": instances})


def ask(connection, method, path, content=None):
    """Status and JSON of an answer."""
    connection.request(method, path, content)
    response = connection.getresponse()
    return response.status, json.loads(response.read())
