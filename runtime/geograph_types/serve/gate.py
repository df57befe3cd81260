"""What is decided by a request's headers, before a byte of its body is read."""

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from geograph_types.serve.admission import Admission
from geograph_types.serve.assets import ASSET_PATHS
from geograph_types.serve.bodies import body_too_large, declared_size
from geograph_types.serve.metrics import Metrics
from geograph_types.serve.problems import MEDIA_TYPE, ProblemError, Reason
from geograph_types.serve.settings import ServeSettings, host_name
from geograph_types.system.hosts import is_loopback

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

OPEN_PATHS: Final = ASSET_PATHS | {"/docs", "/openapi.json", "/health", "/ready"}
"""What is answered without a token: the page, which asks for one, descriptions, and probes."""

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

SECURITY_HEADERS: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'none'; img-src blob: data: 'self'; script-src 'self'; style-src 'self'; "
        b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
)


class Gate:
    """ASGI middleware that refuses what can be refused at once, and counts all answers."""

    def __init__(
        self,
        app: App,
        settings: ServeSettings,
        admission: Admission,
        metrics: Metrics,
        paths: frozenset[str],
    ) -> None:
        """Stand before an application.

        Args:
            app: the application.
            settings: whom to answer.
            admission: whether there is room for more work.
            metrics: told of every answer.
            paths: that the application has.
        """
        self._app = app
        self._settings = settings
        self._admission = admission
        self._metrics = metrics
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or let it through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_counted(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                path = scope["path"] if scope["path"] in self._paths else "other"
                self._metrics.count_answer(path, message["status"])
                message["headers"] = [*message.get("headers", ()), *SECURITY_HEADERS]
            await send(message)

        try:
            self._check(scope)
        except ProblemError as problem:
            self._metrics.count_refusal(problem.details.reason)
            await _answer(problem, send_counted, close=scope["method"] not in SAFE_METHODS)
            return
        # The application answers HEAD as it does GET; the server leaves out the body.
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        await self._app({**scope, "method": method}, receive, send_counted)

    def _check(self, scope: Scope) -> None:
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        self._check_host(headers.get("host", ""))
        if scope["method"] not in SAFE_METHODS:
            _check_origin(headers)
        if self._settings.token is not None and scope["path"] not in OPEN_PATHS:
            _check_token(headers.get("authorization", ""), self._settings.token)
        size = declared_size(headers.get("content-length"))
        if size > self._settings.limits.body_bytes:
            raise body_too_large(self._settings.limits.body_bytes)
        if scope["method"] == "POST":
            self._admission.check(size)

    def _check_host(self, host: str) -> None:
        """Refuse foreign names, by which a page elsewhere could reach a service on this machine.

        Only where nothing else protects it: an address of this machine alone, and no token.
        """
        if self._settings.token is not None or not is_loopback(self._settings.host):
            return
        name = host_name(host)
        if not is_loopback(name) and name not in self._settings.allowed_hosts:
            detail = "this host name is not one of the service's: see --allow-host"
            raise ProblemError(421, Reason.FOREIGN_HOST, detail)


def _check_origin(headers: dict[str, str]) -> None:
    """Refuse what pages of other sites send."""
    origin = headers.get("origin")
    foreign = origin is not None and origin.partition("://")[2] != headers.get("host", "")
    if foreign or headers.get("sec-fetch-site") == "cross-site":
        detail = "requests from pages of other sites are refused"
        raise ProblemError(403, Reason.FOREIGN_ORIGIN, detail)


def _check_token(authorization: str, token: str) -> None:
    scheme, _, given = authorization.partition(" ")
    # Compared in full whatever the scheme: the time tells nothing.
    same = hmac.compare_digest(given.strip().encode(), token.encode())
    if scheme.lower() != "bearer" or not same:
        detail = "send the header 'Authorization: Bearer' with the service's token"
        raise ProblemError(401, Reason.NO_TOKEN, detail, {"WWW-Authenticate": "Bearer"})


async def _answer(problem: ProblemError, send: Send, close: bool) -> None:
    """Answer, and close a connection on which the next request would wait behind a refused body."""
    body = problem.body()
    headers = {"content-type": MEDIA_TYPE, "content-length": str(len(body)), **problem.headers}
    if close:
        headers["connection"] = "close"
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": encoded})
    await send({"type": "http.response.body", "body": body})
