"""The bytes of a request, as many of them as it may have."""

import asyncio

from starlette.requests import ClientDisconnect, Request

from trainer import config
from trainer.serving.server import refusals

BYTES_PER_MB = 1_000_000
# Whoever sends slower than this holds a connection, and the end of the server, up.
MAX_SECS = 60.0
# A client that still sends does not read what it is told. So a body that is too large
# is read on, up to this many times its limit, and thrown away.
MAX_READ_ON = 4


async def read_body(request: Request, limits: config.ServeConfig) -> bytes:
    """Reads the body.

    Raises:
        RefusalError: If it is compressed, too large, too slow, or its client has gone.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise refusals.encoded_body(encoding)
    try:
        async with asyncio.timeout(MAX_SECS):
            return await _read(request, limits)
    except TimeoutError as error:
        raise refusals.too_slow(MAX_SECS) from error
    except ClientDisconnect as error:
        raise refusals.bad_form("the end of the connection") from error


async def _read(request: Request, limits: config.ServeConfig) -> bytes:
    max_bytes = limits.max_request_mb * BYTES_PER_MB
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= max_bytes:
            chunks.append(chunk)
        elif size > MAX_READ_ON * max_bytes:
            break
        else:
            chunks.clear()
    if size > max_bytes:
        raise refusals.too_large(limits)
    return b"".join(chunks)
