"""Requests nobody should send, made from the description of the API, to every route in every role.

Half of them are what the description allows, half are not. Names of what there is are put into
them, so that they reach what stands behind the gate. What no answer may be: a status from 500 on
(503 with a reason aside), something else than its description, let in with too low a role.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from keelmark.service.api.settings import ApiSettings, Limits
from keelmark.service.security.access import access_table
from keelmark.service.security.buckets import Rate
from keelmark.service.security.roles import Role
from tests.service.api.venue_app import ApiVenue

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
MUCH = Rate(burst=1e9, per_second=1e9)
ENDLESS = "/v1/stream"
"""Never answers to its end."""

THERE_IS = {
    "account": ("alice", "bob", "carol", "0", "1", "2"),
    "instrument": ("A", "B"),
    "asset": ("USDT",),
    "key": ("0" * 12),
    "case": ("1", "2"),
    "unit": ("cross", "cross", 5, "0"),
    "size": ("1", "-1", "0.5", "100000"),
    "amount": ("1", "10", "0.000001", "99999999999999999999"),
    "price": ("100", "50", "0.01"),
    "leverage": ("5", "1", "0"),
    "trigger": ("90", "0.5"),
    "order": (1, 2),
    "protection": (1, 2),
    "figure": ("equity", "maintenance_margin", "excess"),
    "along": ("all", "A", "B"),
    "x": ("A", "all"),
    "y": ("all", "volatility"),
    "low": ("-50%", "-0.5", "-1"),
    "high": ("50%", "0.5", "1e9"),
    "horizon": ("8h", "1d", "10d", "999d"),
    "vol": ("A=0.03", "A=NaN"),
    "target": ("0.5", "0.2", "2"),
    "distance": ("10%", "0.5"),
    "topics": ("health", "trades,cash", ""),
    "time": ("2025-10-10T21:00:00Z", "9999-12-31T23:59:59.999Z"),
    "rate": ("0.0001", "-0.75", "1e5"),
}
"""Names of what the venue has, and values that mean something, by the field they are in."""

PRICED = ("marks", "prices", "indices")
EDITS = ("close A", "price A=50", "leverage A=3", "deposit USDT=1", "deposit USDT=1e999", "add A=1")
CHANGING = ("/v1/admin", "/v1/commands", "/session")
"""Routes that come last: after them there may be nobody left to ask about."""


@dataclass(slots=True)
class Tried:
    """What came of the requests to one route.

    Attributes:
        route: Method and path.
        statuses: Answers by role and status.
        failures: What no answer may be, a line each.
    """

    route: str
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def requests(self) -> int:
        """How many were sent."""
        return self.statuses.total()

    def line(self) -> str:
        """Return the row of the summary."""
        by_class = Counter[int]()
        for (_, status), count in self.statuses.items():
            by_class[status // 100] += count
        counts = "".join(f"{by_class[hundred]:>9,}" for hundred in (2, 4, 5))
        return f"{self.route:<40}{self.requests:>9,}{counts}{len(self.failures):>9,}"


HEAD = f"{'route':<40}{'requests':>9}{'2xx':>9}{'4xx':>9}{'5xx':>9}{'failures':>9}"


def hostile_venue(folder: Path) -> ApiVenue:
    """Return a venue without limits of rate, where three accounts trade."""
    limits = Limits(requests=MUCH, sign_ins=MUCH, failures=MUCH)
    api = ApiVenue(folder, settings=ApiSettings(limits=limits), with_views=True)
    venue = api.venue
    alice, bob = venue.open("alice", USDT=1000), venue.open("bob", USDT=1000)
    venue.open("carol", USDT=50)
    venue.marks(A=100.0, B=50.0)
    venue.trade(alice, bob, "A", 20, 100)
    return api


def tried(
    api: ApiVenue,
    examples: int,
    *,
    roles: tuple[Role, ...] = tuple(Role),
    begin: int = 0,
    only: str = "",
    told: Callable[[Tried], None] = lambda _: None,
) -> list[Tried]:
    """Send every route so many requests of each kind in each role; return what came of them."""
    headers = {"Authorization": f"Bearer {api.texts[Role.RISK_ADMIN]}", "Host": "localhost"}
    schema = schemathesis.openapi.from_asgi("/openapi.json", api.app, headers=headers)
    found: list[Tried] = []
    results = list(schema.get_all_operations())
    operations = [result.ok() for result in results if isinstance(result, Ok)]
    assert len(operations) == len(results), results
    for operation in sorted(operations, key=lambda x: x.path.startswith(CHANGING)):
        if operation.path == ENDLESS or (only and operation.path != only):
            continue
        of_route = Tried(f"{operation.method.upper()} {operation.path}")
        for role in roles:
            for mode in schemathesis.GenerationMode:
                strategy = operation.as_strategy(generation_mode=mode)
                _send(api, strategy, role, of_route, examples=examples, begin=begin)
        found.append(of_route)
        told(of_route)
    return found


def _send(
    api: ApiVenue,
    strategy: st.SearchStrategy[Any],
    role: Role,
    of_route: Tried,
    *,
    examples: int,
    begin: int,
) -> None:
    headers = {"Authorization": f"Bearer {api.texts[role]}", "Host": "localhost"}
    may = _may(of_route.route, role)

    @seed(begin)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy, draws=st.randoms(use_true_random=False))
    def send(case: Any, draws: Any) -> None:  # noqa: ANN401 a request, and what is at random in it
        if draws.random() < NAMED:
            case.path_parameters = named(case.path_parameters, draws)
            case.query = named(case.query, draws)
            case.body = named(case.body, draws)
        response = case.call(headers=headers)
        of_route.statuses[role.value, response.status_code] += 1
        if not may and response.status_code < 400:
            of_route.failures.append(f"{role}: let in with {response.status_code}")
        try:
            case.validate_response(response, headers=headers, checks=CHECKS)
        except (Failure, FailureGroup) as failure:
            why = "; ".join(str(x) for x in getattr(failure, "exceptions", (failure,)))
            of_route.failures.append(f"{role}: {why}\n{case.as_curl_command()[:2000]}")

    with suppress(Unsatisfiable):  # nothing can be wrong about a request without parts
        send()


NAMED = 0.7
"""Share of the requests that names of what there is are put into."""


def named(value: Any, draws: Any) -> Any:  # noqa: ANN401 any JSON
    """Return JSON with names of what there is where it names something."""
    if isinstance(value, dict):
        return {key: _field(key, inner, draws) for key, inner in value.items()}
    if isinstance(value, list):
        return [named(inner, draws) for inner in value]
    return value


def _field(key: Any, value: Any, draws: Any) -> Any:  # noqa: ANN401 any JSON
    there_is = THERE_IS.get(key) if isinstance(key, str) else None
    if there_is is not None and isinstance(value, str | int) and draws.random() < NAMED:
        return draws.choice(there_is)
    if key in PRICED and isinstance(value, dict):
        return {name: draws.choice(THERE_IS["price"]) for name in THERE_IS["instrument"]}
    if key == "edits" and isinstance(value, list):
        return [draws.choice(EDITS) for _ in value]
    return named(value, draws)


def _may(route: str, role: Role) -> bool:
    method, _, path = route.partition(" ")
    least = access_table().find(path).methods[method].role
    return least is None or role.covers(least)


def summary(found: list[Tried]) -> Iterator[str]:
    """Yield the lines of a summary."""
    total = Tried("all")
    for of_route in found:
        total.statuses += of_route.statuses
        total.failures += of_route.failures
    yield f"{len(found)} routes, {total.requests:,} requests, {len(total.failures):,} failures"
    yield total.line()
