"""Every role against every route of the whole application: what the table says is what is answered.

`python -m scripts.roles_page` prints the table; `docs/roles.md` is it.
"""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import APIRouter
from starlette.routing import Mount

from keelmark.core.errors import InvariantViolated
from keelmark.service.api.app import create_app, listed
from keelmark.service.security.access import ACCESS, WEBSOCKET, Access
from keelmark.service.security.roles import Role
from tests.service.api.venue_app import ApiVenue

FILLED = {
    "{path:path}": "app.js",
    "{account}": "alice",
    "{case}": "1",
    "{key}": "0" * 12,
    "{alert}": "1",
}
ROLES = (None, *Role)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiVenue]:
    api = ApiVenue(tmp_path_factory.mktemp("api"), with_views=True)
    api.venue.open("alice", USDT=1000)
    yield api
    assert api.reading is not None
    api.reading.close()


def answered(api: ApiVenue, row: Access, role: Role | None) -> int:
    """Return the status a role gets; questions that would not end or change nothing are broken."""
    path = row.path
    for part, value in FILLED.items():
        path = path.replace(part, value)
    if row.method == WEBSOCKET:
        return asyncio.run(_knocked(api, path, role))
    if path == "/v1/stream":
        path += "?topics=nothing"
    body = {"content": b"{}", "headers": {"Content-Type": "application/json"}}
    answer = api.ask(row.method, path, role=role, **(body if row.method == "POST" else {}))
    return int(answer.status_code)


async def _knocked(api: ApiVenue, path: str, role: Role | None) -> int:
    """Ask for a WebSocket with a topic that is none; return the status of the refusal."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None:  # noqa: ANN401 a message of ASGI
        sent.append(message)

    headers = [(b"host", b"localhost")]
    if role is not None:
        headers.append((b"authorization", f"Bearer {api.texts[role]}".encode()))
    scope = {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"topics=nothing",
        "headers": headers,
        "client": ("192.0.2.7", 1234),
        "extensions": {"websocket.http.response": {}},
        "subprotocols": [],
    }
    await api.app(scope, receive, send)
    return int(sent[0]["status"])


@pytest.mark.parametrize("row", ACCESS, ids=lambda row: f"{row.method}{row.path}")
def test_each_role_gets_what_the_table_says(api: ApiVenue, row: Access) -> None:
    for role in ROLES:
        status = answered(api, row, role)
        may = row.role is None or (role is not None and role.covers(row.role))
        if may:
            assert status not in {401, 403, 404, 405} or (status, row.path) in KNOWN, role
            assert status < 500, role
        else:
            assert status == (401 if role is None else 403), role


KNOWN = {
    (401, "/session"),  # a body without a key signs nobody in
    (404, "/v1/liquidations/{case}"),  # there is none
    (404, "/v1/admin/keys/{key}"),
    (404, "/v1/alerts/{alert}/acknowledge"),
}


def test_the_table_has_every_route_of_the_application_and_no_other(api: ApiVenue) -> None:
    assert api.app.state.routes == {(row.method, row.path) for row in ACCESS}
    assert len(api.app.state.routes) > 40


def test_a_route_nobody_said_who_may_use_ends_the_application(api: ApiVenue) -> None:
    router = APIRouter()
    router.add_api_route("/v1/secret", lambda: None, methods=["GET"])
    with pytest.raises(InvariantViolated, match="GET /v1/secret is not in the table"):
        create_app(api.services, [router])


def test_a_route_of_a_kind_that_is_not_understood_is_not_let_in() -> None:
    with pytest.raises(InvariantViolated, match="Mount"):
        listed([Mount("/files", routes=[])])
