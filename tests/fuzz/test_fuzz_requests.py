"""Whatever a request holds, a prediction or a sentence comes back."""

import base64
import contextlib
import io
import json

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies
from PIL import Image
from starlette.testclient import TestClient

from tests import mutations
from trainer import config, errors
from trainer.serving import requests
from trainer.serving.predictor import Prediction, Undecodable
from trainer.serving.server import app, protocol, refusals
from trainer.serving.server.metrics import Metrics
from trainer.serving.server.service import Service

JOB = config.ServeConfig(model_name="flowers", max_queue=20, max_request_mb=1)
PATHS = app.Paths(health="/health", predict="/predict")


def encode(file_format):
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, file_format)
    return base64.b64encode(buffer.getvalue()).decode()


INSTANCES = [
    {"image_bytes": {"b64": encode("PNG")}, "key": "\N{GREEK SMALL LETTER ALPHA}"},
    {"image_bytes": {"b64": encode("GIF")}},
]
BODIES = [
    json.dumps({"instances": INSTANCES}).encode(),
    json.dumps(
        {"instances": INSTANCES[:1], "signature_name": "classify", "parameters": {}},
        ensure_ascii=False,
    ).encode(),
    "\n".join(map(json.dumps, INSTANCES)).encode(),
]
PIECES = [
    b"[" * 600,
    b'{"a":' * 400,
    b"1" * 5000,
    b"1e999",
    b"NaN",
    b'"\\ud800"',
    b"\\ud800",
    b"\\u0000",
    b"null",
    b"[]",
    b"{}",
    b'"key": {},',
]

json_values = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.floats()
    | strategies.integers()
    | mutations.texts,
    lambda inner: (
        strategies.lists(inner, max_size=4)
        | strategies.dictionaries(
            strategies.sampled_from(["instances", "image_bytes", "b64", "key"])
            | mutations.texts,
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
bodies = strategies.one_of(
    mutations.damaged(BODIES, PIECES),
    json_values.map(lambda value: json.dumps(value).encode()),
    json_values.map(lambda value: json.dumps({"instances": [value]}).encode()),
    json_values.map(
        lambda value: json.dumps({"instances": [{"image_bytes": value}]}).encode()
    ),
)


class Model:
    """Knows three kinds of answers."""

    def predict(self, encoded):
        return [
            Undecodable("does not decode (why)")
            if len(one) % 3 == 0
            else Prediction(1, np.array([0.25, 0.75], np.float32))
            for one in encoded
        ]

    def name_class(self, index):
        return str(index)


@pytest.fixture(scope="session")
def client():
    service = Service(JOB, Metrics())
    service.open(Model(), num_workers=2)
    built = app.build_app(service, JOB, PATHS, Metrics())
    # An error of the server itself comes out of `post`.
    with contextlib.closing(service), TestClient(built) as client:
        yield client


@hypothesis.given(bodies)
@mutations.in_time
def test_parsing(body):
    with contextlib.suppress(refusals.RefusalError):
        assert protocol.parse_request(body, JOB)


@hypothesis.given(bodies)
@mutations.in_time
def test_the_whole_server(client, body):
    response = client.post("/v1/models/flowers:predict", content=body)
    assert response.status_code in (200, 400, 413, 429)
    (name,) = response.json()
    assert name == ("predictions" if response.status_code == 200 else "error")
    assert len(response.content) < 20_000


@pytest.fixture(scope="session")
def directory(tmp_path_factory):
    return tmp_path_factory.mktemp("requests")


@hypothesis.given(bodies)
@mutations.in_time
def test_files_of_predict(directory, body):
    path = directory / "request.json"
    path.write_bytes(body)
    with contextlib.suppress(errors.DataError):
        assert requests.read_request(str(path), "request")
