"""What stands before every route: names, keys, roles, rates, bodies. Routes see what it lets in.

In order: size of the head, host name, key or session, the table of routes, role, origin of what a
browser sends with a cookie, rate of the key, then the body: type, size, time, plain JSON.
"""

import logging
import traceback
from collections.abc import Iterable
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keelmark.core.errors import KeelmarkError
from keelmark.service.api.bodies import admitted_body, replayed
from keelmark.service.api.problems import Problem, our_error, problem_of, seconds
from keelmark.service.api.services import SERVICES, VISITOR, Services, Visitor
from keelmark.service.api.sign_in import sign_in_page
from keelmark.service.security.access import WEBSOCKET, Access, Found, access_table
from keelmark.service.security.headers import DATA_POLICY, Headers, security_headers
from keelmark.service.security.keys import Key, hidden

LOG = logging.getLogger("keelmark.api")
ACCESS_LOG = logging.getLogger("keelmark.access")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
BEARER = "bearer "
OUR_SIDE = 500
"""Statuses from which on the log says why."""
SIGN_IN = ("POST", "/session")
SESSION_HEADER = "x-keelmark"
ONCE = frozenset(
    {"host", "origin", "authorization", "content-type", "content-length", "idempotency-key"}
)
"""Headers that may come once: two readers could believe two different ones."""


def cookie_name(*, is_tls: bool) -> str:
    """Return the name of the session's cookie; under TLS a browser takes it from nobody else."""
    return "__Host-keelmark" if is_tls else "keelmark"


