import base64
import io
import json

import numpy as np
import pytest
from PIL import Image

from trainer import config
from trainer.serving.instances import Instance
from trainer.serving.predictor import Prediction, Undecodable
from trainer.serving.server import protocol
from trainer.serving.server.refusals import RefusalError

LIMITS = config.ServeConfig(max_queue=3, max_pixels=1000)


def instance(encoded, **more):
    return {"image_bytes": {"b64": base64.b64encode(encoded).decode()}, **more}


def picture(width, height, file_format="JPEG"):
    buffer = io.BytesIO()
    Image.new("RGB", (width, height)).save(buffer, file_format)
    return buffer.getvalue()


def parse(value):
    return protocol.parse_request(json.dumps(value).encode(), LIMITS)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"parameters": None},
        {"parameters": {}},
        {"signature_name": "serving_default"},
        {"signature_name": "classify"},
    ],
    ids=str,
)
def test_instances_are_read_in_order(more):
    values = [instance(picture(4, 4), key="a"), instance(b"any")]
    assert parse({"instances": values, **more}) == [
        Instance(picture(4, 4), "a"),
        Instance(b"any", ""),
    ]


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"", "found no JSON"),
        (b"\xff\xfe", "found no JSON"),
        (b"[" * 100_000, "found no JSON"),
        (b"[]", "found JSON of type list"),
        (b"{}", "found no list 'instances' with something in it"),
        (b'{"instances": []}', "found no list 'instances'"),
        (b'{"instances": {}}', "found no list 'instances'"),
        (b'{"instances": [1], "x": 1}', "found the name 'x'"),
        (b'{"instances": [1], "parameters": {"top_k": 5}}', "'parameters' with"),
        (b'{"instances": [1], "signature_name": "x"}', "another signature_name than"),
        (b'{"instances": [1], "signature_name": []}', "another signature_name than"),
    ],
)
def test_another_form_is_said(body, found):
    with pytest.raises(RefusalError, match=found) as raised:
        protocol.parse_request(body, LIMITS)
    assert raised.value.status == 400


def test_each_wrong_instance_is_named_by_its_place():
    with pytest.raises(RefusalError) as raised:
        parse({"instances": [{}, instance(b"any"), instance(b"any", key=3)]})
    assert "instances[0]: expected" in raised.value.message
    assert "instances[1]" not in raised.value.message
    assert "instances[2]: expected" in raised.value.message


def test_more_instances_than_may_wait_are_refused():
    with pytest.raises(
        RefusalError, match=r"has 4 instances, more than the 3 .*max_queue"
    ):
        parse({"instances": [instance(b"any")] * 4})


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_a_picture_of_too_many_pixels_is_refused(file_format):
    assert parse({"instances": [instance(picture(25, 40, file_format))]})
    with pytest.raises(
        RefusalError,
        match=r"instances\[0\]: 25 x 41 pixels, more than 1000 .*max_pixels",
    ):
        parse({"instances": [instance(picture(25, 41, file_format))]})


def test_a_size_that_pillow_refuses_is_refused():
    bomb = bytearray(picture(8, 8, "BMP"))
    bomb[18:26] = (100_000).to_bytes(4, "little") * 2
    with pytest.raises(RefusalError, match=r"instances\[0\]: more than 1000 pixels"):
        parse({"instances": [instance(bytes(bomb))]})


def test_an_answer_has_each_instances_key():
    asked = [Instance(b"", "a"), Instance(b"", "")]
    rows = np.array([[0.25, 0.75], [0.5, 0.5]], np.float32)
    answers = [Prediction(1, rows[0]), Prediction(0, rows[1])]
    assert protocol.format_answers(asked, answers) == {
        "predictions": [
            {"classes": 1, "key": "a", "probabilities": [0.25, 0.75]},
            {"classes": 0, "key": "", "probabilities": [0.5, 0.5]},
        ]
    }


def test_pictures_that_do_not_decode_are_named_by_their_place():
    good = Prediction(0, np.ones(1, np.float32))
    bad = Undecodable("holds a picture that does not decode (why)")
    with pytest.raises(RefusalError) as raised:
        protocol.format_answers([Instance(b"", "")] * 3, [bad, good, bad])
    assert (raised.value.status, raised.value.message) == (
        400,
        "instances[0] holds a picture that does not decode (why). "
        "instances[2] holds a picture that does not decode (why).",
    )


def test_a_long_list_of_problems_is_cut():
    bad = [Undecodable("is bad")] * 200
    with pytest.raises(RefusalError, match=r"instances\[9\] is bad\. And 190 more\.$"):
        protocol.format_answers([Instance(b"", "")] * 200, bad)
