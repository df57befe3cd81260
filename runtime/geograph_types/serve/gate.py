"""What is decided by a request's headers, before a byte of its body is read."""

import hmac
from typing import Final
from urllib.parse import unquote, urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from geograph_types.serve.assets import ASSETS
from geograph_types.serve.bodies import check_size
from geograph_types.serve.document import PATHS
from geograph_types.serve.exchange import Exchange
from geograph_types.serve.problems import ProblemError, Reason
from geograph_types.serve.service import Service
from geograph_types.serve.settings import ServeSettings, host_name
from geograph_types.system.hosts import is_loopback

# What is answered without a token: the page, which asks for one, descriptions, and probes.
OPEN_PATHS: Final = ASSETS.keys() | {"/docs", "/openapi.json", "/health", "/ready"}
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Gate:
    """ASGI middleware that refuses what can be refused at once, and counts all answers."""

    def __init__(self, app: ASGIApp, settings: ServeSettings, service: Service) -> None:
        self._app = app
        self._settings = settings
        self._admission = service.admission
        self._metrics = service.metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        # The application answers HEAD as it does GET; the server leaves out the body.
        scope = {**scope, "method": "GET" if scope["method"] == "HEAD" else scope["method"]}

        def count(status: int) -> None:
            path = scope["path"] if scope["path"] in PATHS else "other"
            self._metrics.answers.labels(path, status).inc()

        seconds = self._settings.limits.receive_seconds
        exchange = Exchange(receive, send, headers, count, seconds)
        try:
            _resolve(scope, headers)
            size = self._check(scope, headers)
            if scope["method"] == "POST":
                async with self._admission.place(size) as wait_until:
                    scope["state"] = {"wait_until": wait_until}
                    await self._app(scope, exchange.receive, exchange.send)
            else:
                await self._app(scope, exchange.receive, exchange.send)
        except ProblemError as problem:  # not of the application, which answers its own
            self._metrics.refusals.labels(problem.details.reason).inc()
            await problem.response()(scope, exchange.receive, exchange.send)

    def _check(self, scope: Scope, headers: dict[str, str]) -> int:
        """Return the size that a body is declared to have; 0 if it is not."""
        token = self._settings.token
        host, origin = headers.get("host"), headers.get("origin")
        # By a foreign name a page elsewhere could reach a service on this machine that nothing else
        # protects. Probes in HTTP/1.0 name no host; browsers always do.
        if token is None and is_loopback(self._settings.host) and host is not None:
            name = host_name(host)
            if not is_loopback(name) and name not in self._settings.allowed_hosts:
                detail = "this host name is not one of the service's: see --allow-host"
                raise ProblemError(421, Reason.FOREIGN_HOST, detail)
        if scope["method"] not in SAFE_METHODS:
            is_foreign = origin is not None and origin.partition("://")[2] != (host or "")
            if is_foreign or headers.get("sec-fetch-site") == "cross-site":
                detail = "requests from pages of other sites are refused"
                raise ProblemError(403, Reason.FOREIGN_ORIGIN, detail)
        if token is not None and scope["path"] not in OPEN_PATHS:
            scheme, _, given = headers.get("authorization", "").partition(" ")
            # Compared in full whatever the scheme: the time tells nothing.
            same = hmac.compare_digest(given.strip().encode(), token.encode())
            if scheme.lower() != "bearer" or not same:
                detail = "send the header 'Authorization: Bearer' with the service's token"
                raise ProblemError(401, Reason.NO_TOKEN, detail, {"WWW-Authenticate": "Bearer"})
        if "content-length" in headers and "transfer-encoding" in headers:
            detail = "a request has a Content-Length or a Transfer-Encoding, not both"
            raise ProblemError(400, Reason.BAD_REQUEST, detail)
        size = int(headers.get("content-length", 0))  # digits, as the server has checked
        check_size(size, self._settings.limits)
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if scope["method"] == "POST" and encoding != "identity":
            detail = f"the body is encoded ({encoding[:40]}): send it as it is"
            advice = {"Accept-Encoding": "identity"}
            raise ProblemError(415, Reason.CONTENT_ENCODING, detail, advice)
        return size


def _resolve(scope: Scope, headers: dict[str, str]) -> None:
    """Resolve a target in absolute form, whose host counts (RFC 9112, 3.2.2)."""
    if scope["path"].startswith("/"):
        return
    try:
        target = urlsplit(scope["raw_path"].decode("ascii"))
    except ValueError:
        target = urlsplit("")
    if target.scheme not in ("http", "https") or not target.netloc:
        raise ProblemError(400, Reason.BAD_REQUEST, "the address is not a path: send one, as /tag")
    scope["path"] = unquote(target.path) or "/"
    headers["host"] = target.netloc