class Gate:
    """The outermost part of the application."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self._app, self._services = app, services
        self._headers = security_headers(is_tls=services.settings.is_tls)
        self._table = access_table()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or answer it."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        scope[SERVICES] = self._services
        answer = _Answer(scope, send, self._headers)
        started = self._services.clock.running_s()
        try:
            receive = await self._admitted(scope, receive)
            await self._app(scope, receive, answer.send)
        except KeelmarkError as error:
            problem = problem_of(error)
            if problem.status >= OUR_SIDE and not isinstance(error, Problem):
                _log_error(error)
            await answer.instead(problem)
        except Exception as error:  # noqa: BLE001 a bug of ours: told as one, traced in the log
            _log_error(error)
            await answer.instead(our_error())
        finally:
            self._log(scope, answer.status, started)

    # --- who is let in --------------------------------------------------------------------------

    async def _admitted(self, scope: Scope, receive: Receive) -> Receive:
        """Let a request in; return how its body is received.

        Raises:
            Problem: It is not let in.
        """
        head = _Head(scope)
        limits = self._services.settings.limits
        if head.size > limits.header_bytes:
            msg = f"headers and path of {head.size} bytes; at most {limits.header_bytes}: send less"
            raise Problem(431, msg)
        _require_once(head)
        if not self._services.origins.has_host(head.get("host")):
            msg = "this service does not answer to that name; start it with `--host-name NAME`"
            raise Problem(421, msg, code="wrong_host", where="Host")
        found = self._table.find(scope["path"])
        method = WEBSOCKET if scope["type"] == "websocket" else scope["method"]
        access = found.methods.get(method)
        if access is None or access.role is not None:
            access = self._require_role(scope, head, (found, method))
        elif (method, found.path) == SIGN_IN:
            self._require_origin(head)
        if scope["type"] == "websocket":
            return receive
        body = await admitted_body(receive, head.get, access, limits)
        return receive if body is None else replayed(body, receive)

    def _require_role(self, scope: Scope, head: "_Head", route: tuple[Found, str]) -> Access:
        """Find out who asks, and whether they may; return the row of the table."""
        found, method = route
        address = scope["client"][0] if scope.get("client") else ""
        key, token = self._require_key(head, address)
        access = _require_route(found, method)
        if access.role is not None and not key.role.covers(access.role):
            msg = f"this needs the role {access.role}; the key {key.id} is a {key.role}"
            fix = f"use a key with the role {access.role}"
            raise Problem(403, msg, code="role", fix=fix)
        if token and (method == WEBSOCKET or method not in SAFE_METHODS):
            self._require_own_page(head, method)
        wait = self._services.requests.take(key.id, self._services.clock.running_s())
        if wait:
            raise too_many_requests(wait)
        scope[VISITOR] = Visitor(key=key, address=address, access=access, token=token)
        return access

    def _require_key(self, head: "_Head", address: str) -> tuple[Key, str]:
        """Return the key a request comes with, and the token of its session if it has one."""
        services, now_ms = self._services, self._services.clock.now_ms()
        given, token = head.get("authorization"), ""
        key: Key | None = None
        if given:
            if given[: len(BEARER)].lower() == BEARER:
                key = services.keys.check(given[len(BEARER) :].strip(), now_ms)
        else:
            token = self._cookie(head)
            session = services.sessions.find(token, now_ms) if token else None
            key = services.keys.find(session.key_id) if session is not None else None
            if key is not None and not key.is_usable(now_ms):
                services.sessions.close_of(key.id)
                key = None
        if key is not None:
            return key, token
        if given:
            require_patience(services, address)
        raise _not_signed_in(has_key=bool(given or token))

    def _cookie(self, head: "_Head") -> str:
        """Return the token in a request's cookie, or nothing."""
        name = cookie_name(is_tls=self._services.settings.is_tls)
        with suppress(CookieError):
            morsel = SimpleCookie(head.get("cookie")).get(name)
            return morsel.value if morsel is not None else ""
        return ""

    def _require_own_page(self, head: "_Head", method: str) -> None:
        """Refuse what another site lets a signed-in browser send."""
        if method != WEBSOCKET and head.get(SESSION_HEADER) != "1":
            msg = "a request with a session's cookie needs the header `X-Keelmark: 1`"
            raise Problem(403, msg, code="cross_site", where="X-Keelmark", fix="send that header")
        self._require_origin(head, is_needed=True)

    def _require_origin(self, head: "_Head", *, is_needed: bool = False) -> None:
        """Refuse a page that is not this service's own."""
        origin = head.get("origin")
        if (origin or is_needed) and not self._services.origins.is_own(origin, head.get("host")):
            msg = "this was not sent from a page of this service; open its own page"
            raise Problem(403, msg, code="cross_site", where="Origin")

    # --- what is told ---------------------------------------------------------------------------

    def _log(self, scope: Scope, status: int, started: float) -> None:
        """Write who asked what, and what came of it: templates of paths, never a query or a key."""
        if not ACCESS_LOG.isEnabledFor(logging.INFO):
            return
        visitor: Visitor | None = scope.get(VISITOR)
        found = self._table.find(scope["path"])
        facts = {
            "method": WEBSOCKET if scope["type"] == "websocket" else scope["method"],
            "path": found.path or "(none)",
            "status": status,
            "ms": round(1000 * (self._services.clock.running_s() - started), 3),
            "key": visitor.key.id if visitor is not None else None,
            "address": scope["client"][0] if scope.get("client") else None,
        }
        ACCESS_LOG.info("request", extra={"facts": facts})


class _Head:
    """The headers of a request, by lower-case name; of several the first."""

    def __init__(self, scope: Scope) -> None:
        self.raw: list[tuple[bytes, bytes]] = scope["headers"]
        self.size = sum(len(name) + len(value) + 4 for name, value in self.raw)
        self.size += len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"")
        self._values: dict[str, str] = {}
        for name, value in self.raw:
            self._values.setdefault(name.decode("latin-1").lower(), value.decode("latin-1"))

    def get(self, name: str) -> str:
        """Return a header, empty where there is none."""
        return self._values.get(name, "")


