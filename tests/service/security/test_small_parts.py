"""Sessions, buckets, host names, origins, plain JSON, the table of routes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.service.security.access import ACCESS, access_table
from keelmark.service.security.buckets import Buckets, Rate
from keelmark.service.security.headers import PAGE_POLICY, inline_policy, security_headers
from keelmark.service.security.json_bodies import BadJson, require_plain_json
from keelmark.service.security.origins import Origins
from keelmark.service.security.roles import Role
from keelmark.service.security.sessions import Sessions


def test_a_session_ends_with_its_time_its_key_or_by_hand() -> None:
    sessions = Sessions(life_ms=100)
    tokens = [sessions.open("k", 0)[0], sessions.open("k", 0)[0], sessions.open("other", 50)[0]]
    assert len(set(tokens)) == 3
    found = sessions.find(tokens[0], 99)
    assert found is not None
    assert found.key_id == "k"
    assert sessions.find(tokens[0], 100) is None
    sessions.close(tokens[2])
    assert sessions.find(tokens[2], 60) is None
    assert sessions.close_of("k") == 2
    assert sessions.find(tokens[1], 60) is None
    assert len(sessions) == 0


def test_tokens_nobody_was_given_open_nothing() -> None:
    sessions = Sessions()
    sessions.open("k", 0)
    assert all(sessions.find(text, 1) is None for text in ("", "x", "\ud800", "y" * 10_000))


def test_too_many_sessions_end_the_oldest() -> None:
    sessions = Sessions(limit=2)
    first, second, third = (sessions.open("k", 0)[0] for _ in range(3))
    assert sessions.find(first, 1) is None
    assert sessions.find(second, 1) is not None
    assert sessions.find(third, 1) is not None


@given(
    burst=st.integers(1, 20),
    per_second=st.integers(1, 20),
    steps=st.lists(st.floats(0, 3), max_size=60),
)
def test_no_more_is_given_than_the_rate_allows(
    burst: int, per_second: int, steps: list[float]
) -> None:
    buckets = Buckets(Rate(burst=burst, per_second=per_second))
    now, given_out = 0.0, 0
    for step in steps:
        now += step
        given_out += buckets.take("a", now) == 0.0
        assert given_out <= burst + now * per_second + 1e-6


def test_whoever_waits_as_long_as_told_is_served() -> None:
    buckets = Buckets(Rate(burst=2, per_second=0.5))
    assert [buckets.take("a", 0.0) for _ in range(2)] == [0.0, 0.0]
    wait = buckets.take("a", 0.0)
    assert wait == pytest.approx(2.0)
    assert buckets.take("b", 0.0) == 0.0
    assert buckets.take("a", wait) == 0.0


def test_the_quietest_name_is_forgotten() -> None:
    buckets = Buckets(Rate(burst=1, per_second=1), limit=2)
    for name in ("a", "b", "c"):
        buckets.take(name, 0.0)
    assert len(buckets) == 2


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1:8000", "[::1]:1", "desk.example", "DESK.example:443"]
)
def test_the_service_answers_to_its_own_names(host: str) -> None:
    assert Origins.of(["desk.example"]).has_host(host)


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "localhost.evil.example", "localhost@evil", "localhost:", "a b", "\n"],
)
def test_the_service_answers_to_no_other_name(host: str) -> None:
    assert not Origins.of(["desk.example"]).has_host(host)


def test_only_pages_of_the_service_are_its_own() -> None:
    plain, tls = Origins.of(["d.example"]), Origins.of(["d.example"], is_tls=True)
    assert plain.is_own("http://d.example:80", "d.example:80")
    assert tls.is_own("https://d.example", "d.example")
    for origin in ("null", "", "http://d.example", "https://d.example:444", "https://e.example"):
        assert not tls.is_own(origin, "d.example")
    assert not plain.is_own("http://evil.example", "evil.example")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nul",
        b'{"a":1}{"b":2}',
        b'{"a":NaN}',
        b"[Infinity]",
        b"[-Infinity]",
        b'{"a":1,"a":1}',
        b'{"x":{"a":1,"\\u0061":1}}',
        b'"\\ud800"',
        b'"\xff"',
        b'\xef\xbb\xbf{"a":1}',
        b"'a'",
        b"[1e999]",
        b"9" * 5000,
        b"[" * 100_000,
        b'{"a":' * 17 + b"1" + b"}" * 17,
        b"[01]",
        b'"\t"',
    ],
)
def test_what_is_not_plain_json_is_refused(body: bytes) -> None:
    with pytest.raises(BadJson):
        require_plain_json(body)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"a":"[[[[[[[[[[[[[[[[[[[[[["}',
        b"[" * 16 + b"]" * 16,
        b'"\\ud83d\\ude00"',
        b'["\\\\"]',
    ],
)
def test_plain_json_passes(body: bytes) -> None:
    require_plain_json(body)


def test_each_route_is_in_the_table_once_and_only_liveness_and_signing_in_are_open() -> None:
    rows = [(row.method, row.path) for row in ACCESS]
    assert len(set(rows)) == len(rows)
    assert [row.path for row in ACCESS if row.role is None] == ["/live", "/session"]


def test_the_table_finds_paths_and_nothing_beside_them() -> None:
    table = access_table()
    assert table.find("/v1/accounts/alice/check").path == "/v1/accounts/{account}/check"
    assert table.find("/assets/vendor/x.js").path == "/assets/{path:path}"
    for path in (
        "/v1/accounts//check",
        "/v1/accounts/a/b/check",
        "/V1/venue",
        "/v1/venue/",
        "//",
        "",
    ):
        assert table.find(path).path is None


def test_every_change_is_audited_or_is_a_command() -> None:
    unaudited = {row.path for row in ACCESS if row.path.startswith("/v1/admin") and not row.audited}
    assert unaudited == {"/v1/admin/keys"}  # the list of them


def test_roles_cover_those_below() -> None:
    assert [[role.covers(other) for other in Role] for role in Role] == [
        [True, False, False],
        [True, True, False],
        [True, True, True],
    ]


def test_the_page_may_run_its_own_files_and_nothing_else() -> None:
    assert "unsafe" not in PAGE_POLICY
    assert "frame-ancestors 'none'" in PAGE_POLICY
    assert "'sha256-" in inline_policy(scripts=["x"], styles=["y"])
    names = [dict(security_headers(is_tls=is_tls)) for is_tls in (False, True)]
    assert [b"strict-transport-security" in found for found in names] == [False, True]
