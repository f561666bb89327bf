import base64
import json

import pytest

from trainer import errors
from trainer.serving import instances

B64 = base64.b64encode(b"\xff\xd8picture").decode()


def test_instance_as_documented():
    value = json.loads(f'{{"image_bytes": {{"b64": "{B64}"}}, "key": "7"}}')
    assert instances.parse_instance(value) == (b"\xff\xd8picture", "7")


def test_key_may_be_absent():
    assert instances.parse_instance({"image_bytes": {"b64": B64}}).key == ""


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ([1], r"found \[1\]"),
        ({}, "found no 'image_bytes'"),
        ({"image_bytes": {"b64": B64}, "image": 1}, "found the name 'image'"),
        ({"image_bytes": B64}, "found image_bytes without 'b64'"),
        ({"image_bytes": {"b64": 3}}, "found image_bytes without 'b64'"),
        ({"image_bytes": {"b64": B64, "x": 1}}, "found image_bytes without 'b64'"),
        ({"image_bytes": {"b64": "a*b="}}, "found b64 that is no base64"),
        ({"image_bytes": {"b64": "å"}}, "found b64 that is no base64"),
        ({"image_bytes": {"b64": ""}}, "found b64 without a byte"),
        ({"image_bytes": {"b64": B64}, "key": 7}, "found a key that is no text but 7"),
        (
            {"image_bytes": {"b64": B64}, "key": "\ud800"},
            "found a key with half of a pair",
        ),
        ({"x" * 900: 1}, f"found the name '{'x' * 39}..."),
    ],
)
def test_anything_else_is_said(value, found):
    with pytest.raises(errors.DataError, match=f"expected .*b64.*, {found}"):
        instances.parse_instance(value)


def test_long_values_are_cut():
    with pytest.raises(errors.DataError) as raised:
        instances.parse_instance({"image_bytes": "A" * 10_000})
    assert len(str(raised.value)) < 200


def test_prediction_as_documented():
    found = json.dumps(instances.format_prediction(2, [0.1, 0.3, 0.6], "1"))
    assert found == '{"classes": 2, "key": "1", "probabilities": [0.1, 0.3, 0.6]}'
