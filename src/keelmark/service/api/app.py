"""The application: routes behind the gate, every error in one shape, nothing open but liveness."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from itertools import chain

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIWebSocketRoute
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute

from keelmark.core.errors import InvariantViolated, KeelmarkError
from keelmark.service.api.express import Express
from keelmark.service.api.gate import Gate
from keelmark.service.api.openapi import describe
from keelmark.service.api.problems import Problem
from keelmark.service.api.routes import (
    admin,
    alerts,
    audit,
    commands,
    events,
    keys,
    pages,
    prices,
    session,
    streams,
)
from keelmark.service.api.services import Services, VenueServices
from keelmark.service.api.version import VERSION
from keelmark.service.security.access import WEBSOCKET, access_table

LOG = logging.getLogger("keelmark.api")
FLUSH_S = 60.0
"""Seconds between writing down when keys were last used."""
PROBLEMS_MAX = 8
"""Wrong fields that one answer names."""

_ALWAYS = (session, pages, keys, audit, streams, alerts)
_OF_A_VENUE = (commands, prices, admin, events)
MOST_ASKED = {
    ("POST", "/v1/commands"): commands.send,
    ("POST", "/v1/commands/batch"): commands.send_batch,
    ("POST", "/v1/executions"): commands.report,
    ("POST", "/v1/marks"): prices.push,
}
"""What goes straight to its route (`Express`)."""


_SUMMARIES = {
    "venue": "The margin and liquidation engine of a venue, over HTTP.",
    "desk": "The accounts that `keelmark watch` watches, over HTTP.",
}


def create_app(services: Services, routers: Iterable[APIRouter] = ()) -> FastAPI:
    """Return the application.

    Args:
        services: What the routes work with; those of a venue bring its commands and events.
        routers: Further routes; each must be in the table of `security.access`.

    Raises:
        InvariantViolated: A route is not in the table of who may do what.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        services.hub.start()
        flusher = asyncio.create_task(_keep_uses(services))
        yield
        flusher.cancel()
        await services.hub.stop()
        await asyncio.to_thread(services.keys.flush)

    app = FastAPI(
        title="Keelmark",
        version=VERSION,
        summary=_SUMMARIES[services.settings.mode],
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        lifespan=lifespan,
        redirect_slashes=False,
    )
    # What is asked most comes first: routes are looked through in order.
    modules = (*(_OF_A_VENUE if isinstance(services, VenueServices) else ()), *_ALWAYS)
    included = (*(module.router for module in modules), *routers)
    known = listed([*app.routes, *chain.from_iterable(router.routes for router in included)])
    _require_listed(known)
    app.state.routes = known
    for router in included:
        app.include_router(router)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _wrong_request)
    if isinstance(services, VenueServices):
        app.add_middleware(Express, routes=MOST_ASKED)
    app.add_middleware(Gate, services=services)
    describe(app)
    return app


async def _keep_uses(services: Services) -> None:
    """Write down now and then when keys were last used."""
    while True:
        await asyncio.sleep(FLUSH_S)
        try:
            await asyncio.to_thread(services.keys.flush)
        except KeelmarkError:
            LOG.exception("the last uses of keys could not be written")


def _http_error(_: Request, error: Exception) -> Response:
    """Answer what the framework refuses."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    known = {404: "there is nothing at this path; /openapi.json lists what there is"}
    message = known.get(status, "the request cannot be read; /openapi.json describes it")
    code = "" if status in {400, 404, 405, 413, 415, 422} else "malformed"
    return Problem(status, message, code=code).response()


def _wrong_request(_: Request, error: Exception) -> Response:
    """Name every wrong field of a request."""
    rows = error.errors() if isinstance(error, RequestValidationError) else []
    told = [(".".join(str(part) for part in row["loc"][1:]), row["msg"]) for row in rows]
    message = "; ".join(f"{where or 'the request'}: {what}" for where, what in told[:PROBLEMS_MAX])
    where = told[0][0] if told else ""
    fix = "/openapi.json describes what this route takes"
    return Problem(422, message or "the request is wrong", where=where, fix=fix).response()


def _require_listed(routes: Iterable[tuple[str, str]]) -> None:
    """Refuse an application with a route that nobody has said who may use.

    Raises:
        InvariantViolated: Naming the route.
    """
    for method, path in sorted(routes):
        if method not in access_table().find(path).methods:
            msg = f"{method} {path} is not in the table of service/security/access.py; add it"
            raise InvariantViolated(msg)


def listed(routes: Iterable[BaseRoute]) -> frozenset[tuple[str, str]]:
    """Return the methods and paths of routes, as they are before a framework includes them.

    Raises:
        InvariantViolated: Of a route it cannot be told: what is not understood is not let in.
    """
    found: set[tuple[str, str]] = set()
    for route in routes:
        path, methods = getattr(route, "path", None), getattr(route, "methods", None)
        if isinstance(route, APIWebSocketRoute):
            found.add((WEBSOCKET, route.path))
        elif path is not None and methods:
            found |= {(method, path) for method in methods - {"HEAD"}}
        else:
            msg = f"a route of kind {type(route).__name__} has no methods to look up: {route!r}"
            raise InvariantViolated(msg)
    return frozenset(found)
