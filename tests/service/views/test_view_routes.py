"""Over HTTP the views answer as documented; what is wrong is told in one shape, and never 5xx."""

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from keelmark.service.api.app import create_app
from keelmark.service.api.problems import Problem
from keelmark.service.reading import EngineReader
from keelmark.service.security.roles import Role
from keelmark.service.views.desk import BookDesk
from keelmark.service.views.desk_routes import DeskViews, desk_router
from keelmark.service.views.routes import Views, long_answer, venue_router
from keelmark.service.views.schemas import ANSWERS, schema
from keelmark.service.views.shared import LongWork, Shared, TooMany
from tests.service.api.venue_app import ApiVenue
from tests.service.views.books import quiet

TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> ApiVenue:
    """A venue with two accounts, one of which has been liquidated."""
    api = ApiVenue(tmp_path_factory.mktemp("api"))
    venue = api.venue
    quiet(venue)
    venue.marks(A=1000.0, B=1000.0)
    alice, bob = venue.open("alice", USDT=20_000), venue.open("bob", USDT=1_100)
    venue.deposit(venue.state.fund_of(-1), 5_000)
    venue.trade(bob, alice, "A", 10, 1000)
    venue.trade(alice, venue.state.liquidity, "B", 3, 1000)
    venue.marks(A=880.0)
    return reading(api)


def reading(api: ApiVenue) -> ApiVenue:
    """Let it answer what is asked of the book."""
    reader = EngineReader(api.venue.engine)
    views = Views(reader, api.venue.engine.journal, fleet=Shared(keep_s=-1.0))
    routers = [venue_router(views), desk_router(DeskViews(BookDesk(reader)))]
    api.app = create_app(api.services, routers)
    return api


def documented(name: str, answer: dict[str, Any]) -> None:
    """Hold an answer against its schema."""
    described = schema(name)
    assert set(described["required"]) <= answer.keys()
    for field, told in described["properties"].items():
        kinds = told["type"] if isinstance(told["type"], list) else [told["type"]]
        assert any(isinstance(answer[field], TYPES[kind]) for kind in kinds), field
    json.dumps(answer, allow_nan=False)


READS = {
    "venue": "/v1/venue",
    "prices": "/v1/prices",
    "fund": "/v1/fund",
    "accounts": "/v1/accounts",
    "account": "/v1/accounts/alice",
    "orders": "/v1/orders",
    "map": "/v1/map?instrument=A&move=-0.07",
    "distance": "/v1/distance",
    "riskiest": "/v1/riskiest",
    "adl": "/v1/accounts/alice/adl",
    "liquidations": "/v1/liquidations",
    "liquidation": "/v1/liquidations/1",
    "check": "/v1/accounts/alice/check",
    "explain": "/v1/accounts/alice/explain?figure=equity",
    "ladder": "/v1/accounts/alice/ladder?along=B&steps=5",
    "surface": "/v1/accounts/alice/surface?x=A&y=B&steps=3",
    "face": "/v1/accounts/alice/face",
}


@pytest.mark.parametrize("name", sorted(READS))
def test_every_read_answers_as_documented(api: ApiVenue, name: str) -> None:
    answer = api.ask("GET", READS[name], Role.VIEWER)
    assert answer.status_code == 200, answer.text
    documented(name, answer.json())
    assert answer.json()["position"] == api.venue.engine.position


def test_before_the_first_price_there_is_no_time(tmp_path: Path) -> None:
    api = reading(ApiVenue(tmp_path))
    quiet(api.venue)
    api.venue.open("alice", USDT=20_000)
    answered = set()
    for name, path in READS.items():
        answer = api.ask("GET", path, Role.VIEWER)
        assert "1970" not in answer.text, path
        if answer.status_code == 200:
            answered.add(name)
            documented(name, answer.json())
            assert answer.json()["time"] is None
    assert answered >= READS.keys() - {"map", "liquidation", "ladder", "surface", "explain"}


def test_questions_answer_as_documented(api: ApiVenue) -> None:
    body = {"edits": ["close B=50%", "deposit USDT=100"]}
    answer = api.ask("POST", "/v1/accounts/alice/whatif", Role.VIEWER, json=body)
    documented("whatif", answer.json())
    assert not answer.json()["now"]["check"]["snapshot"]["is_stale"]  # by the venue's clock
    answer = api.ask("POST", "/v1/accounts/alice/rescue", Role.VIEWER, json={"target": "90%"})
    documented("rescue", answer.json())
    numbers = api.ask("GET", "/v1/accounts/alice/explain").json()["numbers"]
    assert "equity" in numbers


