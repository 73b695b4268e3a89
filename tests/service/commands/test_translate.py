"""A form means one command of the engine, exactly, or is refused by the name of its field."""

from decimal import Decimal
from functools import cache
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.errors import InvalidInput
from keelmark.engine import commands as c
from keelmark.service.commands import forms as f
from keelmark.service.commands.decode import COMMAND, EXECUTIONS, decoded, decoded_as, rows_of
from keelmark.service.commands.grid import Grid, WrongField, leverage, rate
from keelmark.service.commands.translate import admin_command, command_of
from tests.engine.venue import ROUND, Venue, merged

FINE = merged(
    ROUND,
    {
        "assets": {"USDT": {"quantum": "0.000001"}, "BTC": {"quantum": "0.00000001"}},
        "defaults": {"lot": "0.002", "price_unit": "0.5", "table": "flat"},
    },
)


@cache
def fine_venue() -> Venue:
    venue = Venue(base=FINE)
    venue.open("alice", USDT=1000)
    venue.open("bob", USDT=1000)
    venue.isolated("alice")
    venue.marks(A=100.0, B=50.0, asset_BTC=100.0)
    return venue


def fine_grid() -> Grid:
    return Grid(fine_venue().state)


ALICE, BOB, ISOLATED = 5, 6, 7
LIQUIDITY, FUND = 2, 3
USDT, BTC = 0, 1

