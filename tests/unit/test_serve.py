import os
import re
import signal
import socket

import pytest

from trainer import config, environment, errors
from trainer.serving.server import serve


@pytest.fixture(autouse=True)
def no_platform(monkeypatch):
    for name in ("STORAGE_URI", "HTTP_PORT", "HEALTH_ROUTE", "PREDICT_ROUTE"):
        monkeypatch.delenv(f"AIP_{name}", raising=False)


def run(**flags):
    defaults = {"model_dir": "nowhere", "host": "127.0.0.1", "port": 0}
    serve.run(config.ServeConfig(**{**defaults, **flags}))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"model_dir": ""}, "--model_dir is required where AIP_STORAGE_URI is not set"),
        ({"host": "256.0.0.1", "port": 1}, "Port 1 of 256.0.0.1 can't be listened on"),
    ],
)
def test_what_can_not_work_is_said(flags, message):
    with pytest.raises(errors.ConfigError, match=re.escape(message)):
        run(**flags)


@pytest.mark.parametrize(
    ("num_cores", "gpus", "flags", "expected"),
    [
        (1, [], {}, (1, None)),
        (2, [], {}, (2, "1")),
        (8, [], {}, (3, "2")),
        (16, [], {}, (4, "4")),
        (16, [], {"parallel_batches": 16}, (16, "1")),
        (16, [], {"parallel_batches": 1}, (1, None)),
        (2, [], {"parallel_batches": 4}, (4, "1")),
        (16, [], {"max_batch_size": 2}, (2, "8")),
        (16, ["a GPU"], {}, (1, None)),
        (16, ["a GPU"], {"parallel_batches": 2}, (2, "8")),
    ],
)
def test_batches_share_the_processors(monkeypatch, num_cores, gpus, flags, expected):
    monkeypatch.delenv(environment.OP_THREADS, raising=False)
    monkeypatch.setattr(environment, "num_cores", lambda: num_cores)
    monkeypatch.setattr(serve.tf.config, "list_physical_devices", lambda _: gpus)
    num_batches = serve.share_processors(config.ServeConfig(**flags))
    assert (num_batches, os.environ.get(environment.OP_THREADS)) == expected


def test_threads_that_the_user_set_stay(monkeypatch):
    monkeypatch.setenv(environment.OP_THREADS, "3")
    serve.share_processors(config.ServeConfig(parallel_batches=2))
    assert os.environ[environment.OP_THREADS] == "3"


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(errors.ConfigError, match=f"Port {port} of 127.0.0.1 can't"):
            run(port=port)


def test_a_model_that_can_not_be_loaded_ends_the_server(caplog):
    caplog.set_level("INFO")
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(errors.StorageError, match=r"nowhere has no saved_model.pb"):
        run()
    port = int(re.search(r"http://127.0.0.1:(\d+)/", caplog.text)[1])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    assert signal.getsignal(signal.SIGTERM) is before


def test_the_models_name_is_a_part_of_an_address():
    (problem,) = config.ServeConfig(model_name="a/b").problems()
    assert problem.startswith("--model_name must be letters, digits, dots, hyphens and")
    assert not list(config.ServeConfig(model_name="flowers-2.v_1").problems())
