import gzip
import threading

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.servers import body
from trainer import config
from trainer.serving.predictor import Prediction, Undecodable
from trainer.serving.server import app as app_module
from trainer.serving.server.metrics import Metrics
from trainer.serving.server.service import Service

PREDICT = "/v1/models/flowers:predict"
JOB = config.ServeConfig(model_name="flowers", max_queue=2, max_request_mb=1)
PATHS = app_module.Paths(health="/healthz", predict="/v1/endpoints/1:predict")


class Colours:
    """Two classes; a picture's probability is its length in quarters."""

    def __init__(self):
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.began = threading.Semaphore(0)

    def predict(self, encoded):
        self.began.release()
        assert self.may_answer.wait(30)
        return [self._answer(one) for one in encoded]

    def name_class(self, index):
        return ["red", "<b>green"][index]

    def _answer(self, encoded):
        if encoded == b"bug":
            raise ZeroDivisionError
        if encoded == b"bad":
            return Undecodable("holds a picture that does not decode (why)")
        share = len(encoded) / 4
        return Prediction(int(share < 0.5), np.array([share, 1 - share]))


@pytest.fixture
def colours():
    return Colours()


@pytest.fixture
def service():
    service = Service(JOB, Metrics())
    yield service
    service.close()


def build_client(service):
    built = app_module.build_app(service, JOB, PATHS, service._metrics)
    return TestClient(built, raise_server_exceptions=False)


@pytest.fixture
def client(service, colours):
    service.open(colours, num_workers=1)
    return build_client(service)


@pytest.mark.parametrize(
    "path",
    [PREDICT, "/v1/models/flowers/versions/1:predict", "/v1/endpoints/1:predict"],
)
def test_predictions_as_documented(client, path):
    response = client.post(path, content=body(b".", b"...", keys=["a", "b"]))
    assert (response.status_code, response.json()) == (
        200,
        {
            "predictions": [
                {"classes": 1, "key": "a", "probabilities": [0.25, 0.75]},
                {"classes": 0, "key": "b", "probabilities": [0.75, 0.25]},
            ]
        },
    )


def test_until_the_model_has_answered_health_is_red(service, colours):
    client = build_client(service)
    for response in (client.get("/healthz"), client.post(PREDICT, content=body(b"a"))):
        assert response.status_code == 503
        assert "is being loaded" in response.json()["error"]
        assert response.headers["Retry-After"] == "1"
    status = client.get("/v1/models/flowers").json()
    assert status["model_version_status"][0]["state"] == "LOADING"
    service.open(colours, num_workers=1)
    assert client.get("/healthz").status_code == 200
    assert client.post(PREDICT, content=body(b"a")).status_code == 200


@pytest.mark.parametrize(
    "path", ["/v1/models/flowers", "/v1/models/flowers/versions/1"]
)
def test_status_is_that_of_tensorflow_serving(client, path):
    assert client.get(path).json() == {
        "model_version_status": [
            {
                "version": "1",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            }
        ]
    }


@pytest.mark.parametrize("path", ["/v1/models/x", "/v1/models/flowers/versions/2"])
def test_another_model_is_unknown(client, path):
    for response in (client.get(path), client.post(f"{path}:predict", content=body())):
        assert response.status_code == 404
        assert response.json()["error"].startswith("No model ")
        assert response.json()["error"].endswith("has flowers in version 1.")


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/nope", 404, "Not Found: GET /nope"),
        ("DELETE", PREDICT, 405, f"Method Not Allowed: DELETE {PREDICT}"),
    ],
)
def test_what_has_no_route_is_said_alike(client, method, path, status, message):
    response = client.request(method, path)
    assert (response.status_code, response.json()) == (status, {"error": message})


def test_a_wrong_body_is_said(client):
    response = client.post(PREDICT, content="{")
    assert response.status_code == 400
    assert "found no JSON" in response.json()["error"]


def test_the_picture_that_does_not_decode_is_named(client):
    response = client.post(PREDICT, content=body(b"..", b"bad"))
    assert (response.status_code, response.json()) == (
        400,
        {"error": "instances[1] holds a picture that does not decode (why)."},
    )


def test_a_bug_is_answered_and_logged(client, caplog):
    response = client.post(PREDICT, content=body(b"bug"))
    assert response.status_code == 500
    assert response.json() == {"error": "Internal error; see the server's log."}
    assert "ZeroDivisionError" in caplog.text
    assert client.post(PREDICT, content=body(b"..")).status_code == 200


@pytest.mark.parametrize("size", [1_000_001, 3_000_000, 8_000_000])
def test_a_large_body_is_refused(client, size):
    response = client.post(PREDICT, content=b"x" * size)
    assert response.status_code == 413
    assert "larger than 1 MB (--max_request_mb)" in response.json()["error"]


def test_a_body_at_the_limit_is_read(client):
    content = body(b"..").encode()
    padded = content + b" " * (1_000_000 - len(content))
    assert client.post(PREDICT, content=padded).status_code == 200


def test_a_compressed_body_is_refused(client):
    response = client.post(
        PREDICT,
        content=gzip.compress(body(b"..").encode()),
        headers={"Content-Encoding": "gzip"},
    )
    assert response.status_code == 415


def test_beyond_the_queue_the_answer_is_429(client, service, colours):
    colours.may_answer.clear()
    statuses = []

    def ask():
        response = client.post(PREDICT, content=body(b"..", b".."))
        statuses.append(response.status_code)

    # One runs and one waits; the others are answered while the model is busy.
    threads = [threading.Thread(target=ask) for _ in range(8)]
    assert colours.began.acquire(timeout=30)
    threads[0].start()
    assert colours.began.acquire(timeout=30)
    for thread in threads[1:]:
        thread.start()
    while len(statuses) < 6:
        pass
    assert statuses == [429] * 6
    assert service.num_waiting == 2
    colours.may_answer.set()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] * 2 + [429] * 6


def test_what_happened_is_counted(client):
    client.post(PREDICT, content=body(b"..", b".."))
    client.post(PREDICT, content=body(b"bad"))
    lines = client.get("/metrics").text.splitlines()
    assert 'serve_requests_total{code="200"} 1.0' in lines
    assert 'serve_requests_total{code="400"} 1.0' in lines
    assert "serve_batch_pictures_sum 3.0" in lines
    assert "serve_batch_pictures_count 2.0" in lines
    assert "serve_undecodable_pictures_total 1.0" in lines
    assert "serve_waiting_pictures 0.0" in lines
    assert "serve_ready 1.0" in lines
    assert "serve_request_seconds_count 2.0" in lines
    assert "serve_model_seconds_count 2.0" in lines


def test_the_page_needs_nothing_from_elsewhere(client):
    response = client.get("/")
    assert response.headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert "http" not in response.text.replace('http-equiv="', "")


def test_the_page_is_told_the_models_classes(client):
    assert client.get("/model.json").json() == {
        "name": "flowers",
        "ready": True,
        "labels": ["red", "<b>green"],
    }
