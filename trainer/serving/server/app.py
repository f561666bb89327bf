"""The routes: AI Platform's and TensorFlow Serving's REST form, Vertex AI's, the page.

Source: docs/contract.md, "Serve".
"""

import asyncio
import functools
import importlib.resources
import logging
import time
from typing import Any, NamedTuple

import fastapi
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException

from trainer import config
from trainer.serving.server import batching, protocol, refusals
from trainer.serving.server.body import read_body
from trainer.serving.server.metrics import CONTENT_TYPE, Metrics
from trainer.serving.server.service import NotReadyError, Service

VERSION = "1"
# Smaller bodies are parsed sooner than a thread takes them over.
MIN_BYTES_FOR_THREAD = 65_536
# The page has its script and style inside and talks to its own server only.
PAGE_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-cache",
}


class Paths(NamedTuple):
    """Addresses that a platform may choose."""

    health: str
    predict: str


def build_app(
    service: Service, job: config.ServeConfig, paths: Paths, metrics: Metrics
) -> fastapi.FastAPI:
    """Puts the routes together.

    Args:
        service: Answers for pictures, now or later.
        job: Limits of a request.
        paths: Vertex AI's routes.
        metrics: What is counted.
    """
    # Its page of documentation would load scripts from elsewhere.
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    routes = _Routes(service, job, metrics)
    model = "/v1/models/{name}"
    version = f"{model}/versions/{{version}}"
    for path in (f"{model}:predict", f"{version}:predict", paths.predict):
        app.add_route(path, routes.predict, methods=["POST"])
    for path in (model, version):
        app.add_route(path, routes.status, methods=["GET"])
    app.add_route(paths.health, routes.health, methods=["GET"])
    app.add_route("/metrics", routes.metrics, methods=["GET"])
    app.add_route("/model.json", routes.describe, methods=["GET"])
    app.add_route("/", routes.page, methods=["GET"])
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(Exception, _answer_bug)
    return app


class _Routes:
    """One method a route."""

    def __init__(
        self,
        service: Service,
        job: config.ServeConfig,
        metrics: Metrics,
    ) -> None:
        self._service = service
        self._job = job
        self._metrics = metrics

    async def predict(self, request: fastapi.Request) -> Response:
        """POST {"instances": [...]} -> {"predictions": [...]}."""
        start = time.perf_counter()
        code = 500
        try:
            response = await self._predict(request)
            code = response.status_code
        finally:
            self._metrics.requests.labels(str(code)).inc()
            self._metrics.request_secs.observe(time.perf_counter() - start)
        return response

    async def status(self, request: fastapi.Request) -> Response:
        """GET -> TensorFlow Serving's GetModelStatusResponse."""
        try:
            self._check_name(request)
        except refusals.RefusalError as refusal:
            return _answer_refusal(refusal)
        state = "AVAILABLE" if self._service.is_ready else "LOADING"
        status = {"error_code": "OK", "error_message": ""}
        entry = {"version": VERSION, "state": state, "status": status}
        return JSONResponse({"model_version_status": [entry]})

    async def health(self, _: fastapi.Request) -> Response:
        """GET -> 200 once the model has answered, 503 before."""
        if not self._service.is_ready:
            return _answer_refusal(refusals.not_ready())
        return JSONResponse({"status": "ready"})

    async def metrics(self, _: fastapi.Request) -> Response:
        """GET -> Prometheus' text form."""
        return PlainTextResponse(self._metrics.format(), media_type=CONTENT_TYPE)

    async def describe(self, _: fastapi.Request) -> Response:
        """GET -> what the page has to know of the model."""
        return JSONResponse(
            {
                "name": self._service.name,
                "ready": self._service.is_ready,
                "labels": self._service.labels,
            }
        )

    async def page(self, _: fastapi.Request) -> Response:
        """GET -> the page for people."""
        return HTMLResponse(_read_page(), headers=PAGE_HEADERS)

    async def _predict(self, request: fastapi.Request) -> Response:
        try:
            self._check_name(request)
            body = await read_body(request, self._job)
            asked = await self._parse(body)
            pictures = [one.encoded for one in asked]
            answers = await asyncio.wrap_future(self._service.submit(pictures))
            return JSONResponse(protocol.format_answers(asked, answers))
        except refusals.RefusalError as refusal:
            return _answer_refusal(refusal)
        except batching.QueueFullError:
            return _answer_refusal(refusals.busy(self._job))
        except NotReadyError:
            return _answer_refusal(refusals.not_ready())

    async def _parse(self, body: bytes) -> list[Any]:
        """Reads JSON beside the loop, if it takes long enough to hold others up."""
        parse = functools.partial(protocol.parse_request, body, self._job)
        if len(body) < MIN_BYTES_FOR_THREAD:
            return parse()
        return await asyncio.to_thread(parse)

    def _check_name(self, request: fastapi.Request) -> None:
        """Raises RefusalError if the address names another model or version."""
        name = request.path_params.get("name", self._service.name)
        version = request.path_params.get("version", VERSION)
        if (name, version) != (self._service.name, VERSION):
            raise refusals.unknown_model(
                f"{name} in version {version}",
                f"{self._service.name} in version {VERSION}",
            )


@functools.cache
def _read_page() -> str:
    files = importlib.resources.files(__package__)
    return files.joinpath("page.html").read_text(encoding="utf-8")


def _answer_refusal(refusal: refusals.RefusalError) -> Response:
    return JSONResponse(
        {"error": refusal.message}, refusal.status, headers=refusal.headers
    )


async def _answer_http_error(request: fastapi.Request, error: Exception) -> Response:
    """What the router has no route for, in the form of all other errors."""
    assert isinstance(error, HTTPException)
    message = f"{error.detail}: {request.method} {request.url.path}"
    return JSONResponse({"error": message}, error.status_code, headers=error.headers)


async def _answer_bug(_: fastapi.Request, error: Exception) -> Response:
    logging.error("Internal error; this is a bug in the server.", exc_info=error)
    return JSONResponse({"error": "Internal error; see the server's log."}, 500)