class _Answer:
    """Sends what a route answers, with the headers that every answer has."""

    def __init__(self, scope: Scope, send: Send, headers: Headers) -> None:
        self._scope, self._send, self._headers = scope, send, headers
        self.status = 0

    async def send(self, message: Message) -> None:
        """Send a message of a route."""
        if message["type"] in {"http.response.start", "websocket.http.response.start"}:
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), *self._fixed(message)]
        elif message["type"] == "websocket.accept":
            self.status = 101
        elif message["type"] == "websocket.close" and not self.status:
            self.status = 403
        await self._send(message)

    async def instead(self, problem: Problem) -> None:
        """Answer with a problem, if nothing has been answered yet."""
        if self.status:
            return
        response = problem.response()
        if self._scope["type"] == "websocket":
            await self._refuse_websocket(problem.status, response.raw_headers, bytes(response.body))
            return
        page = sign_in_page() if problem.status == 401 and self._wants_page() else None  # noqa: PLR2004
        await (page or response)(self._scope, _nothing, self.send)

    async def _refuse_websocket(
        self, status: int, headers: list[tuple[bytes, bytes]], body: bytes
    ) -> None:
        start = {"type": "websocket.http.response.start", "status": status, "headers": headers}
        if "websocket.http.response" not in (self._scope.get("extensions") or {}):
            await self.send({"type": "websocket.close", "code": 1008})
            return
        await self.send(start)
        await self.send({"type": "websocket.http.response.body", "body": body})

    def _wants_page(self) -> bool:
        """Whether somebody looks for the dashboard, who is shown where to sign in."""
        return bool(self._scope["path"] == "/" and self._scope["method"] == "GET")

    def _fixed(self, message: Message) -> Iterable[tuple[bytes, bytes]]:
        present = {name.lower() for name, _ in message.get("headers", ())}
        yield from self._headers
        if b"content-security-policy" not in present:
            yield b"content-security-policy", DATA_POLICY.encode()
        if b"cache-control" not in present:
            yield b"cache-control", b"no-store"


async def _nothing() -> Message:
    """Receive nothing: the answer asks for nothing."""
    return {"type": "http.disconnect"}


def require_patience(services: Services, address: str) -> None:
    """Refuse an address that has sent too many wrong keys.

    Right keys are let in all the same: a secret cannot be guessed, and whoever shares an address
    with a guesser must not be locked out by it.
    """
    wait = services.failures.take(address, services.clock.running_s())
    if wait:
        what = "too many wrong keys from this address"
        raise _too_many(what, wait)


def _require_once(head: _Head) -> None:
    seen: set[str] = set()
    for raw, _ in head.raw:
        name = raw.decode("latin-1").lower()
        if name in ONCE and name in seen:
            msg = f"the header {name} comes twice; send it once"
            raise Problem(400, msg, where=name)
        seen.add(name)


def _require_route(found: Found, method: str) -> Access:
    """Return the row of a route, or say that there is none."""
    if not found.methods:
        msg = "there is nothing at this path; /openapi.json lists what there is"
        raise Problem(404, msg)
    access = found.methods.get(method)
    if access is None:
        allowed = ", ".join(sorted(found.methods.keys() - {WEBSOCKET})) or "GET"
        msg = f"this path does not take {method[:20]}; it takes {allowed}"
        raise Problem(405, msg, headers={"Allow": allowed})
    return access


def _not_signed_in(*, has_key: bool) -> Problem:
    message = (
        "this key opens nothing: it is wrong, expired or revoked" if has_key else "not signed in"
    )
    return Problem(
        401,
        message,
        where="Authorization",
        fix="send the header `Authorization: Bearer km_...`, or sign in on the page",
        headers={"WWW-Authenticate": 'Bearer realm="keelmark"'},
    )


def too_many_requests(wait_s: float) -> Problem:
    """Return the answer to a key that asks for too much."""
    return _too_many("this key sends too many requests", wait_s)


def _too_many(what: str, wait_s: float) -> Problem:
    """Return the answer to somebody who must wait."""
    after = seconds(int(1000 * wait_s))
    return Problem(429, f"{what}; wait {after} s", headers={"Retry-After": after})


def _log_error(error: Exception) -> None:
    """Write an error and where it came from to the log; no key can be read in it."""
    if isinstance(error, HTTPException):
        return
    trace = hidden("".join(traceback.format_exception(error)))
    LOG.error("a request failed", extra={"facts": {"trace": trace}})
