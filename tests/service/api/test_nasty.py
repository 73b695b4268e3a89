"""What is sent by hand by whoever means harm: numbers beyond any bound, text that is not what it
looks like, lines into headers, files by name. Every route refuses it and names what is wrong."""

import asyncio
from collections.abc import Iterator

import pytest

from keelmark.service.security.access import ACCESS, WEBSOCKET
from tests.service.api.hostile import ENDLESS, hostile_venue
from tests.service.api.venue_app import ApiVenue

NINES = "9" * 5_000
PAY = '{"type":"Deposit","account":%s,"asset":"USDT","amount":%s}'
MARK = '{"snapshots":[{"marks":{"A":"?"}}]}'
RESERVE = '{"type":"ReserveOrder","order":?,"instrument":"A","size":"1","price":"1","account":0}'
BODIES = [
    "",
    "null",
    "1e999",
    NINES,
    "\ufeff{}",
    '{"snapshots":' + "[" * 15 + "]" * 15 + "}",
    *(PAY % ('"alice"', amount) for amount in ('"1e5"', '"NaN"', "NaN", "1e400", f'"{NINES}"')),
    *(PAY % ('"alice"', amount) for amount in ('"\u0661"', '"-0"', '" 1"', '"0x1"', '"1_0"', '""')),
    *(PAY % (account, '"1"') for account in (NINES, "-1", "1.5", "true", '"\\u0000"', '"\u202e"')),
    '{"type":"OpenAccount","name":"a\\r\\nSet-Cookie: x"}',
    '{"type":"OpenAccount","name":"\\ud83d"}',
    '{"type":"AdvanceTime","time":"0001-01-01T00:00:00Z"}',
    RESERVE.replace("?", NINES),
    *(MARK.replace("?", price) for price in ("1e-400", "0", "-1", NINES)),
    '{"snapshots":[{"time":"0000-00-00T00:00:00Z","marks":{"A":"1"}}]}',
    '{"text":"extends=\\"../../../../etc/passwd\\"","reason":"x"}',
    '{"text":"[a]\\n[a]","reason":"x"}',
    *(f'{{"edits":["{edit}"]}}' for edit in ("A=+1e999", "\\u0000", "price A=-1", NINES[:150])),
    *(f'{{"target":"{target}"}}' for target in ("1e999", "-1", "NaN")),
    '{"name":"x","role":"root"}',
    '[{"key":"k\\n","command":{"type":"Fill"}}]',
    '[{"type":"ReportExecution","order":9223372036854775808,"execution":"x"}]',
]
VALUES = ["%00", "%ff", "..%2f..", "1e999", "-1", "NaN", NINES[:400], "%0d%0aX:y", "%F0%9F%98%80"]
PARAMETERS = "after limit query move figure along low steps x horizon level vol seed open topics"
PARTS = ("{account}", "{case}", "{key}", "{alert}", "{path:path}")
REQUESTS = [row for row in ACCESS if row.method != WEBSOCKET and row.path != ENDLESS]
COSTLY = ("/surface", "/ladder", "/risk", "/health", "/metrics")


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiVenue]:
    api = hostile_venue(tmp_path_factory.mktemp("api"))
    yield api
    assert api.reading is not None
    api.reading.close()


def paths() -> Iterator[tuple[str, str]]:
    """Yield what is asked: names that are none, and values that are none."""
    for row in REQUESTS:
        part = next((part for part in PARTS if part in row.path), "")
        yield from ((row.method, row.path.replace(part, value)) for value in VALUES if part)
        known = row.path.replace(part, "alice") if part else row.path
        if row.method == "GET" and not known.endswith(COSTLY):
            for name in PARAMETERS.split():
                yield from ((row.method, f"{known}?{name}={value}") for value in VALUES[3:4])


@pytest.mark.slow
def test_nothing_that_is_sent_by_hand_is_a_mistake_of_ours(api: ApiVenue) -> None:
    posts = [(row.method, row.path.replace("{account}", "alice")) for row in REQUESTS]
    asked = [(m, path, body) for m, path in posts if m == "POST" for body in BODIES]
    asked += [(m, path, "{}" if m == "POST" else "") for m, path in paths()]

    async def sent() -> list[tuple[str, str, str]]:
        wrong: list[tuple[str, str, str]] = []
        async with api.client() as client:
            for method, path, body in asked:
                more = (
                    {"content": body.encode("utf-8", "surrogatepass")} if method == "POST" else {}
                )
                headers = {"Content-Type": "application/json"} if method == "POST" else {}
                answer = await client.request(method, path, headers=headers, **more)  # type: ignore[arg-type]
                is_ours = answer.status_code >= 500 and path != "/health"
                if is_ours or "x" in answer.headers or "set-cookie" in answer.headers:
                    wrong.append((method, path, answer.text))
        return wrong

    assert asyncio.run(sent()) == []
    assert len(asked) > 800