def test_risk_tells_chances_under_given_volatilities(api: ApiVenue) -> None:
    path = "/v1/accounts/alice/risk?horizon=1d&vol=A=0.05&vol=B=4%25"
    answer = api.ask("GET", path, Role.VIEWER)
    assert answer.status_code == 200, answer.text
    documented("risk", answer.json())
    told = answer.json()["liquidation"]["as given"]
    assert [row["days"] for row in told["account"]["horizons"]] in (["1", "7"], [])


def test_risk_asks_what_an_unknown_coin_moves_like_and_says_what_it_took(api: ApiVenue) -> None:
    path = "/v1/accounts/alice/risk"
    refused = api.ask("GET", path, Role.VIEWER)
    assert refused.status_code == 409
    error = refused.json()["error"]
    assert "XRP, not A, B; say which coin each moves like: like=A=BTC" in error["message"]
    assert "--" not in error["message"]
    assert error["fix"].startswith("say which coin")
    answer = api.ask("GET", f"{path}?like=A%3DSOL&like=%2A", Role.VIEWER)
    assert answer.status_code == 200, answer.text
    documented("risk", answer.json())
    told = answer.json()
    assert told["standing_in"] == {"A": "SOL", "B": "ENA"}  # ENA: the largest deviation of a day
    assert {"BTC", "SOL", "ENA"} <= set(told["coins_known"])
    assert "A is taken to move as SOL" in told["notes"]
    assert "--" not in json.dumps(told["beside"])
    same = api.ask("GET", f"{path}?like=A%3DSOL&like=%2A%3DSOL", Role.VIEWER).json()
    assert same["standing_in"] == {"A": "SOL", "B": "SOL"}
    for wrong in ("C=BTC", "A=", "=BTC", "A=NONE", "*=NONE"):
        refused = api.ask("GET", path, Role.VIEWER, params={"like": wrong})
        assert refused.status_code == 422, wrong
        assert "like=" in refused.json()["error"]["message"]


def test_every_answer_is_described(api: ApiVenue) -> None:
    paths = api.ask("GET", "/openapi.json").json()["paths"]
    seen = 0
    for path, methods in paths.items():
        for operation in methods.values():
            if {"venue", "account"} & set(operation.get("tags", ())):
                told = operation["responses"]["200"]["content"]["application/json"]["schema"]
                assert told["required"], path
                seen += 1
    assert seen == len([name for name in ANSWERS if not name.startswith("desk_")])


HOSTILE = [
    "/v1/accounts/nobody",
    "/v1/accounts/nobody/check",
    "/v1/accounts/%00",
    "/v1/accounts/" + "a" * 199,
    "/v1/accounts/" + "a" * 5_000,
    "/v1/accounts?limit=0",
    "/v1/accounts?limit=99999999999999999999",
    "/v1/accounts?after=-1",
    "/v1/accounts?after=99999999999999999999999",
    "/v1/accounts?query=" + "x" * 500,
    "/v1/map",
    "/v1/map?instrument=NONE",
    "/v1/map?instrument=A&move=-1",
    "/v1/map?instrument=A&move=nan",
    "/v1/map?instrument=A&move=1e999",
    "/v1/riskiest?limit=201",
    "/v1/liquidations?limit=0",
    "/v1/liquidations?open=perhaps",
    "/v1/liquidations/0",
    "/v1/liquidations/99",
    "/v1/liquidations/one",
    "/v1/accounts/alice/explain?figure=nothing",
    "/v1/accounts/alice/explain?figure=equity&unit=none",
    "/v1/accounts/alice/ladder?along=NONE",
    "/v1/accounts/alice/ladder?low=-2",
    "/v1/accounts/alice/ladder?low=NaN",
    "/v1/accounts/alice/ladder?low=sNaN",
    "/v1/accounts/alice/ladder?low=1e999999",
    "/v1/accounts/alice/ladder?low=0.5&high=-0.5",
    "/v1/accounts/alice/ladder?steps=1",
    "/v1/accounts/alice/surface?x=A&y=A",
    "/v1/accounts/alice/surface?x=A&y=B&steps=4000",
    "/v1/accounts/alice/risk?horizon=1000d",
    "/v1/accounts/alice/risk?horizon=",
    "/v1/accounts/alice/risk?level=1",
    "/v1/accounts/alice/risk?vol=A",
    "/v1/accounts/alice/risk?vol=A=0",
    "/v1/accounts/alice/risk?vol=A=-1",
    "/v1/accounts/alice/risk?like=" + "A" * 300,
]


