import base64
import io
import json
import types

import pytest

from trainer import errors
from trainer.serving import requests
from trainer.serving.instances import Instance


def build(key):
    text = base64.b64encode(b"picture").decode()
    return {"image_bytes": {"b64": text}, "key": key}


def read(path, text):
    path.write_text(text)
    return requests.read_request(str(path), "instances")


@pytest.mark.parametrize(
    ("text", "places"),
    [
        (json.dumps(build("0")), [""]),
        (json.dumps(build("0"), indent=2), [""]),
        (
            f"{json.dumps(build('0'))}\n\n{json.dumps(build('1'))}\n",
            ["line 1", "line 3"],
        ),
        (
            json.dumps({"instances": [build("0"), build("1")]}),
            ["instance 0", "instance 1"],
        ),
    ],
    ids=["one", "indented", "lines", "body"],
)
def test_a_form_is_understood(tmp_path, text, places):
    path = tmp_path / "request.json"
    assert read(path, text) == [
        (f"{path} {place}".strip(), Instance(b"picture", str(number)))
        for number, place in enumerate(places)
    ]


def test_standard_input_is_read(monkeypatch):
    stream = types.SimpleNamespace(buffer=io.BytesIO(json.dumps(build("0")).encode()))
    monkeypatch.setattr("sys.stdin", stream)
    found = requests.read_request("-", "instances")
    assert found == [("standard input", Instance(b"picture", "0"))]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty, expected an instance a line"),
        ("{}", r"expected \{.*, found no 'image_bytes'"),
        ('{"instances": 3}', "expected 'instances' to be a list of one or more"),
        ('{"instances": [{}]}', "instance 0: expected .* found no 'image_bytes'"),
        (f"{json.dumps(build('0'))}\nnonsense", "line 2: expected JSON such as"),
        ("[" * 100_000, "line 1: expected JSON such as"),
    ],
)
def test_what_is_no_request_is_named(tmp_path, text, message):
    with pytest.raises(errors.DataError, match=f"request.json:? ?{message}"):
        read(tmp_path / "request.json", text)


def test_an_absent_file_is_named():
    with pytest.raises(errors.StorageError, match=r"--instances=a.json matches no f"):
        requests.read_request("a.json", "instances")
