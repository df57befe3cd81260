"""The paths of the service, as a Starlette application."""

from collections.abc import Callable, Coroutine
from functools import partial
from time import monotonic
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from geograph_types.errors import GeographTypesError
from geograph_types.serve.assets import ASSETS
from geograph_types.serve.bodies import BodyReader
from geograph_types.serve.document import docs_page, openapi
from geograph_types.serve.messages import StatusAnswer
from geograph_types.serve.metrics import MEDIA_TYPE as METRICS_TYPE
from geograph_types.serve.payloads import media_type
from geograph_types.serve.problems import ProblemError, Reason, problem_of
from geograph_types.serve.service import Service
from geograph_types.serve.settings import Limits
from geograph_types.serve.threads import while_connected

JSON = "application/json"

# From a body, its content type and a deadline to an answer in JSON.
Work = Callable[[bytearray, str, float], Coroutine[Any, Any, bytes]]


def make_app(service: Service, limits: Limits) -> Starlette:
    routes = [*_work(service, limits), *_status(service)]
    document = openapi(service.model.bundle.label)
    files = {
        "/docs": (docs_page(document), "text/html; charset=utf-8"),
        "/openapi.json": (msgspec.json.encode(document), JSON),
        "/health": (msgspec.json.encode(StatusAnswer("ok")), JSON),
    }
    for path, (content, kind) in {**ASSETS, **files}.items():
        page = Response(content, media_type=kind, headers={"Cache-Control": "no-cache"})
        routes.append(Route(path, page, methods=["GET"]))
    app = Starlette(routes=routes, exception_handlers=_handlers(service))
    app.router.redirect_slashes = False
    return app


def _work(service: Service, limits: Limits) -> list[Route]:
    bodies = BodyReader(limits, service.metrics)
    service.metrics.show("body_bytes", "Bytes of the bodies that are held.", lambda: bodies.held)

    async def answer(request: Request, work: Work) -> Response:
        async with bodies.body(request) as body:
            deadline = max(monotonic(), request.state.wait_until) + limits.deadline_seconds
            working = work(body, request.headers.get("content-type", ""), deadline)
            return Response(await while_connected(request, working), media_type=JSON)

    async def image(request: Request) -> Response:
        if media_type(request.headers.get("content-type", "")) != JSON:
            raise ProblemError(415, Reason.CONTENT_TYPE, "send application/json")
        return await answer(request, service.image)

    async def tag(request: Request) -> Response:
        try:
            asked = request.query_params.get("embedding", "false")
            with_embedding = msgspec.convert(asked, bool, strict=False)
        except msgspec.ValidationError:
            detail = "the parameter 'embedding' is neither true nor false"
            raise ProblemError(400, Reason.BAD_REQUEST, detail) from None
        return await answer(request, partial(service.tag, with_embedding=with_embedding))

    async def score(request: Request) -> Response:
        return await answer(request, service.score)

    return [Route(f"/{work.__name__}", work, methods=["POST"]) for work in (image, tag, score)]


def _status(service: Service) -> list[Route]:
    async def ready(_: Request) -> Response:
        if service.model.was_loaded:
            return Response(msgspec.json.encode(StatusAnswer("ready")), media_type=JSON)
        detail = "the model is being loaded"
        raise ProblemError(503, Reason.NOT_READY, detail, {"Retry-After": "1"})

    async def metrics(_: Request) -> Response:
        return Response(service.metrics.page(), headers={"content-type": METRICS_TYPE})

    return [Route(f"/{status.__name__}", status) for status in (ready, metrics)]


def _handlers(service: Service) -> dict[Any, Any]:
    def answer(problem: ProblemError) -> Response:
        service.metrics.refusals.labels(problem.details.reason).inc()
        return problem.response()

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

    refused = dict.fromkeys((ProblemError, GeographTypesError, HTTPException), refuse)
    return {**refused, ClientDisconnect: leave, Exception: fail}
