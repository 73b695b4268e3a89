"""An account of the book is the very account a desk would check, and its face margins as core."""

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from keelmark.accounts.account import build_account
from keelmark.accounts.check import check
from keelmark.accounts.document import read_document
from keelmark.accounts.written import written
from keelmark.core.codes import UnitKind
from keelmark.core.margin import margin_report
from keelmark.engine import commands as c
from keelmark.service.views.answers import Span, Wish, checked, edited, laddered, rescued
from keelmark.service.views.desk import BookDesk, account_of, found, rules_of_book
from keelmark.service.views.face import evaluated, face
from tests.engine.test_waterfall import COINS
from tests.engine.venue import Venue
from tests.service.views.books import a_book, reader_of

SEEDS = range(10)
GUARDED = {"liquidation": {"guards": {"stale_s": 30}}}


# --- the account --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_the_check_of_an_account_is_the_margin_of_its_units(seed: int) -> None:
    venue = a_book(seed)
    state, reader = venue.state, reader_of(venue)
    for name, number in state.names.items():
        told = found(reader, name)
        assert told.uneditable is None
        checked = check(told.account, freshness=told.freshness)
        views = [state.book.unit_view(unit) for unit in state.book.units_of(number)]
        held = [v.unit for v in views if v.positions or v.kind is UnitKind.CROSS]
        assert len(checked.units) == len(held)
        for unit, one in zip(held, checked.units, strict=True):
            report = state.report(unit)
            assert one.report is not None
            for figure in ("equity", "initial_margin", "maintenance_margin", "maintenance_excess"):
                assert getattr(one.report, figure) == getattr(report, figure), figure
            assert one.report.withdrawable == report.withdrawable


@pytest.mark.parametrize("seed", SEEDS)
def test_the_document_of_an_account_means_the_same(seed: int) -> None:
    venue = a_book(seed)
    for name in venue.state.names:
        account = account_of(reader_of(venue), name)
        text = written(account.document)
        again = build_account(
            read_document(text, title="again"), rulebook=rules_of_book(venue.state.rulebook)
        )
        for ours, theirs in zip(account.units, again.units, strict=True):
            assert ours.unit_id == theirs.unit_id
            report = margin_report(theirs, again.market, again.model)
            exact = margin_report(ours, account.market, account.model)
            assert abs(report.maintenance_excess - exact.maintenance_excess) < Decimal("1e-15")


def test_hedge_legs_and_reserved_orders_are_told() -> None:
    venue = Venue()
    venue.marks(A=1000.0, B=1000.0)
    unit, market = venue.open("alice", USDT=10_000), venue.state.liquidity
    venue.trade(unit, market, "A", 5, 1000, leg=1)
    venue.trade(unit, market, "A", -3, 1000, leg=-1)
    order = c.ReserveOrder(unit=unit, order=1, instrument=0, lots=2, ticks=990, leg=1)
    venue.do(order)
    told = found(reader_of(venue), "alice")
    assert told.uneditable is None
    assert [row.size for row in told.account.document.positions] == [Decimal(-3), Decimal(5)] or [
        row.size for row in told.account.document.positions
    ] == [Decimal(5), Decimal(-3)]
    report = check(told.account).units[0].report
    assert report is not None
    assert report.initial_margin == venue.state.report(unit).initial_margin


def test_coins_and_inverse_contracts_are_told() -> None:
    venue = Venue(COINS)
    venue.marks(A=1000.0, B=1000.0, INV=1000.0, asset_USDC=1.0, asset_COIN=1000.0)
    unit = venue.open("alice", USDT=500, USDC=800, COIN=120)
    venue.trade(unit, venue.state.liquidity, "INV", 3, 1000)
    venue.marks(INV=1001.0)
    told = found(reader_of(venue), "alice")
    assert told.uneditable is None
    report = check(told.account).units[0].report
    assert report is not None
    assert report.equity == venue.state.report(unit).equity


def test_what_a_document_cannot_say_is_checked_and_not_edited() -> None:
    venue = Venue()
    venue.marks(A=1000.0, B=1000.0)
    venue.open("alice", USDT=10_000)
    twins = [venue.isolated("alice", USDT=1_000) for _ in range(2)]
    for unit in twins:
        venue.trade(unit, venue.state.liquidity, "A", 2, 1000)
    told = found(reader_of(venue), "alice")
    assert told.uneditable is not None
    names = [unit.unit.unit_id for unit in check(told.account).units]
    assert names == ["cross", *(f"isolated:A#{unit}" for unit in twins)]
    venue.open("bob", USDT=1)
    venue.isolated("bob", USDT=50)
    bare = found(reader_of(venue), "bob")
    assert bare.uneditable is None
    assert [unit.unit_id for unit in bare.account.units] == ["cross"]
    assert bare.account.notes[-1].endswith("holds 50 USDT and no position: it is left out here")


