import contextlib
import gc
import json
import os
import subprocess
import sys
import tempfile

import pytest

from trainer import environment, errors

VARIABLES = ("CLOUD_ML_TRIAL_ID", "TF_CONFIG", "CLUSTER_SPEC")


def trial(number):
    return json.dumps({"task": {"type": "master", "index": 0, "trial": number}})


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"TF_CONFIG": '{"task": {"type": "chief", "index": 0}}'}, None),
        ({"TF_CONFIG": ""}, None),
        ({"CLOUD_ML_TRIAL_ID": "3"}, "3"),
        ({"TF_CONFIG": trial("4")}, "4"),
        ({"CLUSTER_SPEC": trial("5")}, "5"),
        ({"CLOUD_ML_TRIAL_ID": "3", "TF_CONFIG": trial("4")}, "3"),
        ({"TF_CONFIG": trial("4"), "CLUSTER_SPEC": trial("5")}, "4"),
    ],
)
def test_the_trial_id_comes_from_the_first_variable_that_has_one(
    monkeypatch, variables, expected
):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert environment.trial_id() == expected


@pytest.mark.parametrize("text", ["{", "[1]", '{"task": 3}'])
def test_a_broken_cluster_description_is_named(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(errors.ConfigError, match="TF_CONFIG must be a JSON object"):
        environment.trial_id()


def test_the_job_id_is_the_services_or_the_default(monkeypatch):
    monkeypatch.delenv("CLOUD_ML_JOB_ID", raising=False)
    assert environment.job_id("flowers") == "flowers"
    monkeypatch.setenv("CLOUD_ML_JOB_ID", "job_1")
    assert environment.job_id("flowers") == "job_1"


def test_a_process_that_can_write_nowhere_is_told(monkeypatch):
    def nowhere():
        raise FileNotFoundError

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    with pytest.raises(errors.ConfigError, match="run --tmpfs /tmp beside --read-on"):
        environment.check_temporary_dir()


def run_noisy(body, **variables):
    code = f"""
import os, sys
from trainer import environment
environment.quiet_tensorflow()
with environment.importing_tensorflow():
    os.write(2, b"noise ")
    {body}
os.write(2, b"after")
"""
    variables = {**os.environ, **variables}
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True
    )
    return done.stderr


def test_what_libraries_write_at_import_is_held_back():
    assert run_noisy("pass", TF_CPP_MIN_LOG_LEVEL="3") == "after"


def test_it_is_shown_when_the_import_fails():
    stderr = run_noisy("raise ImportError('broken')", TF_CPP_MIN_LOG_LEVEL="3")
    assert stderr.startswith("noise ")
    assert "broken" in stderr


def test_an_import_is_not_interrupted_by_the_collector():
    with environment.importing_tensorflow():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_the_collector_is_back_after_an_import_that_failed():
    with contextlib.suppress(ImportError), environment.importing_tensorflow():
        raise ImportError
    assert gc.isenabled()


def test_who_asked_for_tensorflows_log_sees_it():
    assert run_noisy("pass", TF_CPP_MIN_LOG_LEVEL="0") == "noise after"


@pytest.mark.parametrize(
    ("flags", "asked", "switch"),
    [
        ({"avx2"}, None, "1"),
        ({"avx2"}, "0", "0"),
        ({"sse2"}, None, None),
        (set(), "1", "1"),
    ],
)
def test_onednn_is_preferred_where_it_has_vectors(monkeypatch, flags, asked, switch):
    variable = "TF_ENABLE_ONEDNN_OPTS"
    # Twice, so that what the call sets is undone too.
    monkeypatch.setenv(variable, "")
    monkeypatch.delenv(variable)
    if asked is not None:
        monkeypatch.setenv(variable, asked)
    monkeypatch.setattr(environment, "cpu_flags", lambda: frozenset(flags))
    environment.prefer_onednn()
    assert os.environ.get(variable) == switch
    assert environment.has_onednn() == (switch == "1")


def test_cpu_flags_are_read_on_linux():
    assert sys.platform != "linux" or environment.cpu_flags()


def test_a_process_may_use_some_core():
    assert 1 <= environment.num_cores() <= os.cpu_count()


def test_a_child_has_what_it_is_given_and_nothing_that_a_service_told_us(monkeypatch):
    for name in ("TF_CONFIG", "CLUSTER_SPEC", "CLOUD_ML_TRIAL_ID", "AIP_MODEL_DIR"):
        monkeypatch.setenv(name, "ours")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    found = environment.child_variables(
        {"CLOUD_ML_TRIAL_ID": "3"}, defaults={"OMP_NUM_THREADS": "1", "MORE": "1"}
    )
    assert found["CLOUD_ML_TRIAL_ID"] == "3"
    assert (found["OMP_NUM_THREADS"], found["MORE"]) == ("7", "1")
    assert found["PATH"] == os.environ["PATH"]
    assert not {"TF_CONFIG", "CLUSTER_SPEC", "AIP_MODEL_DIR"} & found.keys()


