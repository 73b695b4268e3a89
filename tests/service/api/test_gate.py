"""Nobody gets past the gate who should not, and everybody is told why."""

from pathlib import Path
from typing import Any

import pytest

from keelmark.service.api.settings import ApiSettings, Limits
from keelmark.service.security.access import ACCESS, WEBSOCKET
from keelmark.service.security.audit import entries
from keelmark.service.security.roles import Role
from tests.service.api.venue_app import BASE, ApiVenue

KEELMARK = {"X-Keelmark": "1", "Origin": BASE}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> ApiVenue:
    """An API that tests ask and do not change."""
    return ApiVenue(tmp_path_factory.mktemp("api"))


@pytest.fixture
def api(tmp_path: Path) -> ApiVenue:
    return ApiVenue(tmp_path)


def code(answer: Any) -> tuple[int, str]:  # noqa: ANN401 an answer
    return answer.status_code, answer.json()["error"]["code"]


def filled(path: str) -> str:
    """Return a path of a template."""
    return path.replace("{path:path}", "app.js").replace("{account}", "a").replace("{case}", "1")


REQUESTS = [row for row in ACCESS if row.method != WEBSOCKET]


@pytest.mark.parametrize("row", REQUESTS, ids=lambda row: f"{row.method}{row.path}")
def test_without_a_key_nothing_answers_but_liveness(shared: ApiVenue, row: Any) -> None:  # noqa: ANN401 a row
    answer = shared.ask(row.method, filled(row.path), role=None, json={"key": "km_x"})
    if row.path == "/live":
        answer = shared.ask("GET", "/live", role=None)
        assert (answer.status_code, answer.json()) == (200, {"status": "live"})
    else:
        assert answer.status_code == 401


@pytest.mark.parametrize("path", ["/nothing", "/v1", "/docs", "/redoc", "/live/", "/%2e%2e/x"])
def test_whoever_is_not_signed_in_does_not_learn_what_there_is(shared: ApiVenue, path: str) -> None:
    assert code(shared.ask("GET", path, role=None)) == (401, "not_signed_in")
    assert code(shared.ask("GET", path)) == (404, "not_found")


@pytest.mark.parametrize("row", REQUESTS, ids=lambda row: f"{row.method}{row.path}")
@pytest.mark.parametrize("role", list(Role))
def test_every_role_is_stopped_at_routes_above_it(shared: ApiVenue, role: Role, row: Any) -> None:  # noqa: ANN401 a row
    if row.role is None or role.covers(row.role):
        return
    answer = shared.ask(row.method, filled(row.path), role=role, json={})
    assert code(answer) == (403, "role")
    assert row.role.value in answer.json()["error"]["fix"]


def test_the_page_to_sign_in_is_shown_where_the_dashboard_would_be(shared: ApiVenue) -> None:
    answer = shared.ask("GET", "/", role=None)
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("text/html")
    assert "'sha256-" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "http" not in answer.text.replace("http-equiv", "")


def test_a_session_stands_for_its_key_until_either_ends(api: ApiVenue) -> None:
    text = api.texts[Role.VIEWER]
    answer = api.ask("POST", "/session", role=None, json={"key": text})
    cookie = answer.headers["set-cookie"]
    assert answer.json()["role"] == "viewer"
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/"))
    assert text not in cookie
    sent = {"Cookie": cookie.split(";")[0]}
    assert api.ask("GET", "/session", role=None, headers=sent).json()["name"] == "the viewer"
    key_id = text.split("_")[1]
    api.services.keys.revoke(key_id, api.hand.now)
    assert code(api.ask("GET", "/session", role=None, headers=sent)) == (401, "not_signed_in")
    assert len(api.services.sessions) == 0


def signed_in(api: ApiVenue, role: Role) -> dict[str, str]:
    answer = api.ask("POST", "/session", role=None, json={"key": api.texts[role]})
    return {"Cookie": answer.headers["set-cookie"].split(";")[0]}


def test_a_session_ends_by_itself_and_by_hand(api: ApiVenue) -> None:
    first, second = signed_in(api, Role.VIEWER), signed_in(api, Role.VIEWER)
    assert api.ask("DELETE", "/session", role=None, headers=first | KEELMARK).status_code == 204
    assert api.ask("GET", "/session", role=None, headers=first).status_code == 401
    assert api.ask("GET", "/session", role=None, headers=second).status_code == 200
    api.hand.now += api.services.settings.session_ms
    assert api.ask("GET", "/session", role=None, headers=second).status_code == 401
    actions = [entry.action for entry in entries(api.folder / "audit.jsonl")]
    assert actions == ["signed in", "signed in", "signed out"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Keelmark": "1"},
        {"Origin": BASE},
        {"X-Keelmark": "1", "Origin": "http://evil.example"},
        {"X-Keelmark": "1", "Origin": "null"},
        {"X-Keelmark": "1", "Origin": "https://localhost"},
        {"X-Keelmark": "0", "Origin": BASE},
    ],
)
def test_another_site_cannot_use_a_browsers_cookie(api: ApiVenue, headers: dict[str, str]) -> None:
    cookie = signed_in(api, Role.OPERATOR)
    answer = api.ask("DELETE", "/session", role=None, headers=cookie | headers)
    assert code(answer) == (403, "cross_site")
    assert api.ask("GET", "/session", role=None, headers=cookie).status_code == 200


def test_another_site_cannot_sign_a_browser_in(shared: ApiVenue) -> None:
    body = {"key": shared.texts[Role.VIEWER]}
    sent = {"Origin": "http://evil.example"}
    assert code(shared.ask("POST", "/session", role=None, json=body, headers=sent)) == (
        403,
        "cross_site",
    )


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "localhost:x"])
def test_a_name_that_is_not_the_services_is_not_answered(shared: ApiVenue, host: str) -> None:
    assert code(shared.ask("GET", "/live", headers={"Host": host})) == (421, "wrong_host")