TABLE: list[tuple[dict[str, Any], c.Command]] = [
    ({"type": "OpenAccount", "name": "zoë"}, c.OpenAccount(name="zoë")),
    ({"type": "OpenIsolated", "account": "bob"}, c.OpenIsolated(account=1)),
    (
        {"type": "Deposit", "account": "alice", "asset": "USDT", "amount": "100.5"},
        c.Deposit(unit=ALICE, asset=USDT, quanta=100_500_000),
    ),
    (
        {"type": "Deposit", "account": 1, "asset": "BTC", "amount": "0.00000001"},
        c.Deposit(unit=BOB, asset=BTC, quanta=1),
    ),
    (
        {"type": "Deposit", "unit": "fund:default", "asset": "USDT", "amount": "000.1"},
        c.Deposit(unit=FUND, asset=USDT, quanta=100_000),
    ),
    (
        {"type": "Withdraw", "account": "alice", "unit": ISOLATED, "asset": "USDT", "amount": "1"},
        c.Withdraw(unit=ISOLATED, asset=USDT, quanta=1_000_000),
    ),
    (
        {
            "type": "Transfer",
            "source": {"account": "alice"},
            "target": {"unit": ISOLATED},
            "asset": "USDT",
            "amount": "-2",
        },
        c.Transfer(source=ALICE, target=ISOLATED, asset=USDT, quanta=-2_000_000),
    ),
    (
        {
            "type": "Fill",
            "account": "alice",
            "instrument": "B",
            "size": "-0.010",
            "price": "99.5",
            "fee": "-0.01",
            "leg": "short",
            "leverage": "12.5",
            "order": 4,
        },
        c.Fill(
            unit=ALICE,
            counterparty=LIQUIDITY,
            instrument=1,
            lots=-5,
            ticks=199,
            leg=-1,
            fee=-10_000,
            leverage=1250,
            order=4,
        ),
    ),
    (
        {
            "type": "FillBatch",
            "fills": [
                {
                    "account": "alice",
                    "counterparty": {"account": "bob"},
                    "instrument": "A",
                    "size": "0.002",
                    "price": "100",
                }
            ],
        },
        c.FillBatch(fills=(c.Fill(unit=ALICE, counterparty=BOB, instrument=0, lots=1, ticks=200),)),
    ),
    (
        {"type": "SetLeverage", "account": "alice", "instrument": "A", "leverage": "20"},
        c.SetLeverage(unit=ALICE, instrument=0, leverage=2000),
    ),
    (
        {
            "type": "ReserveOrder",
            "account": "alice",
            "order": 9,
            "instrument": "A",
            "size": "0.004",
            "price": "90",
            "reduce_only": True,
        },
        c.ReserveOrder(unit=ALICE, order=9, instrument=0, lots=2, ticks=180, reduce_only=True),
    ),
    (
        {"type": "ReleaseOrder", "account": "alice", "order": 9},
        c.ReleaseOrder(unit=ALICE, order=9),
    ),
    (
        {
            "type": "ReleaseOrder",
            "account": "alice",
            "order": 9,
            "size": "0.002",
            "instrument": "A",
        },
        c.ReleaseOrder(unit=ALICE, order=9, lots=1),
    ),
    (
        {
            "type": "PostFunding",
            "rows": [{"instrument": "A", "rate": "-0.0001", "price": "100"}],
        },
        c.PostFunding(instruments=(0,), rates=(-100_000_000,), ticks=(200,)),
    ),
    (
        {"type": "PostInterest", "rows": [{"asset": "BTC", "rate": "0.000000000001"}]},
        c.PostInterest(assets=(BTC,), rates=(1,)),
    ),
    ({"type": "Settle", "instrument": "B", "price": "50"}, c.Settle(instrument=1, ticks=100)),
    (
        {"type": "AdvanceTime", "time": "2025-10-10T21:00:00.25Z"},
        c.AdvanceTime(time_ms=1_760_130_000_250),
    ),
    (
        {
            "type": "SetProtection",
            "account": "alice",
            "protection": 1,
            "kind": "stop_loss",
            "instrument": "A",
            "trigger": "80",
        },
        c.SetProtection(unit=ALICE, protection=1, kind="stop_loss", trigger=160, instrument=0),
    ),
    (
        {
            "type": "SetProtection",
            "account": "alice",
            "protection": 2,
            "kind": "equity_floor",
            "asset": "BTC",
            "trigger": "0.5",
        },
        c.SetProtection(
            unit=ALICE, protection=2, kind="equity_floor", trigger=50_000_000, asset=BTC
        ),
    ),
    (
        {
            "type": "SetProtection",
            "account": "alice",
            "protection": 3,
            "kind": "top_up",
            "trigger": "0.8",
            "target": "0.5",
            "asset": "USDT",
            "source": {"unit": ISOLATED},
        },
        c.SetProtection(
            unit=ALICE,
            protection=3,
            kind="top_up",
            trigger=800_000,
            target=500_000,
            asset=USDT,
            source=ISOLATED,
        ),
    ),
    (
        {"type": "RemoveProtection", "account": "alice", "protection": 3},
        c.RemoveProtection(unit=ALICE, protection=3),
    ),
]

ADMIN: list[tuple[type, dict[str, Any], c.Command]] = [
    (f.Pause, {"reason": "r"}, c.Pause(instrument=-1, reason="r")),
    (f.Resume, {"instrument": "B", "reason": "r"}, c.Resume(instrument=1, reason="r")),
    (
        f.Override,
        {"account": "bob", "action": "hold", "reason": "r"},
        c.Override(unit=BOB, action="hold", operator="anna", reason="r"),
    ),
    (
        f.CloseAccount,
        {"account": "bob", "cause": "request", "reason": "r", "prices": {"A": "99.5"}},
        c.CloseAccount(account=1, reason="request", instruments=(0,), ticks=(199,)),
    ),
    (f.SetRulebook, {"text": "x", "reason": "r"}, c.SetRulebook(text="x")),
]

EXECUTION: list[tuple[dict[str, Any], c.Command]] = [
    (
        {
            "type": "ReportExecution",
            "order": 1,
            "execution": "e",
            "instrument": "A",
            "size": "-0.002",
            "price": "99",
            "fee": "0.5",
        },
        c.ReportExecution(order=1, execution="e", lots=-1, ticks=198, fee=500_000),
    ),
    (
        {"type": "CloseOrder", "order": 1, "outcome": "expired"},
        c.CloseOrder(order=1, outcome="expired"),
    ),
]


