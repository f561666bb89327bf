"""The word serve as its users run it: a process of its own."""

import contextlib
import http.client
import json
import queue
import signal
import socket
import threading
import time

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import get_model_status_pb2, predict_pb2

from tests import pictures, servers
from trainer.serving.predictor import Predictor

PREDICT = "/v1/models/default:predict"
NUM_CLIENTS = 16
NUM_REQUESTS = 10_000
JPEGS = [pictures.encode(pictures.draw_class(label, 3)) for label in (2, 0, 1)]


@pytest.fixture(scope="module")
def server(colour_model_dir):
    with servers.serving(f"--model_dir={colour_model_dir}") as server:
        yield server


def test_a_request_as_documented(server, colour_model_dir):
    status, answer = servers.ask(
        server.connect(), "POST", PREDICT, servers.body(*JPEGS, keys="abc")
    )
    assert status == 200
    predictions = answer["predictions"]
    names = ["classes", "key", "probabilities"]
    assert [list(one) for one in predictions] == [names] * 3
    assert [one["key"] for one in predictions] == ["a", "b", "c"]
    expected = Predictor(colour_model_dir).predict(JPEGS)
    assert [one["classes"] for one in predictions] == [2, 0, 1]
    for one, other in zip(predictions, expected, strict=True):
        np.testing.assert_allclose(one["probabilities"], other.probabilities, 1e-5)


