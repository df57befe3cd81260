"""The paths of the service, as a FastAPI application."""

from collections.abc import Callable, Coroutine
from functools import partial
from time import monotonic
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

# From a body, its content type and a deadline to an answer in JSON.
Work = Callable[[bytearray, str, float], Coroutine[Any, Any, bytes]]


def make_app(service: Service, limits: Limits) -> FastAPI:
    app = FastAPI(
        title="geograph-types",
        summary="Type tags and CLIP embeddings of Geograph photographs.",
        version=service.model.bundle.label,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    _add_errors(app, service)
    _add_work(app, service, limits)
    _add_status(app, service)
    for path in ASSET_PATHS:
        _add_file(app, path, *page_asset(path))
    document.complete(app)
    page = document.docs_page(app.openapi()).encode()
    _add_file(app, "/docs", page, "text/html; charset=utf-8")
    return app


def _add_work(app: FastAPI, service: Service, limits: Limits) -> None:
    bodies = BodyReader(limits, service.metrics)
    service.metrics.show("body_bytes", "Bytes of the bodies that are held.", lambda: bodies.held)

    async def answer(request: Request, work: Work) -> Response:
        async with bodies.body(request) as body:
            deadline = max(monotonic(), request.state.wait_until) + limits.deadline_seconds
            working = work(body, request.headers.get("content-type", ""), deadline)
            return _json(await while_connected(request, working))

    @app.post("/image", **document.IMAGE)
    async def image(request: Request) -> Response:
        """Embed a photo: a list of 512 numbers, raw, not normalised."""
        if media_type(request.headers.get("content-type", "")) != "application/json":
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
        if service.model.was_loaded:
            return _json(msgspec.json.encode(StatusAnswer("ready")))
        detail = "the model is being loaded"
        raise ProblemError(503, Reason.NOT_READY, detail, {"Retry-After": "1"})

    @app.get("/metrics", **document.METRICS)
    async def metrics() -> Response:
        """Return figures for Prometheus."""
        return Response(service.metrics.page(), headers={"content-type": METRICS_TYPE})


def _add_file(app: FastAPI, path: str, content: bytes, kind: str) -> None:
    @app.get(path, include_in_schema=False)
    async def file() -> Response:
        return Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})


def _add_errors(app: FastAPI, service: Service) -> None:
    async def refuse(_: Request, error: Exception) -> Response:
        problem = problem_of(error)
        if problem is None:
            raise error
        return answer(problem)

    async def fail(_: Request, __: Exception) -> Response:
        detail = "an internal error of the service, which its log describes"
        return answer(ProblemError(500, Reason.INTERNAL, detail))

    async def leave(_: Request, __: Exception) -> Response:
        return Response(status_code=499)  # nobody reads it

    def answer(problem: ProblemError) -> Response:
        service.metrics.count_refusal(problem.details.reason)
        return problem.response()

    for kind in (ProblemError, GeographTypesError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, refuse)
    app.add_exception_handler(ClientDisconnect, leave)
    app.add_exception_handler(Exception, fail)


def _json(content: bytes) -> Response:
    return Response(content, media_type="application/json")
