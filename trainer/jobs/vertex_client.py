"""Sends a job to Vertex AI with Google's client, which the extra vertex installs."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from trainer import environment, errors
from trainer.jobs.vertex_job import VertexJob

INSTALL = "pip install 'image-classification-trainer[vertex]'"
_PLAIN_HTTP = "http://"


def send(job: VertexJob, *, region: str, project: str) -> str:
    """Creates the job.

    Args:
        job: The job.
        region: Where.
        project: In which project; empty for that of the credentials.

    Returns:
        Its resource name.

    Raises:
        ConfigError: If the client is not installed, there are no credentials, or
            Vertex AI does not take the job.
    """
    aiplatform = _import_client()
    from google.protobuf import json_format

    with _explained():
        client, found_project = _build_client(aiplatform, region)
        parent = f"projects/{project or found_project}/locations/{region}"
        kind = (
            aiplatform.HyperparameterTuningJob
            if job.is_tuning
            else aiplatform.CustomJob
        )
        message = kind()
        json_format.ParseDict(dict(job.resource), message._pb)
        if job.is_tuning:
            created = client.create_hyperparameter_tuning_job(
                parent=parent, hyperparameter_tuning_job=message
            )
        else:
            created = client.create_custom_job(parent=parent, custom_job=message)
    return str(created.name)


def _import_client() -> Any:
    try:
        from google.cloud import aiplatform_v1
    except ImportError as error:
        raise errors.ConfigError(
            f"--submit needs google-cloud-aiplatform ({error}); run {INSTALL}."
        ) from error
    return aiplatform_v1


def _build_client(aiplatform: Any, region: str) -> tuple[Any, str]:
    """The client, and the project of the credentials."""
    import google.auth
    from google.auth import credentials

    endpoint = environment.vertex_endpoint(region)
    if endpoint.startswith(_PLAIN_HTTP):
        # A stand-in on this machine; nobody's token goes out unencrypted.
        found, project = credentials.AnonymousCredentials(), ""
    else:
        found, project = google.auth.default()
    client = aiplatform.JobServiceClient(
        credentials=found,
        transport="rest",
        client_options={"api_endpoint": endpoint},
    )
    return client, project or ""


@contextmanager
def _explained() -> Iterator[None]:
    """Turns what the client raises into a sentence."""
    import requests
    from google.api_core import exceptions
    from google.auth import exceptions as auth

    try:
        yield
    except auth.DefaultCredentialsError as error:
        raise errors.ConfigError(
            "--submit found no credentials of Google Cloud; run gcloud auth "
            "application-default login, or set GOOGLE_APPLICATION_CREDENTIALS."
        ) from error
    except exceptions.GoogleAPICallError as error:
        raise errors.ConfigError(
            f"Vertex AI does not take the job ({error.code}: {error.message}); the "
            "lines above are what was sent."
        ) from error
    except (auth.GoogleAuthError, requests.RequestException) as error:
        raise errors.ConfigError(
            f"Vertex AI can't be reached ({' '.join(str(error).split())}); see "
            "--region and the network."
        ) from error
