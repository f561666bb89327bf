"""`docker run IMAGE serve`: requests over HTTP, and the end on SIGTERM."""

import contextlib
import http.client
import shutil

import pytest

from tests import pictures, servers
from tests.docker_image import LOCKED

pytestmark = pytest.mark.container

OPTIONS = ("--network=host", *LOCKED[1:])


@pytest.fixture
def model(folder, colour_model_dir):
    shutil.copytree(colour_model_dir, folder / "model")
    return folder


def test_it_answers_and_ends_with_0_on_sigterm(image, model):
    flags = ("--model_dir=model", "--host=127.0.0.1", "--port=0")
    options = (*OPTIONS, f"--volume={model}:/data:ro")
    with image.started("serve", *flags, options=options) as container:
        port = int(container.wait_for(r"http://127\.0\.0\.1:(\d+)/")[1])
        container.wait_for(r"serve \| ready")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with contextlib.closing(connection):
            picture = pictures.encode(pictures.draw_class(2, 3))
            status, answer = servers.ask(
                connection,
                "POST",
                "/v1/models/default:predict",
                servers.body(picture, keys=["a"]),
            )
            assert (status, answer["predictions"][0]["key"]) == (200, "a")
            connection.request("GET", "/")
            page = connection.getresponse()
            assert (page.status, b"<html" in page.read()) == (200, True)
        assert container.stop() == 0, container.log()


def test_as_vertex_ai_runs_it(image, model):
    variables = {
        "AIP_STORAGE_URI": "/data/model",
        "AIP_HTTP_PORT": "0",
        "AIP_HEALTH_ROUTE": "/health",
    }
    options = [f"--env={name}={value}" for name, value in variables.items()]
    volume = f"--volume={model}:/data:ro"
    flags = ("serve", "--host=127.0.0.1")
    with image.started(*flags, options=(*OPTIONS, volume, *options)) as container:
        port = int(container.wait_for(r"http://127\.0\.0\.1:(\d+)/")[1])
        container.wait_for(r"serve \| ready")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        with contextlib.closing(connection):
            connection.request("GET", "/health")
            assert connection.getresponse().status == 200
