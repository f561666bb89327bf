"""Requests that get no prediction: which status, and what their sender is told."""

from collections.abc import Mapping, Sequence

from trainer import config
from trainer.serving import instances

RETRY = {"Retry-After": "1"}
MAX_NAMED = 10


class RefusalError(Exception):
    """A request that is answered with a status and {"error": message}.

    Attributes:
        status: Of HTTP.
        message: Sentences for whom wrote the client.
        headers: More that the answer has.
    """

    def __init__(
        self, status: int, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


def bad_form(found: str) -> RefusalError:
    """400: the body is no request for predictions.

    Args:
        found: What it is instead.
    """
    return RefusalError(
        400, f'Expected {{"instances": [{instances.EXAMPLE}, ...]}}, found {found}.'
    )


def bad_instances(problems: Sequence[str]) -> RefusalError:
    """400: some of the request's pictures can't be answered for.

    Args:
        problems: One sentence each, with the instance's place.
    """
    more = len(problems) - MAX_NAMED
    named = [*problems[:MAX_NAMED], *([f"And {more} more."] if more > 0 else [])]
    return RefusalError(400, " ".join(named))


def too_many(count: int, limits: config.ServeConfig) -> RefusalError:
    """400: more pictures than may ever wait."""
    return RefusalError(
        400,
        f"The request has {count} instances, more than the {limits.max_queue} that may "
        "wait (--max_queue); send fewer at a time.",
    )


def too_large(limits: config.ServeConfig) -> RefusalError:
    """413: the body is over its limit."""
    return RefusalError(
        413,
        f"The request is larger than {limits.max_request_mb} MB (--max_request_mb); "
        "send fewer or smaller pictures at a time.",
    )


def too_slow(secs: float) -> RefusalError:
    """408: the body did not come."""
    return RefusalError(
        408,
        f"The request's body took more than {secs:g} s; send it again.",
        {"Connection": "close"},
    )


def encoded_body(encoding: str) -> RefusalError:
    """415: the body is compressed."""
    return RefusalError(
        415,
        f"Content-Encoding is {encoding!r}; send the JSON as it is, since pictures are "
        "compressed already.",
    )


def busy(limits: config.ServeConfig) -> RefusalError:
    """429: enough waits."""
    return RefusalError(
        429,
        f"{limits.max_queue} pictures or nearly as many wait (--max_queue); try again "
        "later.",
        RETRY,
    )


def not_ready() -> RefusalError:
    """503: the model has not answered yet, or the server ends."""
    return RefusalError(
        503, "The model is being loaded, or the server ends; try again later.", RETRY
    )


def unknown_model(name: str, known: str) -> RefusalError:
    """404: another model, or another version, is asked for."""
    return RefusalError(404, f"No model {name}; this server has {known}.")
