import json

import pytest

from trainer import environment, errors
from trainer.training import cluster

# As AI Platform writes TF_CONFIG, and Vertex AI TF_CONFIG and CLUSTER_SPEC.
AI_PLATFORM = {
    "cluster": {
        "master": ["cmle-training-master-a-0:2222"],
        "ps": ["cmle-training-ps-a-0:2222"],
        "worker": ["cmle-training-worker-a-0:2222", "cmle-training-worker-a-1:2222"],
    },
    "environment": "cloud",
    "job": {"scale_tier": "CUSTOM"},
}
VERTEX = {
    "cluster": {
        "workerpool0": ["cmle-training-workerpool0-a-0:2222"],
        "workerpool1": ["cmle-training-workerpool1-a-0:2222"],
        "workerpool2": ["cmle-training-workerpool2-a-0:2222"],
    },
    "environment": "cloud",
    "openPorts": [3333],
}


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for name in environment.CLUSTER_VARIABLES:
        monkeypatch.delenv(name, raising=False)


def place(monkeypatch, variable, description, role, index=0):
    task = {"type": role, "index": index}
    monkeypatch.setenv(variable, json.dumps({**description, "task": task}))
    return cluster.own_cluster()


def test_without_a_variable_a_process_is_alone_and_chief():
    found = cluster.own_cluster()
    assert found.is_alone
    assert found.is_chief
    assert not found.idle_role


@pytest.mark.parametrize(
    ("role", "index", "number"), [("master", 0, 0), ("worker", 0, 1), ("worker", 1, 2)]
)
def test_ai_platforms_master_is_the_chief(monkeypatch, role, index, number):
    found = place(monkeypatch, "TF_CONFIG", AI_PLATFORM, role, index)
    assert found.number == number
    assert found.is_chief == (number == 0)
    assert len(found.addresses) == 3
    assert found.addresses[0] == "cmle-training-master-a-0:2222"


@pytest.mark.parametrize(("role", "number"), [("workerpool0", 0), ("workerpool1", 1)])
def test_vertex_ais_first_pool_is_the_chief(monkeypatch, role, number):
    found = place(monkeypatch, "CLUSTER_SPEC", VERTEX, role)
    assert (found.number, len(found.addresses)) == (number, 2)


@pytest.mark.parametrize(
    ("variable", "description", "role"),
    [
        ("TF_CONFIG", AI_PLATFORM, "ps"),
        ("TF_CONFIG", AI_PLATFORM, "evaluator"),
        ("CLUSTER_SPEC", VERTEX, "workerpool2"),
    ],
)
def test_parameter_servers_and_evaluators_have_nothing_to_do(
    monkeypatch, variable, description, role
):
    found = place(monkeypatch, variable, description, role)
    assert found.idle_role == role
    assert not found.is_chief


def test_without_a_chief_the_first_worker_is_it(monkeypatch):
    description = {"cluster": {"worker": ["a:1", "b:1"]}}
    assert place(monkeypatch, "TF_CONFIG", description, "worker", 0).is_chief
    assert not place(monkeypatch, "TF_CONFIG", description, "worker", 1).is_chief


def test_tf_config_counts_more_and_may_lack_a_cluster(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", '{"task": {"trial": "1"}}')
    found = place(monkeypatch, "CLUSTER_SPEC", VERTEX, "workerpool1")
    assert found.number == 1


@pytest.mark.parametrize(
    ("description", "role", "index", "message"),
    [
        ({"cluster": ["a:1"]}, "worker", 0, "expected an object"),
        ({"cluster": {"worker": "a:1"}}, "worker", 0, 'lists of "host:port"'),
        ({"cluster": {"worker": [1]}}, "worker", 0, 'lists of "host:port"'),
        ({"cluster": {"worker": ["a:1"]}}, "cook", 0, r"role of the cluster \(worker"),
        ({"cluster": {"worker": ["a:1"]}}, "chief", 0, "task.type"),
        ({"cluster": {"worker": ["a:1"]}}, "worker", 1, "0 to 0 for worker, got '1'"),
        ({"cluster": {"worker": ["a:1"]}}, "worker", "x", "0 to 0 for worker"),
        ({"cluster": {"chief": ["a:1", "b:1"]}}, "chief", 0, "one chief at most"),
    ],
)
def test_what_makes_no_sense_is_named(monkeypatch, description, role, index, message):
    with pytest.raises(errors.ConfigError, match=message):
        place(monkeypatch, "TF_CONFIG", description, role, index)