def test_under_load_nothing_is_lost_or_crossed(server):
    """Each request has a key of its own and one of 30 pictures of known classes."""
    encoded = [
        pictures.encode(pictures.draw_class(number % 3, 3, seed=number))
        for number in range(30)
    ]
    expected = [
        servers.ask(server.connect(), "POST", PREDICT, servers.body(one))[1]
        for one in encoded
    ]
    numbers = queue.SimpleQueue()
    for number in range(NUM_REQUESTS):
        numbers.put(number)
    answers = {}

    def ask(connection):
        with contextlib.suppress(queue.Empty):
            while True:
                number = numbers.get_nowait()
                content = servers.body(encoded[number % 30], keys=[str(number)])
                answers[number] = servers.ask(connection, "POST", PREDICT, content)

    threads = [
        threading.Thread(target=ask, args=(server.connect(),))
        for _ in range(NUM_CLIENTS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == NUM_REQUESTS
    for number, (status, answer) in answers.items():
        assert status == 200
        (found,), (alone,) = answer["predictions"], expected[number % 30]["predictions"]
        assert found["key"] == str(number)
        assert found["classes"] == number % 3
        np.testing.assert_allclose(
            found["probabilities"], alone["probabilities"], rtol=1e-4
        )


def test_protos_of_tensorflow_serving_take_the_status(server):
    answer = servers.ask(server.connect(), "GET", "/v1/models/default")[1]
    proto = json_format.ParseDict(answer, get_model_status_pb2.GetModelStatusResponse())
    (entry,) = proto.model_version_status
    assert entry.version == 1
    assert entry.state == get_model_status_pb2.ModelVersionStatus.AVAILABLE
    assert answer == json_format.MessageToDict(
        get_model_status_pb2.GetModelStatusResponse.FromString(
            proto.SerializeToString()
        ),
        preserving_proto_field_name=True,
        always_print_fields_with_no_presence=True,
    )


def test_protos_of_tensorflow_serving_take_the_predictions(server, colour_model_dir):
    """The row form becomes the tensors that the signature states, and comes back."""
    content = servers.body(*JPEGS, keys="abc")
    rows = servers.ask(server.connect(), "POST", PREDICT, content)[1]["predictions"]
    signature = tf.saved_model.load(colour_model_dir).signatures["serving_default"]
    response = predict_pb2.PredictResponse()
    response.model_spec.name = "default"
    for name, output in signature.structured_outputs.items():
        column = np.array([row[name] for row in rows], output.dtype.as_numpy_dtype)
        assert output.shape.is_compatible_with(column.shape)
        response.outputs[name].CopyFrom(tf.make_tensor_proto(column))
    text = json_format.MessageToJson(response)
    parsed = json_format.Parse(text, predict_pb2.PredictResponse())
    columns = {name: tf.make_ndarray(one) for name, one in parsed.outputs.items()}
    assert rows == [
        {
            "classes": int(columns["classes"][number]),
            "key": columns["key"][number].decode(),
            "probabilities": columns["probabilities"][number].tolist(),
        }
        for number in range(len(rows))
    ]


def test_one_bad_picture_fails_its_own_request_only(server):
    found = {}

    def ask(name, *sent):
        connection, content = server.connect(), servers.body(*sent)
        for _ in range(10):
            answer = servers.ask(connection, "POST", PREDICT, content)
            found.setdefault(name, []).append(answer)

    requests = {"good": JPEGS, "bad": [*JPEGS, b"no picture"]}
    threads = [
        threading.Thread(target=ask, args=(name, *sent))
        for name, sent in requests.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for status, answer in found["good"]:
        assert status == 200
        assert [one["classes"] for one in answer["predictions"]] == [2, 0, 1]
    for status, answer in found["bad"]:
        assert status == 400
        assert answer["error"].startswith("instances[3] holds a picture that does not")
        assert "instances[0]" not in answer["error"]


def test_a_container_of_vertex_ai(colour_model_dir):
    # As Vertex AI chooses it; here any port that is free.
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    variables = {
        "AIP_STORAGE_URI": colour_model_dir,
        "AIP_HTTP_PORT": str(port),
        "AIP_HEALTH_ROUTE": "/v1/endpoints/7/deployedModels/9",
        "AIP_PREDICT_ROUTE": "/v1/endpoints/7/deployedModels/9:predict",
    }
    with servers.starting(env=variables) as server:
        assert server.port == port
        connection = server.connect()
        health_route = variables["AIP_HEALTH_ROUTE"]
        assert servers.ask(connection, "GET", health_route)[0] == 503
        server.wait_for(r"serve \| ready")
        assert servers.ask(connection, "GET", health_route)[0] == 200
        content = json.loads(servers.body(JPEGS[0]))
        content["parameters"] = None
        status, answer = servers.ask(
            connection, "POST", variables["AIP_PREDICT_ROUTE"], json.dumps(content)
        )
        assert (status, answer["predictions"][0]["classes"]) == (200, 2)


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_signal_ends_it_after_what_was_accepted(colour_model_dir, number):
    with servers.serving(f"--model_dir={colour_model_dir}") as server:
        idle, busy = server.connect(), server.connect()
        assert servers.ask(idle, "GET", "/health")[0] == 200
        # A request of which half has come was accepted.
        content = servers.body(*JPEGS).encode()
        busy.putrequest("POST", PREDICT)
        busy.putheader("Content-Length", str(len(content)))
        busy.endheaders(content[:100])
        # Gives the server the time to read it.
        servers.ask(server.connect(), "GET", "/health")
        server.process.send_signal(number)
        server.wait_for(r"serve \| ending")
        wait_until_refused(server.port)
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            servers.ask(idle, "GET", "/health")
        busy.send(content[100:])
        response = busy.getresponse()
        answer = json.loads(response.read())
        assert response.status == 200
        assert [one["classes"] for one in answer["predictions"]] == [2, 0, 1]
        assert server.end() == 0
        assert server.log.endswith("serve | ended\n")


def wait_until_refused(port):
    deadline = time.monotonic() + servers.TIMEOUT_SECS
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            return
        except ConnectionResetError:
            # It came between the listener's last look and its end.
            continue
    raise AssertionError("connections are still taken")


def test_a_signal_while_the_model_loads_ends_it(colour_model_dir):
    with servers.starting(f"--model_dir={colour_model_dir}") as server:
        server.process.send_signal(signal.SIGTERM)
        assert server.end() == 0
