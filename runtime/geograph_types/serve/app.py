"""The paths of the service, as a FastAPI application."""

from collections.abc import Callable, Coroutine
from functools import partial
from http import HTTPStatus
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from geograph_types.errors import GeographTypesError
from geograph_types.serve import document
from geograph_types.serve.assets import ASSET_PATHS, page_asset
from geograph_types.serve.bodies import BodyReader
from geograph_types.serve.messages import StatusAnswer
from geograph_types.serve.metrics import MEDIA_TYPE as METRICS_TYPE
from geograph_types.serve.payloads import media_type
from geograph_types.serve.problems import ProblemError, Reason, problem_of
from geograph_types.serve.service import Service
from geograph_types.serve.settings import Limits
from geograph_types.serve.threads import while_connected

Work = Callable[[bytearray, str], Coroutine[Any, Any, bytes]]
"""From a body and its content type to an answer in JSON."""

NO_ANSWER = Response(status_code=499)
"""For a client that has left; nobody reads it."""


def make_app(service: Service, limits: Limits) -> FastAPI:
    app = FastAPI(
        title="geograph-types",
        summary="Type tags and CLIP embeddings of Geograph photographs.",
        version=service.model.bundle.label,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    bodies = BodyReader(limits, service.metrics)
    service.metrics.show("body_bytes", "Bytes of the bodies that are held.", lambda: bodies.held)
    _add_errors(app, service)
    _add_work(app, service, bodies)
    _add_status(app, service)
    _add_pages(app)
    document.complete(app)
    return app


def _add_work(app: FastAPI, service: Service, bodies: BodyReader) -> None:
    async def answer(request: Request, work: Work) -> Response:
        async with bodies.body(request) as body:
            return _json(await while_connected(request, work(body, _content_type(request))))

    @app.post("/image", **document.IMAGE)
    async def image(request: Request) -> Response:
        """Embed a photo: a list of 512 numbers, raw, not normalised."""
        if media_type(_content_type(request)) != "application/json":
            raise ProblemError(415, Reason.CONTENT_TYPE, "send application/json")
        return await answer(request, service.image)

    @app.post("/tag", **document.TAG)
    async def tag(request: Request, embedding: bool = False) -> Response:
        """Tag a photo, with a distance, two positions, or neither."""
        return await answer(request, partial(service.tag, with_embedding=embedding))

    @app.post("/score", **document.SCORE)
    async def score(request: Request) -> Response:
        """Score stored embeddings with their distances; no photo is needed."""
        return await answer(request, service.score)


def _add_status(app: FastAPI, service: Service) -> None:
    @app.get("/health", **document.HEALTH)
    async def health() -> Response:
        """Report that the service runs."""
        return _json(msgspec.json.encode(StatusAnswer("ok")))

    @app.get("/ready", **document.READY)
    async def ready() -> Response:
        """Report whether photos are answered; a dropped model is loaded again when needed."""
        if not service.model.was_loaded:
            raise ProblemError(
                503, Reason.NOT_READY, "the model is being loaded", {"Retry-After": "1"}
            )
        return _json(msgspec.json.encode(StatusAnswer("ready")))

    @app.get("/metrics", **document.METRICS)
    async def metrics() -> Response:
        """Return figures for Prometheus."""
        return Response(service.metrics.page(), headers={"content-type": METRICS_TYPE})


def _add_pages(app: FastAPI) -> None:
    for path in ASSET_PATHS:
        _add_file(app, path, *page_asset(path))

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(document.docs_page(app.openapi()), media_type="text/html")


def _add_file(app: FastAPI, path: str, content: bytes, kind: str) -> None:
    @app.get(path, include_in_schema=False)
    async def page() -> Response:
        return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})


def _add_errors(app: FastAPI, service: Service) -> None:
    def answer(problem: ProblemError) -> Response:
        service.metrics.count_refusal(problem.details.reason)
        return problem.response()

    @app.exception_handler(ProblemError)
    async def refused(_: Request, problem: ProblemError) -> Response:
        return answer(problem)

    @app.exception_handler(GeographTypesError)
    async def unusable(_: Request, error: GeographTypesError) -> Response:
        return answer(problem_of(error))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return answer(ProblemError(400, Reason.BAD_REQUEST, f"{where}: {first['msg']}"))

    @app.exception_handler(HTTPException)
    async def no_such_path(_: Request, error: HTTPException) -> Response:
        reasons = {404: Reason.NOT_FOUND, 405: Reason.METHOD_NOT_ALLOWED}
        reason = reasons.get(error.status_code, Reason.BAD_REQUEST)
        detail = "not a path or method of this service: see /docs"
        return answer(ProblemError(error.status_code, reason, detail, dict(error.headers or {})))

    @app.exception_handler(ClientDisconnect)
    async def has_left(_: Request, __: ClientDisconnect) -> Response:
        return NO_ANSWER

    @app.exception_handler(Exception)
    async def failed(_: Request, __: Exception) -> Response:
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        detail = "an internal error of the service, which its log describes"
        return answer(ProblemError(status, Reason.INTERNAL, detail))


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "")


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")