def test_vertex_folders_lose_the_slash_at_their_end(monkeypatch):
    for name in ("AIP_MODEL_DIR", "AIP_CHECKPOINT_DIR", "AIP_TENSORBOARD_LOG_DIR"):
        monkeypatch.delenv(name, raising=False)
    assert environment.vertex_outputs() == environment.VertexOutputs()
    assert environment.vertex_outputs().root_dir == ""
    monkeypatch.setenv("AIP_MODEL_DIR", "gs://b/out/1/model/")
    monkeypatch.setenv("AIP_CHECKPOINT_DIR", "gs://b/out/1/checkpoints/")
    monkeypatch.setenv("AIP_TENSORBOARD_LOG_DIR", "gs://b/out/1/logs/")
    found = environment.vertex_outputs()
    assert found.model_dir == "gs://b/out/1/model"
    assert found.checkpoint_dir == "gs://b/out/1/checkpoints"
    assert found.log_dir == "gs://b/out/1/logs"
    assert found.root_dir == "gs://b/out/1"


def test_the_platform_says_what_to_serve(monkeypatch):
    for name in ("STORAGE_URI", "HTTP_PORT", "HEALTH_ROUTE", "PREDICT_ROUTE"):
        monkeypatch.setenv(f"AIP_{name}", "")
    assert environment.model_uri() == ""
    assert environment.http_port(8080) == 8080
    assert environment.health_route("/health") == "/health"
    assert environment.predict_route("/predict") == "/predict"
    monkeypatch.setenv("AIP_STORAGE_URI", "gs://bucket/model")
    monkeypatch.setenv("AIP_HTTP_PORT", "8888")
    monkeypatch.setenv("AIP_HEALTH_ROUTE", "/v1/endpoints/7/deployedModels/9")
    monkeypatch.setenv("AIP_PREDICT_ROUTE", "/v1/endpoints/7/deployedModels/9:predict")
    assert environment.model_uri() == "gs://bucket/model"
    assert environment.http_port(8080) == 8888
    assert environment.health_route("/health") == "/v1/endpoints/7/deployedModels/9"
    assert environment.predict_route("/predict").endswith("/9:predict")


@pytest.mark.parametrize("text", ["web", "65536", "-1", "80.0"])
def test_a_broken_port_is_named(monkeypatch, text):
    monkeypatch.setenv("AIP_HTTP_PORT", text)
    with pytest.raises(errors.ConfigError, match="AIP_HTTP_PORT must be a port"):
        environment.http_port(8080)


@pytest.mark.parametrize("text", ["health", "/a b", "/{name}", "/a?b"])
def test_a_broken_route_is_named(monkeypatch, text):
    monkeypatch.setenv("AIP_HEALTH_ROUTE", text)
    with pytest.raises(errors.ConfigError, match="AIP_HEALTH_ROUTE must be a path"):
        environment.health_route("/health")


def test_a_process_knows_how_long_it_runs():
    first = environment.process_secs()
    assert 0 < first < 36_000
    assert environment.process_secs() >= first


# Prints whether memory is kept, and how many pages ten blocks of 64 MB were given.
COUNT_PAGES = """
import ctypes, resource
from trainer import environment
kept = environment.keep_freed_memory()
libc, size = ctypes.CDLL(None), 2**26
libc.malloc.restype = ctypes.c_void_p
def use():
    block = ctypes.c_void_p(libc.malloc(ctypes.c_size_t(size)))
    ctypes.memset(block, 1, size)
    libc.free(block)
use()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    use()
print(int(kept), resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def count_pages(**variables):
    own = {key: value for key, value in os.environ.items() if "MALLOC" not in key}
    own.pop("GLIBC_TUNABLES", None)
    done = subprocess.run(
        [sys.executable, "-c", COUNT_PAGES],
        env={**own, **variables},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    kept, pages = done.stdout.split()
    return bool(int(kept)), int(pages)


def test_freed_memory_is_used_again():
    kept, pages = count_pages()
    assert kept
    # One block alone has 16384 pages of 4 kB, or 32 of 2 MB.
    assert pages < 100


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MALLOC_TRIM_THRESHOLD_", "0"),
        ("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=4096"),
    ],
)
def test_an_allocator_that_the_user_set_stays(variable, value):
    kept, pages = count_pages(**{variable: value})
    assert not kept
    assert pages > 100
