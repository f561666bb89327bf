"""Requests a second and their latency from `serve`, with and without batching.

Each server is a process of its own on loopback, and the clients are another: as many
connections as --clients, each of which sends its next request when it has its answer.
Servers take turns, so that what else the machine does falls on all alike. Every answer
must carry its request's key and the class that the model gives for its picture.

    python benchmarks/serving_load.py --rounds=3 --seconds=6
"""

import argparse
import base64
import concurrent.futures
import contextlib
import io
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import turns  # noqa: E402

PATH = "/v1/models/bench:predict"
NUM_PICTURES = 32
START_SECS = 120
BATCH_METRICS = ("serve_batch_pictures_sum", "serve_batch_pictures_count")


def main() -> None:
    """Measures, and prints a table."""
    options = _parse_options()
    with tempfile.TemporaryDirectory() as work_dir:
        model_dir = _export(os.path.join(work_dir, "model"), options)
        pictures = [_draw(options.side, seed) for seed in range(NUM_PICTURES)]
        rows: dict[int, list[Result]] = {}
        for number in range(options.rounds):
            for size in options.batch_sizes:
                found = _measure(model_dir, size, pictures, options)
                rows.setdefault(size, []).append(found)
                print(f"round {number + 1}: {size}: {found}", file=sys.stderr)
    _print(rows, options)


class Result(NamedTuple):
    """What one server did in one round."""

    requests_per_sec: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    batch_size: float


def _print(rows: dict[int, list[Result]], options: argparse.Namespace) -> None:
    print(f"{turns.describe_processor()}, {len(os.sched_getaffinity(0))} cores")
    print(
        f"{options.model_type}, {options.image_size} px, {options.precision}, JPEGs of "
        f"{options.side} px, {options.clients} clients\n\n"
        "| --max_batch_size | requests/s | min-max | ratio | p50 ms | p99 ms "
        "| CPU ms/request | pictures/batch |\n|---|---|---|---|---|---|---|---|"
    )
    first = np.median([one.requests_per_sec for one in rows[options.batch_sizes[0]]])
    for size, found in rows.items():
        rates = [one.requests_per_sec for one in found]
        rate, p50, p99, cpu, batch = np.median(found, axis=0)
        print(
            f"| {size} | {rate:.0f} | {min(rates):.0f}-{max(rates):.0f} "
            f"| {rate / first:.2f} | {p50:.1f} | {p99:.1f} | {cpu:.2f} | {batch:.1f} |"
        )


def _parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model_type", default="resnet-18")
    parser.add_argument("--image_size", type=int, default=64)
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--side", type=int, default=64, help="of the pictures")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--serve_flags", default="", help="more flags of the server")
    parser.add_argument(
        "--batch_sizes",
        type=lambda text: [int(part) for part in text.split(",")],
        default=[1, 16],
        help="--max_batch_size of each server; ratios are to the first",
    )
    return parser.parse_args()


def _export(model_dir: str, options: argparse.Namespace) -> str:
    """Writes a model with random weights, in a process whose memory is then free."""
    code = (
        "from trainer.models import factory\n"
        "from trainer.serving import export\n"
        f"model = factory.build_model({options.model_type!r}, num_classes=10, "
        f"image_size={options.image_size}, precision={options.precision!r}, seed=0)\n"
        f"export.export_saved_model(model, {model_dir!r}, "
        f"image_size={options.image_size}, num_classes=10)\n"
    )
    subprocess.run([sys.executable, "-c", code], env=_environment(), check=True)
    return model_dir


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}


def _draw(side: int, seed: int) -> bytes:
    """A smooth random JPEG."""
    corners = np.random.default_rng(seed).integers(0, 256, [4, 4, 3]).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(corners).resize((side, side), Image.Resampling.BICUBIC).save(
        buffer, "JPEG", quality=95
    )
    return buffer.getvalue()


