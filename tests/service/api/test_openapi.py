"""The description of the API is complete, and the API keeps to it whatever it is sent.

`pytest -m nightly tests/service/api/test_openapi.py` tries many more requests.
"""

import warnings
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from keelmark.service.api.settings import ApiSettings, Limits
from keelmark.service.security.access import ACCESS, WEBSOCKET
from keelmark.service.security.buckets import Rate
from keelmark.service.security.roles import Role
from tests.service.api.venue_app import ApiVenue

EXAMPLES, NIGHTLY_EXAMPLES = 3, 300
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
UNDESCRIBED = {"/", "/assets/{path:path}", "/openapi.json"}
"""Not of the API, or of another part of the service."""
MUCH = Rate(burst=1e9, per_second=1e9)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiVenue]:
    limits = Limits(requests=MUCH, sign_ins=MUCH, failures=MUCH)
    folder = tmp_path_factory.mktemp("api")
    api = ApiVenue(folder, settings=ApiSettings(limits=limits), with_views=True)
    venue = api.venue
    alice, bob = venue.open("alice", USDT=1000), venue.open("bob", USDT=1000)
    venue.marks(A=100.0, B=50.0)
    venue.trade(alice, bob, "A", 20, 100)
    yield api
    assert api.reading is not None
    api.reading.close()


def document(api: ApiVenue) -> dict[str, Any]:
    found: dict[str, Any] = api.ask("GET", "/openapi.json").json()
    return found


def test_every_route_is_described_with_its_role(api: ApiVenue) -> None:
    paths = document(api)["paths"]
    described = {(m.upper(), p): op["x-role"] for p, ops in paths.items() for m, op in ops.items()}
    table = {(row.method, row.path): row.role for row in ACCESS if row.path not in UNDESCRIBED}
    table.pop((WEBSOCKET, "/v1/ws"))
    assert described == table
    for (method, path), operation in {
        (m.upper(), p): op for p, ops in paths.items() for m, op in ops.items()
    }.items():
        assert operation["summary"], (method, path)
        assert operation.get("description"), (method, path)
        assert "default" in operation["responses"], (method, path)
        if method == "POST":
            content = operation["requestBody"]["content"]["application/json"]
            assert "schema" in content


def test_every_reference_of_the_description_leads_somewhere(api: ApiVenue) -> None:
    text = document(api)

    def references(value: Any) -> Iterator[str]:  # noqa: ANN401 any JSON
        if isinstance(value, dict):
            if isinstance(value.get("$ref"), str):
                yield value["$ref"]
            for inner in value.values():
                yield from references(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from references(inner)

    found = set(references(text))
    known = {f"#/components/schemas/{name}" for name in text["components"]["schemas"]}
    assert found
    assert found <= known


def tried(api: ApiVenue, examples: int) -> int:
    """Send every operation what its description allows and what it does not; return how many."""
    headers = {"Authorization": f"Bearer {api.texts[Role.RISK_ADMIN]}", "Host": "localhost"}
    schema = schemathesis.openapi.from_asgi("/openapi.json", api.app, headers=headers)
    count = 0
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        if operation.path == "/v1/stream":  # never ends
            continue
        for mode in schemathesis.GenerationMode:

            @settings(
                max_examples=examples,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def send(case: Any) -> None:  # noqa: ANN401 a request
                nonlocal count
                count += 1
                case.call_and_validate(headers=headers, checks=CHECKS)

            with suppress(Unsatisfiable):  # nothing can be wrong about a request without parts
                send()
    return count


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_no_request_breaks_the_api_or_its_description(api: ApiVenue) -> None:
    assert tried(api, EXAMPLES) > 40


@pytest.mark.nightly
def test_no_request_of_very_many_breaks_the_api_or_its_description(api: ApiVenue) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert tried(api, NIGHTLY_EXAMPLES) > 40
