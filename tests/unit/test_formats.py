import json

import pytest
import yaml

from trainer.jobs import formats

JOB = {"jobId": "one", "trainingInput": {"workerCount": "1", "args": ["a"]}, "b": True}


def test_json_and_yaml_hold_all_keys_in_order_of_names():
    assert json.loads(formats.format_content(JOB, "json")) == JOB
    assert formats.format_content(JOB, "json").index('"b"') == 4
    assert yaml.safe_load(formats.format_content(JOB, "yaml")) == JOB


def test_yaml_of_several_is_several_documents():
    text = formats.format_content([JOB, JOB], "yaml")
    assert list(yaml.safe_load_all(text)) == [JOB, JOB]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("value(jobId)", "one\n"),
        ("value(jobId,trainingInput.workerCount)", "one\t1\n"),
        ("value(b,nothing,jobId.nothing)", "true\t\t\n"),
        ("value(trainingInput.args)", '["a"]\n'),
    ],
)
def test_values_are_found_by_path(name, expected):
    assert formats.format_content(JOB, name) == expected
    assert formats.format_content([JOB, JOB], name) == 2 * expected