@pytest.mark.parametrize(("body", "expected"), TABLE, ids=range(len(TABLE)))
def test_a_form_is_the_command_it_says(body: dict[str, Any], expected: c.Command) -> None:
    form = decoded(COMMAND, msgspec.json.encode(body))
    assert command_of(form, fine_grid(), fine_venue().state) == expected


@pytest.mark.parametrize(("kind", "body", "expected"), ADMIN, ids=range(len(ADMIN)))
def test_an_operators_form_is_the_command_it_says(
    kind: type, body: dict[str, Any], expected: c.Command
) -> None:
    form: Any = decoded_as(kind, msgspec.json.encode(body))
    assert admin_command(form, fine_grid(), "anna") == expected


def test_what_a_market_reports_is_the_command_it_says() -> None:
    forms = decoded(EXECUTIONS, msgspec.json.encode([body for body, _ in EXECUTION]))
    found = [command_of(form, fine_grid(), fine_venue().state) for form in forms]
    assert found == [expected for _, expected in EXECUTION]


def test_every_command_of_the_engine_has_a_form_and_is_in_these_tables() -> None:
    told = {type(row[-1]) for row in (*TABLE, *ADMIN, *EXECUTION)}
    assert told == set(c.Command.__subclasses__())
    forms = (*get_args(f.AnyForm), *get_args(f.AnyExecution), *get_args(f.AnyAdmin))
    assert {form.__name__ for form in forms} == {kind.__name__ for kind in told}


DEPOSIT = {"type": "Deposit", "account": "alice", "asset": "USDT", "amount": "1"}
FILL = {"type": "Fill", "account": "alice", "instrument": "A", "size": "1", "price": "1"}
WRONG = [
    (DEPOSIT | {"account": "alcie"}, "account", "unknown_account", "did you mean 'alice'"),
    (DEPOSIT | {"account": "1"}, "account", "unknown_account", "without quotes"),
    (DEPOSIT | {"account": 99}, "account", "unknown_account", r"0\.\.1"),
    (DEPOSIT | {"account": None}, "account", "invalid", "name one"),
    (DEPOSIT | {"unit": BOB}, "unit", "invalid", "none of account"),
    (DEPOSIT | {"unit": "fund:defalt"}, "unit", "unknown_unit", "fund:default"),
    (DEPOSIT | {"unit": 99}, "unit", "unknown_unit", r"0\.\.7"),
    (DEPOSIT | {"asset": "USDC"}, "asset", "unknown_asset", "USDT"),
    (DEPOSIT | {"amount": "0.0000001"}, "amount", "off_grid", "quantum of USDT, 0.000001"),
    (DEPOSIT | {"amount": "9" * 30}, "amount", "out_of_scale", "more than the book"),
    (DEPOSIT | {"amount": "1e3"}, "amount", "invalid", "without an exponent"),
    (DEPOSIT | {"amount": "NaN"}, "amount", "invalid", "no decimal"),
    (DEPOSIT | {"amount": "1\n"}, "amount", "invalid", "no decimal"),
    (DEPOSIT | {"amount": " 1"}, "amount", "invalid", "no decimal"),
    (DEPOSIT | {"amount": "\u0661"}, "amount", "invalid", "no decimal"),
    (DEPOSIT | {"amount": "+1"}, "amount", "invalid", "no decimal"),
    (DEPOSIT | {"amount": "1_0"}, "amount", "invalid", "no decimal"),
    (DEPOSIT | {"amount": 1}, "amount", "invalid", "Expected `str`"),
    (DEPOSIT | {"amuont": "1"}, "", "invalid", "amuont"),
    (DEPOSIT | {"type": "Depost"}, "type", "invalid", "Depost"),
    (FILL | {"size": "0.001"}, "size", "off_grid", "lot of A, 0.002"),
    (FILL | {"price": "1.2"}, "price", "off_grid", "price unit of A, 0.5"),
    (FILL | {"leverage": "0.001"}, "leverage", "off_grid", "0.01"),
    (FILL | {"leverage": "1000"}, "leverage", "out_of_scale", "655.35"),
    (FILL | {"counterparty": {"account": "x"}}, "counterparty.account", "unknown_account", "x"),
    ({"type": "FillBatch", "fills": [FILL | {"type": "Fill"}]}, "fills[0]", "invalid", "type"),
    (
        {
            "type": "FillBatch",
            "fills": [{k: v for k, v in FILL.items() if k != "type"} | {"size": "1.001"}],
        },
        "fills[0].size",
        "off_grid",
        "0.002",
    ),
    (
        {"type": "ReleaseOrder", "account": "alice", "order": 1, "size": "1"},
        "instrument",
        "invalid",
        "lot",
    ),
    ({"type": "OpenAccount", "name": "ali\u202ece"}, "name", "invalid", "hidden"),
    ({"type": "OpenAccount", "name": "alice "}, "name", "invalid", "spaces"),
    ({"type": "OpenAccount", "name": "a\u0000b"}, "name", "invalid", "hidden"),
    ({"type": "OpenAccount", "name": "zoe\u0308"}, "name", "invalid", "NFC"),
    ({"type": "OpenAccount", "name": ""}, "name", "invalid", "length"),
    ({"type": "CloseAccount", "account": "alice"}, "type", "invalid", "CloseAccount"),
    ({"type": "SetRulebook", "text": ""}, "type", "invalid", "SetRulebook"),
]


