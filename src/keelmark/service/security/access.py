"""Who may do what: every route with the least role it asks. The one place where this is written.

A route that is not in this table cannot be reached: the gate looks here before any route does.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from keelmark.service.security.roles import Role

WEBSOCKET = "WS"
"""Stands in the table for the opening of a WebSocket."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """A route and who may use it.

    Attributes:
        method: HTTP method, or `WS`.
        path: Template of the path.
        role: Least role; `None` asks for none.
        what: What it does, for the printed table.
        audited: Whether the audit trail has each use of it.
        stricter: Least role of some values of a field of the body: (field, value, role).
    """

    method: str
    path: str
    role: Role | None
    what: str
    audited: bool = False
    stricter: tuple[tuple[str, str, Role], ...] = ()

    def role_for(self, name: str, value: str) -> Role | None:
        """Return the least role for a value of a field."""
        found = (role for field_, v, role in self.stricter if (field_, v) == (name, value))
        return next(found, self.role)


def _row(method: str, path: str, role: Role | None, what: str) -> Access:
    return Access(method=method, path=path, role=role, what=what)


def _admin(method: str, path: str, role: Role, what: str) -> Access:
    return Access(method=method, path=path, role=role, what=what, audited=True)


VIEWER, OPERATOR, RISK_ADMIN = Role.VIEWER, Role.OPERATOR, Role.RISK_ADMIN

ACCESS: tuple[Access, ...] = (
    _row("GET", "/live", None, "whether the API answers"),
    _row("POST", "/session", None, "sign in with a key"),
    _row("GET", "/session", VIEWER, "who is signed in"),
    _row("DELETE", "/session", VIEWER, "sign out"),
    _row("GET", "/", VIEWER, "the dashboard"),
    _row("GET", "/assets/{path:path}", VIEWER, "files of the dashboard"),
    _row("GET", "/openapi.json", VIEWER, "description of the API"),
    _row("GET", "/health", VIEWER, "the invariants, run"),
    _row("GET", "/health/parts", VIEWER, "how the parts are, without the invariants"),
    _row("GET", "/metrics", VIEWER, "figures for Prometheus"),
    _row("GET", "/v1/venue", VIEWER, "instruments, assets, rules, state of the venue"),
    _row("GET", "/v1/prices", VIEWER, "prices and their trust"),
    _row("GET", "/v1/fund", VIEWER, "insurance funds"),
    _row("GET", "/v1/latency", VIEWER, "how fast decisions are"),
    _row("GET", "/v1/accounts", VIEWER, "accounts by name"),
    _row("GET", "/v1/accounts/{account}", VIEWER, "an account and its units"),
    _row("GET", "/v1/accounts/{account}/check", VIEWER, "margin and liquidation prices"),
    _row("GET", "/v1/accounts/{account}/explain", VIEWER, "the working of a figure"),
    _row("GET", "/v1/accounts/{account}/ladder", VIEWER, "margin along one price"),
    _row("GET", "/v1/accounts/{account}/surface", VIEWER, "margin over two factors"),
    _row("GET", "/v1/accounts/{account}/risk", VIEWER, "losses and chances of liquidation"),
    _row("GET", "/v1/accounts/{account}/adl", VIEWER, "place in the queue of deleveraging"),
    _row("GET", "/v1/accounts/{account}/face", VIEWER, "what a browser margins the account with"),
    _row("POST", "/v1/accounts/{account}/whatif", VIEWER, "margin after edits; changes nothing"),
    _row("POST", "/v1/accounts/{account}/rescue", VIEWER, "the cheapest way out; changes nothing"),
    _row("GET", "/v1/map", VIEWER, "liquidation map"),
    _row("GET", "/v1/distance", VIEWER, "what is at risk by joint move"),
    _row("GET", "/v1/riskiest", VIEWER, "accounts nearest to liquidation"),
    _row("GET", "/v1/liquidations", VIEWER, "liquidations, open and ended"),
    _row("GET", "/v1/liquidations/{case}", VIEWER, "a liquidation, its working and who paid"),
    _row("GET", "/v1/orders", VIEWER, "liquidation orders out in the market"),
    _row("GET", "/v1/alerts", VIEWER, "levels, open alerts, history"),
    _admin("POST", "/v1/alerts/{alert}/acknowledge", OPERATOR, "take an alert on; none escalates"),
    _row("GET", "/v1/events", VIEWER, "events since a position"),
    _row("GET", "/v1/stream", VIEWER, "events as they happen, server-sent"),
    _row(WEBSOCKET, "/v1/ws", VIEWER, "events as they happen, WebSocket"),
    _row("POST", "/v1/commands", OPERATOR, "one command"),
    _row("POST", "/v1/commands/batch", OPERATOR, "many commands, each by itself"),
    _row("POST", "/v1/marks", OPERATOR, "prices"),
    _row("POST", "/v1/executions", OPERATOR, "what became of liquidation orders"),
    _admin("POST", "/v1/admin/pause", OPERATOR, "pause an instrument, or everything"),
    _admin("POST", "/v1/admin/resume", OPERATOR, "lift a pause, trust a mark again"),
    Access(
        method="POST",
        path="/v1/admin/override",
        role=OPERATOR,
        what="hold a unit, release it, take it over",
        audited=True,
        stricter=(("action", "takeover", RISK_ADMIN),),
    ),
    _admin("POST", "/v1/admin/close", RISK_ADMIN, "close an account for good"),
    _admin("POST", "/v1/admin/rulebook", RISK_ADMIN, "put other rules in force"),
    _row("GET", "/v1/admin/keys", RISK_ADMIN, "keys, without their secrets"),
    _admin("POST", "/v1/admin/keys", RISK_ADMIN, "make a key"),
    _admin("DELETE", "/v1/admin/keys/{key}", RISK_ADMIN, "revoke a key"),
    _row("GET", "/v1/audit", RISK_ADMIN, "the audit trail, verified"),
)


@dataclass(frozen=True, slots=True)
class Found:
    """What the table says about a path.

    Attributes:
        path: Its template; `None` where no route has such a path.
        methods: Its routes by method.
    """

    path: str | None
    methods: Mapping[str, Access] = field(default_factory=dict)


NOWHERE = Found(None)


class AccessTable:
    """The table, looked up by path."""

    def __init__(self, rows: tuple[Access, ...] = ACCESS) -> None:
        by_path: dict[str, dict[str, Access]] = {}
        for row in rows:
            by_path.setdefault(row.path, {})[row.method] = row
        self._fixed = {p: Found(p, rows) for p, rows in by_path.items() if "{" not in p}
        self._open = [(_pattern(p), Found(p, r)) for p, r in by_path.items() if "{" in p]

    def find(self, path: str) -> Found:
        """Return what the table says about a path."""
        fixed = self._fixed.get(path)
        if fixed is not None:
            return fixed
        return next((found for pattern, found in self._open if pattern.fullmatch(path)), NOWHERE)


def _pattern(template: str) -> re.Pattern[str]:
    """Return what a path of a template looks like: `{name}` is one segment, `{name:path}` more."""
    parts = re.split(r"(\{\w+(?::path)?\})", template)
    written = (
        re.escape(part) if not part.startswith("{") else "(?s:.+)" if ":" in part else "[^/]+"
        for part in parts
    )
    return re.compile("".join(written))


@cache
def access_table() -> AccessTable:
    """Return the table of this release."""
    return AccessTable()
