"""The word serve: loads a model, and answers until the process is asked to end.

Owns the order of things: the port is taken first and health is red; the model is loaded
and answers once; health is green; on SIGTERM or Ctrl-C nothing new is taken, what was
accepted is answered, and the exit code is 0.
"""

import contextlib
import logging
import math
import signal
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from types import FrameType

import tensorflow as tf
import uvicorn
from PIL import Image

from trainer import config, environment, errors
from trainer.serving.predictor import Predictor
from trainer.serving.server import app
from trainer.serving.server.metrics import Metrics
from trainer.serving.server.service import Service

DEFAULT_PORT = 8080
DEFAULT_PATHS = app.Paths(health="/health", predict="/predict")
SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(job: config.ServeConfig) -> None:
    """Serves until SIGTERM or Ctrl-C.

    Raises:
        ConfigError: If there is no model_dir, or the port can't be had.
        StorageError: If there is no SavedModel.
        DataError: If it can't be served.
    """
    model_dir = job.model_dir or environment.model_uri()
    if not model_dir:
        raise errors.ConfigError(
            "--model_dir is required where AIP_STORAGE_URI is not set: the folder with "
            "saved_model.pb, such as JOB_DIR/model."
        )
    # A picture that is too large is refused by --max_pixels, in its answer.
    warnings.simplefilter("ignore", Image.DecompressionBombWarning)
    num_workers = share_processors(job)
    metrics = Metrics()
    service = Service(job, metrics)
    with _signals() as stop, _listen(job) as listener:
        server = _build_server(service, job, metrics)
        with _answering(server, listener, stop):
            _load(service, model_dir, _format_url(listener), num_workers)
            stop.wait()
            logging.info("serve | ending | what was accepted is still answered")
    service.close()
    logging.info("serve | ended")


def share_processors(job: config.ServeConfig) -> int:
    """Gives each batch its processors; returns how many batches run at once.

    Must run before TensorFlow computes. Threads of one op wait for each other, at each
    of a network's hundreds of ops; batches don't (docs/adr/0040-parallel-batches.md).
    """
    num_cores = environment.num_cores()
    has_gpu = bool(tf.config.list_physical_devices("GPU"))
    usual = 1 if has_gpu else math.ceil(math.sqrt(num_cores))
    num_batches = min(job.parallel_batches or usual, job.max_batch_size)
    if num_batches > 1:
        environment.limit_op_threads(max(1, num_cores // num_batches))
    return num_batches


def _load(service: Service, model_dir: str, url: str, num_workers: int) -> None:
    logging.info("serve | loading %s | %s", model_dir, url)
    start = time.monotonic()
    service.open(Predictor(model_dir), num_workers=num_workers)
    logging.info(
        "serve | ready | %s | model %s | %d classes | batches at once: %d | %.1f s",
        url,
        service.name,
        len(service.labels),
        num_workers,
        time.monotonic() - start,
    )


def _build_server(
    service: Service, job: config.ServeConfig, metrics: Metrics
) -> uvicorn.Server:
    paths = app.Paths(
        health=environment.health_route(DEFAULT_PATHS.health),
        predict=environment.predict_route(DEFAULT_PATHS.predict),
    )
    # Its lines are of each start and end; ours say more.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    return uvicorn.Server(
        uvicorn.Config(
            app.build_app(service, job, paths, metrics),
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
        )
    )


def _listen(job: config.ServeConfig) -> socket.socket:
    port = environment.http_port(DEFAULT_PORT) if job.port is None else job.port
    family = socket.AF_INET6 if ":" in job.host else socket.AF_INET
    try:
        return socket.create_server((job.host, port), family=family)
    except OSError as error:
        reason = error.strerror or error
        raise errors.ConfigError(
            f"Port {port} of {job.host} can't be listened on ({reason}); give another "
            "--port or --host, or end what uses it."
        ) from error


def _format_url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


@contextlib.contextmanager
def _signals() -> Iterator[threading.Event]:
    """Gives an event that a signal sets; a second signal ends the process at once."""
    stop = threading.Event()

    def receive(number: int, _: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop.set()

    previous = {number: signal.signal(number, receive) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _answering(
    server: uvicorn.Server, listener: socket.socket, stop: threading.Event
) -> Iterator[None]:
    """Answers requests in a thread; at the end those that were accepted.

    In a thread uvicorn leaves signals alone.
    """

    def answer() -> None:
        try:
            server.run(sockets=[listener])
        finally:
            stop.set()

    thread = threading.Thread(target=answer, name="http")
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