def test_wrong_keys_are_slowed_and_right_ones_are_not(api: ApiVenue) -> None:
    wrong = {"Authorization": f"Bearer km_{'0' * 12}_{'A' * 43}"}
    codes = [api.ask("GET", "/session", role=None, headers=wrong).status_code for _ in range(12)]
    assert codes == [401] * 10 + [429] * 2
    answer = api.ask("GET", "/session", role=None, headers=wrong)
    assert int(answer.headers["retry-after"]) == 10
    assert api.ask("GET", "/session").status_code == 200
    api.hand.now += 10_000
    assert api.ask("GET", "/session", role=None, headers=wrong).status_code == 401


def test_a_key_that_asks_for_too_much_waits(tmp_path: Path) -> None:
    limits = Limits()
    settings = ApiSettings(limits=limits)
    api = ApiVenue(tmp_path, settings=settings)
    key = api.texts[Role.VIEWER].split("_")[1]
    assert api.services.requests.take(key, api.hand.now / 1000, limits.requests.burst) == 0.0
    assert code(api.ask("GET", "/session", role=Role.VIEWER)) == (429, "too_many_requests")
    assert api.ask("GET", "/session", role=Role.OPERATOR).status_code == 200


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        ({"Content-Type": "text/plain"}, b"{}", (415, "wrong_content_type")),
        (
            {"Content-Type": "application/x-www-form-urlencoded"},
            b"a=b",
            (415, "wrong_content_type"),
        ),
        ({"Content-Type": "application/json; charset=utf-16"}, b"{}", (415, "wrong_content_type")),
        (
            {"Content-Type": "application/json", "Content-Encoding": "gzip"},
            b"{}",
            (415, "wrong_content_type"),
        ),
        ({"Content-Type": "application/json"}, b"x" * 70_000, (413, "too_large")),
        ({"Content-Type": "application/json"}, b"[" * 20, (400, "bad_json")),
        ({"Content-Type": "application/json"}, b'{"key":"a","key":"b"}', (400, "bad_json")),
        ({"Content-Type": "application/json"}, b'{"key":NaN}', (400, "bad_json")),
        ({"Content-Type": "application/json"}, b'{"key":"\\ud800"}', (400, "bad_json")),
        ({"Content-Type": "application/json"}, b'{"key":1}', (422, "invalid")),
        ({"Content-Type": "application/json"}, b'{"kee":"x"}', (422, "invalid")),
        ({"Content-Type": "application/json"}, b"[]", (422, "invalid")),
    ],
)
def test_a_body_that_is_wrong_is_refused_by_name(
    shared: ApiVenue, headers: dict[str, str], body: bytes, expected: tuple[int, str]
) -> None:
    assert code(shared.ask("POST", "/session", headers=headers, content=body)) == expected


def test_headers_are_limited_and_may_not_contradict_each_other(shared: ApiVenue) -> None:
    assert code(shared.ask("GET", "/session", headers={"X-Large": "x" * 40_000})) == (
        431,
        "headers_too_large",
    )
    twice = [("Authorization", "Bearer x"), ("Authorization", "Bearer y")]
    assert code(shared.ask("GET", "/session", role=None, headers=twice)) == (400, "malformed")


def test_methods_that_a_path_does_not_take_are_told(shared: ApiVenue) -> None:
    for method in ("OPTIONS", "PUT", "PATCH", "TRACE", "HEAD", "FOO"):
        answer = shared.ask(method, "/session")
        assert answer.status_code == 405
        assert answer.headers["allow"] == "DELETE, GET, POST"


def test_every_answer_has_the_headers_of_safety_and_none_opens_cors(shared: ApiVenue) -> None:
    asked = [("GET", "/live"), ("GET", "/session"), ("GET", "/nothing"), ("POST", "/session")]
    for method, path in asked:
        headers = shared.ask(method, path, headers={"Origin": "http://evil.example"}).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert not [name for name in headers if name.startswith("access-control")]
        assert "server" not in headers


def test_under_tls_the_cookie_is_bound_to_the_host(tmp_path: Path) -> None:
    api = ApiVenue(tmp_path, settings=ApiSettings(is_tls=True))
    answer = api.ask("POST", "/session", role=None, json={"key": api.texts[Role.VIEWER]})
    assert answer.headers["set-cookie"].startswith("__Host-keelmark=")
    assert "Secure" in answer.headers["set-cookie"]
    assert "max-age" in answer.headers["strict-transport-security"]


@pytest.mark.parametrize(
    "path",
    [
        "/assets/..%2f..%2fapi%2fgate.py",
        "/assets/%2e%2e/reading.py",
        "/assets//etc/passwd",
        "/assets/%00",
        "/assets/__init__.py",
    ],
)
def test_no_path_leads_out_of_the_dashboards_folder(shared: ApiVenue, path: str) -> None:
    assert code(shared.ask("GET", path)) == (404, "not_found")


def test_a_bug_of_ours_is_told_without_its_trace(
    api: ApiVenue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        msg = f"secret {api.texts[Role.VIEWER]}"
        raise RuntimeError(msg)

    monkeypatch.setattr(type(api.services.sessions), "open", broken)
    answer = api.ask("POST", "/session", json={"key": api.texts[Role.VIEWER]})
    assert code(answer) == (500, "our_error")
    assert "Runtime" not in answer.text
    (record,) = (r for r in caplog.records if r.name == "keelmark.api")
    assert "RuntimeError" in record.facts["trace"]  # type: ignore[attr-defined]
    assert api.texts[Role.VIEWER] not in str(record.__dict__)
