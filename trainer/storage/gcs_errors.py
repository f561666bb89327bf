"""What Cloud Storage answered -> one sentence for the job's owner."""

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from trainer import errors
from trainer.storage import retries
from trainer.storage.paths import split_gs


class Action(NamedTuple):
    """What was tried: its participle, and the permission that it takes."""

    done: str
    permission: str


@contextlib.contextmanager
def explained(
    path: str, action: Action, *, absent_is_fine: bool = False
) -> Iterator[None]:
    """Turns what the client raises into a StorageError; local errors pass.

    Args:
        path: The gs:// path.
        action: What is being done to it.
        absent_is_fine: Lets the FileNotFoundError for an absent object pass.

    Raises:
        StorageError: If Cloud Storage refused or could not be reached.
        FileNotFoundError: If there is no such object and `absent_is_fine`.
    """
    try:
        yield
    except errors.StorageError:
        raise
    except FileNotFoundError as error:
        # The client's have no number; those of this machine's files do.
        if absent_is_fine or error.errno is not None:
            raise
        raise errors.StorageError(_describe_absent(path, action)) from error
    except Exception as error:
        reason = _describe(error, path, action)
        if reason is None:
            raise
        raise errors.StorageError(
            f"{path} can't be {action.done}: {reason}."
        ) from error


def _describe_absent(path: str, action: Action) -> str:
    bucket, _ = split_gs(path)
    if action.done == "read":
        return (
            f"{path} can't be read: it was removed or replaced after it was listed; "
            "start the job again."
        )
    return (
        f"{path} can't be {action.done}: there is no bucket {bucket}; check its name, "
        f"or make it with: gcloud storage buckets create gs://{bucket}"
    )


def _describe(error: Exception, path: str, action: Action) -> str | None:
    """Why a call failed and what to do; None if the client is not to blame."""
    from trainer.storage import gcs_client

    bucket, _ = split_gs(path)
    text = retries.describe(error)
    if text.startswith("Forbidden"):
        return (
            f"access is denied (403); grant {action.permission} on bucket {bucket} to "
            "the account that runs this job, for example with the role "
            "roles/storage.objectUser"
        )
    if gcs_client.is_unauthenticated(error):
        return (
            f"{_describe_credentials()} (401); set GOOGLE_APPLICATION_CREDENTIALS to a "
            "key file, or run gcloud auth application-default login, with an account "
            f"that has {action.permission} on bucket {bucket}"
        )
    if isinstance(error, retries.GaveUpError):
        noun = "attempt" if error.num_attempts == 1 else "attempts"
        return (
            f"Cloud Storage did not answer as it should in {error.num_attempts} {noun} "
            f"({text}); check the network, then run the same command again"
        )
    if gcs_client.is_refusal(error):
        return f"Cloud Storage refuses it ({text}); check the path"
    return None


def _describe_credentials() -> str:
    from trainer.storage import gcs_client

    if gcs_client.client().credentials.credentials is None:
        return "no Google Cloud credentials were found, and the bucket is not public"
    return "the Google Cloud credentials are expired or not valid"
