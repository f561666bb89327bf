import asyncio

import pytest
from starlette.requests import Request

from trainer import config
from trainer.serving.server import body
from trainer.serving.server.refusals import RefusalError

LIMITS = config.ServeConfig(max_request_mb=1)


def read(receive, headers=()):
    scope = {"type": "http", "method": "POST", "headers": list(headers)}
    return asyncio.run(body.read_body(Request(scope, receive), LIMITS))


def sender(*chunks):
    """A client that sends chunks and then, if they end, nothing."""
    messages = [
        {"type": "http.request", "body": chunk, "more_body": number < len(chunks)}
        for number, chunk in enumerate(chunks, start=1)
    ]

    async def receive():
        return messages.pop(0)

    return receive


def test_chunks_are_put_together():
    assert read(sender(b"ab", b"", b"c")) == b"abc"


def test_a_body_is_read_up_to_its_limit():
    half = b"x" * 500_000
    assert len(read(sender(half, half))) == 1_000_000
    with pytest.raises(RefusalError, match="larger than 1 MB"):
        read(sender(half, half, b"x"))


def test_a_body_without_end_is_not_read_on():
    chunk = b"x" * 1_000_000
    receive = sender(*[chunk] * 100)
    with pytest.raises(RefusalError, match="larger than 1 MB"):
        read(receive)
    for _ in range(95):
        asyncio.run(receive())
    with pytest.raises(IndexError):
        asyncio.run(receive())


def test_a_body_that_does_not_come_is_refused(monkeypatch):
    monkeypatch.setattr(body, "MAX_SECS", 0.01)
    with pytest.raises(RefusalError, match=r"took more than 0\.01 s") as raised:
        read(lambda: asyncio.sleep(3600))
    assert raised.value.status == 408


def test_a_client_that_goes_away_is_no_bug():
    async def receive():
        return {"type": "http.disconnect"}

    with pytest.raises(RefusalError, match="found the end of the connection"):
        read(receive)


def test_a_compressed_body_is_refused():
    with pytest.raises(RefusalError, match="Content-Encoding is 'gzip'") as raised:
        read(sender(b""), [(b"content-encoding", b"gzip")])
    assert raised.value.status == 415
