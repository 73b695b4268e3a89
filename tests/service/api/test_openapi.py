"""The description of the API is complete, and the API keeps to it whatever it is sent.

`pytest -m nightly tests/service/api/test_openapi.py` tries many more requests.
"""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keelmark.service.link.messages import Outcome
from keelmark.service.security.access import ACCESS, WEBSOCKET
from keelmark.service.security.roles import Role
from tests.service.api.hostile import hostile_venue, summary, tried
from tests.service.api.venue_app import ApiVenue

EXAMPLES, NIGHTLY_EXAMPLES = 3, 1_000
UNDESCRIBED = {"/", "/assets/{path:path}", "/openapi.json"}
"""Not of the API, or of another part of the service."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiVenue]:
    api = hostile_venue(tmp_path_factory.mktemp("api"))
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


def test_no_request_breaks_the_api_or_its_description(api: ApiVenue) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = tried(api, EXAMPLES, roles=(Role.RISK_ADMIN,))
    assert [of_route.line() for of_route in found if of_route.failures] == []
    assert len(found) > 40


@pytest.mark.nightly
def test_no_request_of_very_many_breaks_the_api_or_its_description(tmp_path: Path) -> None:
    """`python -m benchmarks.service.hostile` prints the same route by route."""
    api = hostile_venue(tmp_path)
    assert api.reading is not None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = tried(api, NIGHTLY_EXAMPLES)
    api.reading.close()
    assert [failure for of_route in found for failure in of_route.failures] == []


def test_the_summary_tells_what_no_answer_may_be(api: ApiVenue) -> None:
    """The runner would notice: a route that breaks is a failure in its row and in the sum."""
    link = api.link
    link.answer = Outcome(status="gone")  # type: ignore[arg-type]  # no status of the writer's
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = tried(api, EXAMPLES, roles=(Role.RISK_ADMIN,), only="/v1/admin/pause")
    link.answer = None
    (of_route,) = found
    assert of_route.failures
    assert next(summary(found)).endswith(f"{len(of_route.failures)} failures")