def test_an_account_that_holds_nothing_has_nothing_to_check() -> None:
    venue = Venue()
    venue.open("alice")
    account = account_of(reader_of(venue), "alice")
    assert account.units == ()
    assert check(account).level is None


def test_a_price_that_never_came_is_missing_and_not_stood_in_for() -> None:
    venue = Venue(COINS)
    venue.marks(A=1000.0, B=1000.0, INV=1000.0, asset_USDC=1.0, asset_COIN=1000.0)
    unit = venue.open("alice", COIN=120, USDT=100)
    venue.trade(unit, venue.state.liquidity, "INV", 3, 1000)
    venue.state.prices[venue.factor("asset_COIN")] = float("nan")
    venue.state.prices_changed()
    told = found(reader_of(venue), "alice")
    assert told.uneditable == "no price of COIN yet: send it to the venue"
    (one,) = check(told.account).units
    assert one.report is None
    assert "COIN" in (one.reason or "")


def test_an_old_price_makes_the_account_stale() -> None:
    venue = Venue(GUARDED)
    venue.marks(A=1000.0, B=1000.0)
    unit = venue.open("alice", USDT=10_000)
    venue.trade(unit, venue.state.liquidity, "A", 2, 1000)
    told = found(reader_of(venue), "alice")
    assert not check(told.account, freshness=told.freshness).age.is_stale
    venue.marks(after_ms=31_000, B=1000.0)
    told = found(reader_of(venue), "alice")
    assert check(told.account, freshness=told.freshness).age.is_stale


BANDED = {"liquidation": {"guards": {"band": "0.1", "confirm_marks": 3, "confirm_s": 5}}}


def test_a_price_that_is_not_believed_is_told_with_whatever_stands_on_it() -> None:
    venue = Venue(BANDED)
    venue.marks(A=1000.0, B=1000.0)
    unit = venue.open("alice", USDT=10_000)
    venue.trade(unit, venue.state.liquidity, "A", 2, 1000)
    venue.open("bob", USDT=10_000)
    assert checked(found(reader_of(venue), "alice"))["snapshot"]["warnings"] == []
    venue.marks(A=800.0)
    told = found(reader_of(venue), "alice")
    (words,) = checked(told)["snapshot"]["warnings"]
    assert words == (
        "mark price of A is not believed: 800.0 lies outside the band of 0.1; 1 of 3 marks in a "
        "row agree; figures here stand on the last good one, 1000"
    )
    both = edited(told, ["close A=50%"])
    answers = (both, both["now"]["check"], both["after"]["check"], rescued(told, Wish()))
    assert all(answer["snapshot"]["warnings"] == [words] for answer in answers)
    assert laddered(told, "all", Span(steps=3))["snapshot"]["warnings"] == [words]
    assert checked(found(reader_of(venue), "bob"))["snapshot"]["warnings"] == []


def test_a_price_that_is_too_old_to_be_believed_is_told_with_its_age() -> None:
    venue = Venue(GUARDED)
    venue.marks(A=1000.0, B=1000.0)
    unit = venue.open("alice", USDT=10_000)
    venue.trade(unit, venue.state.liquidity, "A", 2, 1000)
    venue.marks(after_ms=31_000, B=1000.0)
    words = checked(found(reader_of(venue), "alice"))["snapshot"]["warnings"]
    assert words[0].startswith("mark price of A is not believed: no good price for 31.0 s;")


def test_an_account_grows_old_by_its_prices_while_nothing_comes_in() -> None:
    venue = Venue(GUARDED)
    venue.marks(A=1000.0, B=1000.0)
    unit = venue.open("alice", USDT=10_000)
    venue.trade(unit, venue.state.liquidity, "A", 2, 1000)
    venue.open("bob", USDT=10_000)
    desk = BookDesk(reader_of(venue), lambda time_ms: time_ms + 48_000)
    snapshot = checked(desk.find("alice"))["snapshot"]
    assert (snapshot["age_seconds"], snapshot["is_stale"]) == ("48", True)
    assert checked(desk.find("bob"))["snapshot"]["age_seconds"] == "0"
    assert checked(found(reader_of(venue), "alice"))["snapshot"]["age_seconds"] == "0"