@pytest.mark.parametrize(("body", "where", "code", "says"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_told_by_its_field(
    body: dict[str, Any], where: str, code: str, says: str
) -> None:
    with pytest.raises(WrongField, match=says) as caught:
        command_of(decoded(COMMAND, msgspec.json.encode(body)), fine_grid(), fine_venue().state)
    assert (caught.value.where, caught.value.code) == (where, code)


def test_an_instant_that_is_none_is_refused() -> None:
    for text in ("2025-02-30T00:00:00Z", "2025-10-10", "1969-12-31T23:59:59Z"):
        form = f.AdvanceTime(time=text)
        with pytest.raises(InvalidInput, match="no instant"):
            command_of(form, fine_grid(), fine_venue().state)


@given(quanta=st.integers(-(2**62), 2**62), zeros=st.integers(0, 8))
def test_every_amount_on_the_grid_comes_through_exactly(quanta: int, zeros: int) -> None:
    text = f"{Decimal(quanta) * Decimal('0.000001'):f}" + "0" * zeros
    assert fine_grid().quanta(USDT, text) == quanta


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, places=9, min_value=-(10**9), max_value=10**9
    )
)
def test_an_amount_is_exact_or_refused(value: Decimal) -> None:
    text = f"{value:f}"
    expected = value / Decimal("0.002")
    if expected == expected.to_integral_value():
        assert fine_grid().lots(0, text) == int(expected)
    else:
        with pytest.raises(WrongField, match="whole multiple"):
            fine_grid().lots(0, text)


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode))
def test_no_bytes_are_read_as_what_they_are_not(body: bytes) -> None:
    for decode in (lambda: decoded(COMMAND, body), lambda: rows_of(body)):
        try:
            decode()
        except WrongField:
            continue


def test_a_wrong_row_of_a_batch_spoils_no_other() -> None:
    good, bad = {"command": DEPOSIT, "key": "k1"}, {"command": DEPOSIT | {"amount": 3}, "key": "k2"}
    rows = rows_of(msgspec.json.encode([good, bad, good]))
    assert [isinstance(row, f.Row) for row in rows] == [True, False, True]
    key, error = rows[1]  # type: ignore[misc]
    assert (key, error.where) == ("k2", "amount")


def test_rates_and_leverages_have_their_steps() -> None:
    assert (rate("0.0001"), leverage(None), leverage("655.35")) == (100_000_000, 0, 65_535)
    with pytest.raises(WrongField, match="step of a rate"):
        rate("0.0000000000001")