def _measure(
    model_dir: str, batch_size: int, pictures: list[bytes], options: argparse.Namespace
) -> Result:
    flags = [f"--max_batch_size={batch_size}", *options.serve_flags.split()]
    with _serving(model_dir, flags) as port:
        clients = [_Client(port, pictures) for _ in range(options.clients)]
        # The first batch of each size takes long.
        _run_all(clients, options.seconds / 3)
        before = _read_metrics(port)
        start = time.perf_counter()
        secs = [one for some in _run_all(clients, options.seconds) for one in some]
        elapsed = time.perf_counter() - start
        cpu_secs, num_pictures, num_batches = _read_metrics(port) - before
    p50, p99 = 1000 * np.percentile(secs, [50, 99])
    return Result(
        requests_per_sec=len(secs) / elapsed,
        p50_ms=p50,
        p99_ms=p99,
        cpu_ms=1000 * cpu_secs / len(secs),
        batch_size=num_pictures / num_batches,
    )


@contextlib.contextmanager
def _serving(model_dir: str, flags: list[str]) -> Iterator[int]:
    """Gives the port of a server that is ready."""
    command = [sys.executable, "-m", "trainer.task", "serve"]
    command += [f"--model_dir={model_dir}", "--model_name=bench"]
    command += ["--host=127.0.0.1", "--port=0", *flags]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=_environment()
    ) as process:
        watchdog = threading.Timer(START_SECS, process.kill)
        watchdog.start()
        try:
            ready = (re.search(r"ready \| http://.*:(\d+)/", x) for x in process.stderr)
            yield int(next(match for match in ready if match)[1])
        finally:
            watchdog.cancel()
            process.terminate()
            process.communicate()


class _Client:
    """One connection, kept open; a request costs it tens of microseconds."""

    def __init__(self, port: int, pictures: list[bytes]) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._encoded = [base64.b64encode(picture).decode() for picture in pictures]
        self._classes: dict[int, int] = {}
        self._count = 0

    def run(self, seconds: float) -> list[float]:
        """Sends requests one after the other, and returns how long each took."""
        secs = []
        end = time.perf_counter() + seconds
        while (start := time.perf_counter()) < end:
            self._ask()
            secs.append(time.perf_counter() - start)
        return secs

    def _ask(self) -> None:
        self._count += 1
        picture = self._count % len(self._encoded)
        key = f"{id(self)}-{self._count}"
        body = (
            f'{{"instances": [{{"image_bytes": {{"b64": "{self._encoded[picture]}"}}, '
            f'"key": "{key}"}}]}}'
        )
        self._socket.sendall(
            f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
            f"{body}".encode()
        )
        (answer,) = self._read()["predictions"]
        # All answers for a picture have the class that the first one had.
        expected = self._classes.setdefault(picture, answer["classes"])
        if (answer["key"], answer["classes"]) != (key, expected):
            raise SystemExit(f"Crossed: asked {key} of {expected}, got {answer}.")

    def _read(self) -> dict:
        received = b""
        while b"\r\n\r\n" not in received:
            received += self._receive()
        head, _, body = received.partition(b"\r\n\r\n")
        length = int(re.search(rb"content-length: (\d+)", head)[1])
        while len(body) < length:
            body += self._receive()
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"Refused: {body.decode()}")
        return json.loads(body)

    def _receive(self) -> bytes:
        part = self._socket.recv(65536)
        if not part:
            raise SystemExit("The server closed a connection.")
        return part


def _run_all(clients: list[_Client], seconds: float) -> list[list[float]]:
    with concurrent.futures.ThreadPoolExecutor(len(clients)) as pool:
        return list(pool.map(lambda client: client.run(seconds), clients))


def _read_metrics(port: int) -> np.ndarray:
    """Processor seconds, pictures and batches so far."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(b"GET /metrics HTTP/1.0\r\nHost: x\r\n\r\n")
        text = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    names = ("process_cpu_seconds_total", *BATCH_METRICS)
    found = [re.search(rf"^{name} (\S+)", text, re.MULTILINE) for name in names]
    return np.array([float(match[1]) for match in found])


if __name__ == "__main__":
    main()