# --- the face -----------------------------------------------------------------------------------


def changed(unit: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Return a unit with every coin, size and cash somewhere else."""
    coins = {row["coin"]: float(rng.uniform(0.7, 1.4)) for row in unit["positions"]}
    positions = []
    for row in unit["positions"]:
        step, size = coins[row["coin"]], float(rng.uniform(0.5, 2.0))
        moved = {"mark": row["mark"] * step, "margin_price": row["margin_price"] * step}
        positions.append(row | moved | {"size": row["size"] * size, "cost": row["cost"] * size})
    assets = [
        row
        | {
            "cash": row["cash"] + float(rng.uniform(-1, 1)) * 10_000,
            "price": row["price"] * coins.get(row["moves_with"] or "", 1.0),
        }
        for row in unit["assets"]
    ]
    return unit | {"positions": positions, "assets": assets}


def core_of(venue: Venue, name: str, unit: dict[str, Any]) -> Any:  # noqa: ANN401 a report
    """Return the core's margin of a changed face: its numbers, taken as they are."""
    from dataclasses import replace  # noqa: PLC0415 beside its use

    account = account_of(reader_of(venue), name)
    held = next(one for one in account.units if one.unit_id == unit["unit"])
    positions = tuple(
        replace(p, size=Decimal(repr(row["size"])), cost=Decimal(repr(row["cost"])))
        for p, row in zip(held.positions, unit["positions"], strict=True)
    )
    balances = {row["asset"]: Decimal(repr(row["cash"])) for row in unit["assets"]}
    market = account.market
    marks = {row["instrument"]: Decimal(repr(row["mark"])) for row in unit["positions"]}
    indices = {
        terms.instrument.index: Decimal(repr(row["margin_price"]))
        for row in unit["positions"]
        for terms in [account.model.instrument(row["instrument"])]
        if row["margin_on"] == "index" and terms.instrument.index
    }
    prices = {row["asset"]: Decimal(repr(row["price"])) for row in unit["assets"]}
    return margin_report(
        replace(held, positions=positions, balances=balances, accrued_interest={}),
        replace(
            market,
            marks={**market.marks, **marks},
            indices={**market.indices, **indices},
            asset_prices={
                name: prices.get(name, price) for name, price in market.asset_prices.items()
            },
        ),
        account.model,
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_a_face_margins_as_core_wherever_prices_sizes_and_deposits_go(seed: int) -> None:
    venue = a_book(seed)
    rng = np.random.default_rng(seed)
    for name in venue.state.names:
        told = face(found(reader_of(venue), name))
        for unit in told["units"]:
            assert unit["exact"], unit["reason"]
            now = evaluated(unit)
            assert now.equity == pytest.approx(unit["now"]["equity"], rel=1e-9)
            assert now.maintenance_margin == pytest.approx(
                unit["now"]["maintenance_margin"], rel=1e-9, abs=1e-9
            )
            for _ in range(5):
                other = changed(unit, rng)
                report, ours = core_of(venue, name, other), evaluated(other)
                gross = sum(abs(row["cash"] * row["price"]) for row in other["assets"]) + sum(
                    abs(row["cost"]) for row in other["positions"]
                )
                scale = 1e-9 * max(abs(float(report.equity)), 1e-3 * gross)
                assert abs(ours.equity - float(report.equity)) <= scale
                assert ours.maintenance_margin == pytest.approx(
                    float(report.maintenance_margin), rel=1e-9, abs=1e-9
                )
                assert ours.excess == pytest.approx(float(report.maintenance_excess), abs=2 * scale)


def test_a_unit_without_a_face_says_why() -> None:
    venue = a_book(6, {"orders_in_maintenance": True})
    reasons = {
        unit["reason"]
        for name in venue.state.names
        for unit in face(found(reader_of(venue), name))["units"]
    }
    assert "open orders enlarge maintenance here" in reasons


def test_an_unknown_unit_has_no_face_and_no_numbers() -> None:
    venue = Venue(COINS)
    venue.marks(A=1000.0, B=1000.0, INV=1000.0, asset_USDC=1.0, asset_COIN=1000.0)
    unit = venue.open("alice", COIN=120, USDT=100)
    venue.trade(unit, venue.state.liquidity, "INV", 3, 1000)
    venue.state.prices[venue.factor("asset_COIN")] = float("nan")
    venue.state.prices_changed()
    (row,) = face(found(reader_of(venue), "alice"))["units"]
    assert (row["exact"], row["now"]) == (False, None)
    assert "COIN" in row["reason"]
