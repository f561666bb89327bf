"""gcsfs with our retries, time limits and checks. Imported when a gs:// path is met.

gcsfs repeats a failed request for 33 to 38 seconds without a word, expired credentials
included, and does not check what it downloads. Here each request goes through
`retries`, and a download counts only if size and checksum fit.
"""

import asyncio
import base64
import functools
import io
from typing import Any

import aiohttp
import google.auth.exceptions
import google.auth.transport.requests
import google_crc32c
import requests.exceptions
from fsspec import asyn
from gcsfs import core
from gcsfs.retry import ChecksumError, HttpError, NonRetryableError, validate_response

from trainer.storage import retries
from trainer.storage.paths import StoredFile, split_gs

# A server that is silent for so long has dropped the connection.
TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
# To connect and to be answered when credentials are renewed, which holds up all calls;
# Google's libraries would wait for 120 seconds.
RENEWAL_TIMEOUT = (5, 20)
CHUNK_BYTES = 2**20
UNAUTHORIZED = 401
REQUEST_TIMEOUT = 408
TOO_MANY_REQUESTS = 429
DROPPED = (
    aiohttp.ClientError,
    asyncio.TimeoutError,
    ConnectionError,
    requests.exceptions.RequestException,
    google.auth.exceptions.TransportError,
    ChecksumError,
)


def is_transient(error: Exception) -> bool:
    """True for 408, 429, 5xx, dropped connections and bodies that came incomplete."""
    if isinstance(error, HttpError):
        code = int(error.code or 0)
        return code in (REQUEST_TIMEOUT, TOO_MANY_REQUESTS) or code >= 500
    return isinstance(error, DROPPED)


def is_unauthenticated(error: Exception) -> bool:
    """True where credentials are absent, expired, revoked or malformed."""
    if isinstance(error, HttpError):
        return int(error.code or 0) == UNAUTHORIZED
    return isinstance(error, NonRetryableError | google.auth.exceptions.GoogleAuthError)


def is_refusal(error: Exception) -> bool:
    """True for any other answer that says no."""
    return isinstance(error, HttpError | ValueError | FileExistsError)


class Client(core.GCSFileSystem):
    """A gcsfs file system."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # Before the search for credentials, which may wait for a network as well.
        self.contact = retries.Contact()
        super().__init__(*args, **kwargs)
        _hurry_renewal(self.credentials.credentials)

    async def _request(self, method: str, path: str, *args: Any, **kwargs: Any) -> Any:
        content = kwargs.pop("data", None)

        async def once() -> Any:
            # As a file, which aiohttp sends in pieces and closes: a new one each time.
            data = None if content is None else io.BytesIO(content)
            # Below the decorator that holds gcsfs's own retries.
            call = core.GCSFileSystem._request.__wrapped__
            return await call(self, method, path, *args, data=data, **kwargs)

        return await retries.retry(
            once,
            what=f"{method} {'/'.join(args) or path.partition('?')[0]}",
            is_transient=is_transient,
            contact=self.contact,
        )

    async def _download(self, file: StoredFile, local_path: str) -> None:
        await retries.retry(
            lambda: self._download_once(file, local_path),
            what=file.path,
            is_transient=is_transient,
            contact=self.contact,
        )

    async def _download_once(self, file: StoredFile, local_path: str) -> None:
        await self._set_session()
        bucket, name = split_gs(file.path)
        url = self.url(f"{bucket}/{name}", generation=file.generation or None)
        async with self.session.get(
            url, headers=self._get_headers(None), timeout=TIMEOUT
        ) as response:
            if response.status >= 400:
                validate_response(response.status, await response.read(), url)
            checksum, num_bytes = google_crc32c.Checksum(), 0
            with open(local_path, "wb") as local:
                async for chunk in response.content.iter_chunked(CHUNK_BYTES):
                    local.write(chunk)
                    checksum.update(chunk)
                    num_bytes += len(chunk)
        _check(file, num_bytes, base64.b64encode(checksum.digest()).decode())

    def download(self, file: StoredFile, local_path: str) -> None:
        """Writes an object to a local file, and checks its size and checksum."""
        asyn.sync(self.loop, self._download, file, local_path)


class _Renewal(google.auth.transport.requests.Request):
    """A request for a new token, with our time limits."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(*args, **{"timeout": RENEWAL_TIMEOUT, **kwargs})


def _hurry_renewal(credentials: Any) -> None:
    """Puts time limits on the renewal of credentials, if there are any."""
    if credentials is None:
        return
    refresh = credentials.refresh
    credentials.refresh = lambda request: refresh(_Renewal(request.session))


def _check(file: StoredFile, num_bytes: int, crc32c: str) -> None:
    if num_bytes != file.num_bytes:
        raise ChecksumError(f"{num_bytes} bytes came, expected {file.num_bytes}")
    if file.crc32c and crc32c != file.crc32c:
        raise ChecksumError(f"checksum {crc32c} came, expected {file.crc32c}")


@functools.cache
def client() -> Client:
    """The process's client, with the credentials that Google's libraries find.

    Without any, public buckets can still be read. An emulator (STORAGE_EMULATOR_HOST)
    takes none.
    """
    anonymous = _build("anon")
    if not anonymous.on_google:
        return anonymous
    try:
        return _build("google_default")
    except google.auth.exceptions.GoogleAuthError:
        return anonymous


def _build(token: str) -> Client:
    return Client(
        token=token,
        requests_timeout=TIMEOUT,
        # Other workers write, too: a listing is as it is now.
        use_listings_cache=False,
        skip_instance_cache=True,
    )