@pytest.mark.parametrize("path", HOSTILE)
def test_a_hostile_read_is_told_what_is_wrong(api: ApiVenue, path: str) -> None:
    answer = api.ask("GET", path, Role.VIEWER)
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"edits": "close"},
        {"edits": ["fly"]},
        {"edits": ["close NONE"]},
        {"edits": ["deposit USDT=NaN"]},
        {"edits": ["deposit USDT=1e999999"]},
        {"edits": ["venue /etc/keelmark.toml"]},
        {"edits": ["venue ../x.toml"]},
        {"edits": ["price all=-100%"]},
        {"edits": ["x" * 10_000]},
        {"edits": ["close A"] * 100},
        {"edits": [], "fee": "-1e5"},
        {"edits": [], "more": 1},
        [],
    ],
)
def test_a_hostile_edit_is_told_what_is_wrong(api: ApiVenue, body: object) -> None:
    answer = api.ask("POST", "/v1/accounts/alice/whatif", Role.VIEWER, json=body)
    assert 400 <= answer.status_code < 500, answer.text
    assert answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "body",
    [
        {"target": "half"},
        {"target": "0.5", "distance": "0.2"},
        {"target": "-1"},
        {"distance": "1e999"},
        {"unit": "none"},
        {"allow": ["steal"]},
        {"wallet": {"USDT": "-5"}},
    ],
)
def test_a_hostile_rescue_is_told_what_is_wrong(api: ApiVenue, body: object) -> None:
    answer = api.ask("POST", "/v1/accounts/alice/rescue", Role.VIEWER, json=body)
    assert 400 <= answer.status_code < 500, answer.text


def test_nothing_is_told_without_a_key(api: ApiVenue) -> None:
    for path in READS.values():
        assert api.ask("GET", path, None).status_code == 401


# --- shared and long work -----------------------------------------------------------------------


def test_many_who_ask_at_once_are_answered_by_one_pass() -> None:
    counted: list[int] = []

    def work() -> int:
        counted.append(1)
        return len(counted)

    async def many() -> list[Any]:
        now = [0.0]
        shared = Shared(keep_s=1.0, clock=lambda: now[0])
        first = await asyncio.gather(*(shared.ask("one", work) for _ in range(50)))
        now[0] = 0.9
        kept = await shared.ask("one", work)
        now[0] = 1.1
        fresh = await shared.ask("one", work)
        shared.close()
        return [{a.answer for a in first}, (kept.answer, kept.age_ms), fresh.answer]

    assert asyncio.run(many()) == [{1}, (1, 900), 2]


def test_an_error_of_a_pass_is_everybodys_and_not_kept() -> None:
    attempts: list[int] = []

    def work() -> int:
        attempts.append(1)
        if len(attempts) == 1:
            msg = "not now"
            raise TooMany(msg)
        return 7

    async def twice() -> tuple[list[object], int]:
        shared = Shared()
        both = [shared.ask("one", work) for _ in range(2)]
        first = await asyncio.gather(*both, return_exceptions=True)
        again = await shared.ask("one", work)
        shared.close()
        return list(first), again.answer

    first, again = asyncio.run(twice())
    assert all(isinstance(one, TooMany) for one in first)
    assert again == 7


def test_beyond_the_bound_long_questions_are_refused_at_once() -> None:
    gate = threading.Event()

    async def crowd() -> list[Any]:
        long = LongWork(at_once=1, waiting=1, limit_s=5.0)
        asked = [asyncio.create_task(long_answer(long, gate.wait)) for _ in range(4)]
        await asyncio.sleep(0.05)
        gate.set()
        done = await asyncio.gather(*asked, return_exceptions=True)
        after = await long_answer(long, lambda: "room again")
        long.close()
        return [*done, after]

    done = asyncio.run(crowd())
    refused = [one for one in done if isinstance(one, Problem)]
    assert [one.status for one in refused] == [429, 429]
    assert all(int(one.headers["Retry-After"]) >= 1 for one in refused)
    assert done[-1] == "room again"


def test_nobody_waits_beyond_the_limit() -> None:
    gate = threading.Event()

    async def slow() -> Problem:
        long = LongWork(at_once=1, waiting=0, limit_s=0.05)
        with pytest.raises(Problem) as told:
            await long_answer(long, gate.wait)
        with pytest.raises(Problem) as busy:
            await long_answer(long, gate.wait)  # the thread is at it still
        assert busy.value.status == 429
        gate.set()
        long.close()
        return told.value

    assert asyncio.run(slow()).code == "too_long"
