"""Against a stand-in of Vertex AI's REST endpoint on loopback."""

import http.server
import json
import sys
import threading

import google.cloud
import pytest

from tests import tuning
from trainer import config, errors, task
from trainer.jobs import vertex_client, vertex_job

FLAGS = [
    "--training_data_path=gs://b/train-*",
    "--validation_data_path=gs://b/validation-*",
    "--job-dir=gs://b/out",
    "--num_classes=5",
    "--max_steps=30",
]


def job(*, is_tuning=False):
    return vertex_job.VertexJob("flowers", is_tuning, {}, {}, "", [])


def test_without_the_extra_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.cloud.aiplatform_v1", None)
    monkeypatch.delattr(google.cloud, "aiplatform_v1", raising=False)
    with pytest.raises(errors.ConfigError, match=r"trainer\[vertex\]"):
        vertex_client.send(job(), region="us-central1", project="p")


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path.partition("?")[0], body))
        status = self.server.status
        answer = {"name": "projects/1/locations/us-central1/customJobs/7"}
        if status != 200:
            answer = {"error": {"code": status, "message": "no quota for T4"}}
        text = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args):
        pass


@pytest.fixture
def endpoint(monkeypatch):
    pytest.importorskip("google.cloud.aiplatform_v1", reason="needs the extra vertex")
    server = http.server.HTTPServer(("127.0.0.1", 0), _Handler)
    server.seen, server.status = [], 200
    monkeypatch.setenv(
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM",
        f"http://127.0.0.1:{server.server_port}/",
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def to_vertex(*words):
    return task.main(
        [
            *("jobs", "to-vertex", "flowers", "--region=us-central1", "--project=p"),
            *("--master-image-uri=us-docker.pkg.dev/p/r/trainer", "--submit"),
            *words,
            "--",
            *FLAGS,
        ]
    )


def test_a_custom_job_is_sent(endpoint, caplog):
    caplog.set_level("INFO")
    assert to_vertex() == 0
    ((path, body),) = endpoint.seen
    assert path == "/v1/projects/p/locations/us-central1/customJobs"
    assert body["displayName"] == "flowers"
    (pool,) = body["jobSpec"]["workerPoolSpecs"]
    assert pool["containerSpec"]["args"] == FLAGS
    assert "projects/1/locations/us-central1/customJobs/7" in caplog.text


def test_a_tuning_job_is_sent(endpoint, tmp_path):
    assert to_vertex(f"--config={tuning.write_config(tmp_path)}") == 0
    ((path, body),) = endpoint.seen
    assert path == "/v1/projects/p/locations/us-central1/hyperparameterTuningJobs"
    assert body["studySpec"]["metrics"][0]["metricId"] == "top_1_accuracy"
    assert body["maxTrialCount"] == 6


def test_what_vertex_refuses_is_one_sentence(endpoint, caplog):
    endpoint.status = 429
    assert to_vertex() == 1
    assert "Vertex AI does not take the job (429: " in caplog.text
    assert "no quota for T4" in caplog.text


@pytest.mark.usefixtures("endpoint")
def test_an_endpoint_that_is_not_there_is_said(monkeypatch, caplog):
    monkeypatch.setenv(
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_AIPLATFORM", "http://127.0.0.1:9"
    )
    assert to_vertex() == 1
    assert "Vertex AI can't be reached" in caplog.text


def test_submit_needs_a_region(caplog):
    given = ["--master-image-uri=mine", "--submit", "--", *FLAGS]
    assert task.main(["jobs", "to-vertex", *given]) == 1
    assert "--submit needs --region" in caplog.text


def test_a_project_without_submit_is_refused():
    problems = list(config.ToVertexConfig(project="p").problems())
    assert "give --submit as well" in problems[0]
