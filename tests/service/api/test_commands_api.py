"""Commands over HTTP: done once, refused by name, and told what happened."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

from keelmark.service.api.app import MOST_ASKED
from keelmark.service.api.routes import commands, prices
from keelmark.service.api.settings import ApiSettings, Limits
from keelmark.service.link.messages import Failure, Outcome
from keelmark.service.security.audit import entries, verify
from keelmark.service.security.roles import Role
from tests.service.api.venue_app import ApiVenue

DEPOSIT = {"type": "Deposit", "account": "alice", "asset": "USDT", "amount": "100"}


@pytest.fixture
def api(tmp_path: Path) -> ApiVenue:
    found = ApiVenue(tmp_path)
    found.venue.open("alice", USDT=1000)
    found.venue.open("bob", USDT=1000)
    found.venue.marks(A=100.0, B=50.0)
    return found


def sent(api: ApiVenue, path: str, body: object, **headers: str) -> Any:  # noqa: ANN401 an answer
    return api.ask("POST", path, Role.OPERATOR, json=body, headers=headers)


def code(answer: Any) -> tuple[int, str]:  # noqa: ANN401 an answer
    return answer.status_code, answer.json()["error"]["code"]


def test_a_command_is_answered_with_what_happened(api: ApiVenue) -> None:
    answer = sent(api, "/v1/commands", DEPOSIT)
    body = answer.json()
    assert (answer.status_code, body["status"]) == (200, "done")
    assert body["position"] == api.venue.engine.position
    (event,) = body["events"]
    assert (event["type"], event["account"], event["amount"]) == ("Deposited", "alice", "100")
    assert api.venue.balance(5) == 1100


def test_a_key_makes_a_command_happen_once(api: ApiVenue) -> None:
    first, second = (sent(api, "/v1/commands", DEPOSIT, **{"Idempotency-Key": "k"}) for _ in "ab")
    assert second.json() == {
        "status": "repeated",
        "position": first.json()["position"],
        "events": [],
    }
    assert api.venue.balance(5) == 1100
    other = sent(api, "/v1/commands", DEPOSIT | {"amount": "1"}, **{"Idempotency-Key": "k"})
    assert code(other) == (409, "key_reused")
    assert api.link.items[-1].actor == api.texts[Role.OPERATOR].split("_")[1]


@pytest.mark.parametrize("key", ["x" * 201, "a b", "caf\u00e9"])
def test_a_key_that_is_none_is_refused(api: ApiVenue, key: str) -> None:
    headers = {"Idempotency-Key": key.encode("utf-8")}
    answer = api.ask("POST", "/v1/commands", json=DEPOSIT, headers=headers)
    assert code(answer) == (422, "invalid")
    assert api.venue.balance(5) == 1000


def test_a_refusal_says_why(api: ApiVenue) -> None:
    answer = sent(api, "/v1/commands", DEPOSIT | {"type": "Withdraw", "amount": "5000"})
    assert code(answer) == (409, "insufficient_balance")
    assert answer.json()["error"]["message"] == "the withdrawal of 5000 USDT; alice holds 1000"
    answer = sent(api, "/v1/commands", DEPOSIT | {"account": "alcie"})
    assert answer.status_code == 422
    assert answer.json()["error"] == {
        "code": "unknown_account",
        "message": "no account 'alcie'; did you mean 'alice'?",
        "where": "account",
        "fix": "did you mean 'alice'?",
    }


def test_a_batch_accepts_and_refuses_row_by_row(api: ApiVenue) -> None:
    rows = [
        {"command": DEPOSIT, "key": "1"},
        {"command": DEPOSIT | {"amount": "0.5"}},
        {"command": DEPOSIT | {"type": "Withdraw", "amount": "9999"}},
        {"command": {"type": "Nothing"}},
        {"command": DEPOSIT, "key": "1"},
    ]
    body = sent(api, "/v1/commands/batch", rows).json()
    assert [row["status"] for row in body["results"]] == [
        "done",
        "invalid",
        "rejected",
        "invalid",
        "repeated",
    ]
    codes = [row["error"]["code"] for row in body["results"] if "error" in row]
    assert codes == ["off_grid", "insufficient_balance", "invalid"]
    assert body["results"][2]["error"]["fix"] == "alice holds 1100"
    assert body["position"] == api.venue.engine.position
    assert api.venue.balance(5) == 1100


@pytest.mark.parametrize("body", [[], {}, [{}], [1], [{"key": "x"}], [{"command": {}, "extra": 1}]])
def test_a_batch_that_is_none_is_refused_whole(api: ApiVenue, body: object) -> None:
    answer = sent(api, "/v1/commands/batch", body)
    if answer.status_code == 200:
        assert [row["status"] for row in answer.json()["results"]] == ["invalid"]
    else:
        assert answer.status_code == 422
    assert api.link.items == []


def test_a_batch_with_too_many_rows_is_refused(tmp_path: Path) -> None:
    api = ApiVenue(tmp_path, settings=ApiSettings(limits=Limits(batch_rows=2)))
    rows = [{"command": {"type": "OpenAccount", "name": str(number)}} for number in range(3)]
    assert code(sent(api, "/v1/commands/batch", rows)) == (422, "invalid")
    assert sent(api, "/v1/commands/batch", rows[:2]).json()["results"][1]["status"] == "done"


BUSY = Outcome(status="busy", retry_after_ms=1500)
GONE = Outcome(
    status="behind", error=Failure(code="no_writer", message="no writer; nothing was sent")
)
LOST = Outcome(status="unknown", error=Failure(code="unknown_outcome", message="send it again"))


@pytest.mark.parametrize(
    ("outcome", "expected", "after"),
    [
        (BUSY, (429, "busy"), "2"),
        (GONE, (503, "no_writer"), "1"),
        (LOST, (503, "unknown_outcome"), "1"),
    ],
    ids=["busy", "gone", "lost"],
)
def test_a_writer_without_room_or_away_is_told_with_when_to_come_back(
    api: ApiVenue, outcome: Outcome, expected: tuple[int, str], after: str
) -> None:
    api.link.answer = outcome
    marks = {"snapshots": [{"marks": {"A": "1"}}]}
    for path, body in (("/v1/commands", DEPOSIT), ("/v1/marks", marks)):
        answer = sent(api, path, body)
        assert code(answer) == expected
        assert answer.headers["retry-after"] == after
    answer = sent(api, "/v1/commands/batch", [{"command": DEPOSIT}])
    if outcome is LOST:
        assert answer.json()["results"][0]["status"] == "unknown"
    else:
        assert code(answer) == expected


def test_marks_are_prices_by_name(api: ApiVenue) -> None:
    snapshots = [
        {"time": "1970-01-01T00:00:02Z", "marks": {"A": "101"}},
        {"time": "1970-01-01T00:00:03Z", "marks": {"A": "102", "B": "51"}},
    ]
    answer = sent(api, "/v1/marks", {"snapshots": snapshots})
    assert answer.json() == {"position": api.venue.engine.position}
    assert api.venue.state.ticks(api.venue.row("A")) == 102


def test_a_mark_between_two_prices_is_rounded_ties_to_even_and_to_zero_is_none(
    api: ApiVenue,
) -> None:
    def pushed(mark: str) -> Any:  # noqa: ANN401 an answer
        snapshot = {"time": "1970-01-01T00:00:02Z", "marks": {"A": mark}}
        return sent(api, "/v1/marks", {"snapshots": [snapshot]})

    row, state = api.venue.row("A"), api.venue.state
    for sent_mark, ticks in (("102.4", 102), ("102.5", 102), ("103.5", 104), ("103.6", 104)):
        assert pushed(sent_mark).status_code == 200
        assert state.ticks(row) == ticks
        assert not state.is_untrusted_instrument(row)
    pushed("0.5")
    assert state.ticks(row) == 104
    assert state.is_untrusted_instrument(row)


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [
        ({"marks": {"C": "1"}}, (422, "unknown_instrument")),
        ({"marks": {"A": "0"}}, (422, "invalid_mark")),
        ({"marks": {"A": "-1"}}, (422, "invalid_mark")),
        ({"marks": {"A": "NaN"}}, (422, "invalid")),
        ({"marks": {"A": 1}}, (422, "invalid")),
        ({"marks": {"A": "1"}, "time": "yesterday"}, (422, "invalid_input")),
        ({}, (422, "invalid")),
        ({"marks": {"A": "1"}, "time": "1970-01-01T00:00:00.001Z"}, (409, "time_runs_backwards")),
    ],
    ids=range(8),
)
def test_prices_that_are_none_are_refused(
    api: ApiVenue, snapshot: object, expected: tuple[int, str]
) -> None:
    assert code(sent(api, "/v1/marks", {"snapshots": [snapshot]})) == expected


def test_reports_about_orders_nobody_sent_are_refused_one_by_one(api: ApiVenue) -> None:
    reports = [
        {"type": "CloseOrder", "order": 1, "outcome": "cancelled"},
        {
            "type": "ReportExecution",
            "order": 1,
            "execution": "x",
            "instrument": "A",
            "size": "1",
            "price": "1.5",
        },
    ]
    body = sent(api, "/v1/executions", reports).json()
    assert [row["error"]["code"] for row in body["results"]] == ["no_such_order", "off_grid"]


def test_a_decision_is_in_the_trail_before_it_is_sent(api: ApiVenue) -> None:
    seen: list[tuple[int, ...]] = []
    submit = api.link.submit

    async def watched(items: Any) -> Any:  # noqa: ANN401 as the link has it
        seen.append(verify(api.services.trail.path).unfinished)
        return await submit(items)

    api.link.submit = watched  # type: ignore[method-assign]
    answer = sent(api, "/v1/admin/pause", {"instrument": "A", "reason": "index source down"})
    assert answer.json()["events"][0]["type"] == "Paused"
    assert seen == [(1,)]
    action, outcome = entries(api.services.trail.path)
    assert (action.action, action.reason) == ("POST /v1/admin/pause", "index source down")
    assert (action.name, action.role, action.address) == ("the operator", "operator", "192.0.2.7")
    assert action.details == {"instrument": "A"}
    assert (outcome.of, outcome.outcome) == (1, f"done at position {api.venue.engine.position}")


def test_a_decision_that_is_refused_is_in_the_trail_with_its_refusal(api: ApiVenue) -> None:
    body = {"account": "alice", "action": "takeover", "reason": "test"}
    assert code(api.ask("POST", "/v1/admin/override", Role.RISK_ADMIN, json=body)) == (
        409,
        "nothing_to_close",
    )
    *_, outcome = entries(api.services.trail.path)
    assert outcome.outcome.startswith("rejected: ")


def test_what_only_a_risk_admin_may_override_an_operator_may_not(api: ApiVenue) -> None:
    body = {"account": "alice", "action": "takeover", "reason": "test"}
    answer = sent(api, "/v1/admin/override", body)
    assert code(answer) == (403, "role")
    assert answer.json()["error"]["fix"] == "use a key with the role risk_admin"
    held = sent(api, "/v1/admin/override", body | {"action": "hold"})
    assert held.json()["events"][0]["operator"].startswith("the operator (")
    assert api.link.items == api.link.items[:1]


def test_no_command_passes_for_an_operators_decision(api: ApiVenue) -> None:
    for kind in ("Pause", "Resume", "Override", "CloseAccount", "SetRulebook"):
        body = {"type": kind, "account": "alice", "reason": "x", "text": "x", "instrument": "A"}
        assert code(sent(api, "/v1/commands", body)) == (422, "invalid")
        assert sent(api, "/v1/commands/batch", [{"command": body}]).json()["results"][0][
            "status"
        ] == ("invalid")
    assert api.link.items == []


def test_nothing_is_done_that_the_trail_cannot_keep(
    api: ApiVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("keelmark.service.security.audit.os.fsync", full)
    answer = sent(api, "/v1/admin/pause", {"reason": "test"})
    assert code(answer) == (503, "storage_failed")
    assert "retry-after" in answer.headers
    assert api.link.items == []


def test_an_account_is_closed_and_a_rulebook_set_by_a_risk_admin(api: ApiVenue) -> None:
    close = {"account": "bob", "cause": "request", "reason": "asked for"}
    answer = api.ask("POST", "/v1/admin/close", json=close)
    assert answer.json()["events"][-1]["type"] == "AccountClosed"
    wrong = api.ask("POST", "/v1/admin/rulebook", json={"text": "name = 1", "reason": "x"})
    assert code(wrong) == (422, "invalid_document")
    details = [entry.details for entry in entries(api.services.trail.path) if entry.details]
    assert details[-1]["bytes"] == 8


def test_a_doubted_mark_is_named_with_the_field_that_mends_it(api: ApiVenue) -> None:
    alice = api.venue.state.book.cross_unit(api.venue.state.names["alice"])
    api.venue.trade(alice, api.venue.state.liquidity, "A", 1, 100)
    snapshot = {"time": "1970-01-01T00:00:02Z", "marks": {"A": "0.5"}}
    sent(api, "/v1/marks", {"snapshots": [snapshot]})
    close = {"account": "alice", "cause": "request", "reason": "asked for", "price_source": "desk"}
    answer = api.ask("POST", "/v1/admin/close", json=close)
    assert code(answer) == (409, "untrusted_mark")
    assert answer.json()["error"]["fix"] == "name a price for it in `prices`"


def test_a_closing_price_far_off_the_mark_is_forced_or_refused(api: ApiVenue) -> None:
    close = {"account": "bob", "cause": "request", "reason": "asked for", "price_source": "desk"}
    api.venue.marks(A=100.0)
    for price in ("94", "106", "1"):
        refused = api.ask("POST", "/v1/admin/close", json=close | {"prices": {"A": price}})
        assert code(refused) == (422, "off_mark")
        assert refused.json()["error"]["where"] == "prices.A"
        assert "off the mark of A, 100" in refused.json()["error"]["message"]
    assert api.link.items == []
    near = api.ask("POST", "/v1/admin/close", json=close | {"prices": {"A": "95"}})
    assert near.json()["events"][-1]["type"] == "AccountClosed"
    forced = {"account": "alice", "prices": {"A": "1"}, "force": True}
    far = api.ask("POST", "/v1/admin/close", json=close | forced)
    assert far.json()["events"][-1]["type"] == "AccountClosed"
    details = [entry.details for entry in entries(api.services.trail.path) if entry.details]
    assert (details[-1]["force"], details[-1]["prices"]) == (True, {"A": "1"})


def test_keys_are_made_shown_once_listed_and_revoked(api: ApiVenue) -> None:
    made = api.ask("POST", "/v1/admin/keys", json={"name": "desk", "role": "viewer"})
    assert made.status_code == 201
    text = made.json()["key"]
    headers = {"Authorization": f"Bearer {text}"}
    assert api.ask("GET", "/session", None, headers=headers).json()["name"] == "desk"
    rows = api.ask("GET", "/v1/admin/keys").json()["keys"]
    assert [row["name"] for row in rows][-1] == "desk"
    assert rows[-1]["last_used"] is not None
    assert text.split("_", 2)[2] not in api.services.trail.path.read_text() + str(rows)
    gone = api.ask("DELETE", f"/v1/admin/keys/{rows[-1]['id']}")
    assert gone.json()["revoked"] is not None
    assert api.ask("GET", "/session", None, headers=headers).status_code == 401
    assert code(api.ask("DELETE", "/v1/admin/keys/nobody")) == (404, "not_found")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "", "role": "viewer"},
        {"name": "x", "role": "root"},
        {"name": "x", "role": "viewer", "expires": "2020-01-01T00:00:00Z"},
        {"name": "x", "role": "viewer", "expires": "soon"},
        {"name": "x", "role": "viewer", "secret": "mine"},
        {"name": "\u202ex", "role": "viewer"},
    ],
    ids=range(6),
)
def test_a_key_that_cannot_be_made_is_not(api: ApiVenue, body: object) -> None:
    assert api.ask("POST", "/v1/admin/keys", json=body).status_code == 422
    assert len(api.services.keys.list()) == 3


def test_the_trail_is_shown_whole_and_held_against_itself(api: ApiVenue) -> None:
    for reason in ("one", "two"):
        sent(api, "/v1/admin/pause", {"reason": reason})
    body = api.ask("GET", "/v1/audit?after=2&limit=1").json()
    assert [entry["reason"] for entry in body["entries"]] == ["two"]
    assert (body["count"], body["is_intact"], body["problems"]) == (4, True, [])
    path = api.services.trail.path
    path.write_bytes(path.read_bytes().replace(b"two", b"six"))
    assert api.ask("GET", "/v1/audit").json()["is_intact"] is False


def test_events_are_read_since_any_place(api: ApiVenue) -> None:
    sent(api, "/v1/commands", DEPOSIT)
    body = api.ask("GET", "/v1/events?limit=3", Role.VIEWER).json()
    assert (len(body["events"]), body["is_end"]) == (3, False)
    places: list[str] = [f"{x['position']}.{x['index']}" for x in body["events"]]
    while not body["is_end"]:
        body = api.ask("GET", f"/v1/events?limit=3&after={body['next']}", Role.VIEWER).json()
        places += [f"{x['position']}.{x['index']}" for x in body["events"]]
    everything = api.ask("GET", "/v1/events").json()["events"]
    assert places == [f"{x['position']}.{x['index']}" for x in everything]
    assert body["next"] == str(api.venue.engine.position)
    last = api.ask("GET", f"/v1/events?after={places[-2]}").json()["events"]
    assert [x["type"] for x in last] == ["Deposited"]
    assert last[0]["time"] is not None


def test_events_are_read_by_topic(api: ApiVenue) -> None:
    body = api.ask("GET", "/v1/events?topics=cash,%20prices").json()
    assert [x["type"] for x in body["events"]] == ["Deposited", "Deposited", "MarksSet"]
    for query in ("topics=nothing", "after=x", "after=99", "limit=0", "limit=99999", "after=-1"):
        assert api.ask("GET", f"/v1/events?{query}").status_code == 422


def test_what_goes_straight_to_its_route_is_a_route_of_the_framework_too(api: ApiVenue) -> None:
    described = {
        (method, route.path): route.endpoint
        for router in (commands.router, prices.router)
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert {place: described[place] for place in MOST_ASKED} == MOST_ASKED
    assert {path for _, path in MOST_ASKED} <= api.app.openapi()["paths"].keys()
