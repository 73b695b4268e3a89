"""What is told of a venue is what its state holds, and what is not known says so."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from keelmark.book.totals import totals
from keelmark.core.errors import InvalidInput, UnknownAccount
from keelmark.engine import commands as c
from keelmark.service.replay.request import ReplayKept, replay_path
from keelmark.service.times import now_ms
from keelmark.service.views.accounts import account, accounts
from keelmark.service.views.desk import BookDesk
from keelmark.service.views.funds import fund
from keelmark.service.views.names import Roster
from keelmark.service.views.prices import prices
from keelmark.service.views.venue import venue as venue_of
from tests.engine.test_waterfall import fallen
from tests.engine.venue import Venue, merged
from tests.service.api.venue_app import ApiVenue
from tests.service.views.books import MARKS, a_book, reader_of

SEEDS = range(6)


def row_of(rows: list[dict[str, Any]], key: str, value: object) -> dict[str, Any]:
    return next(row for row in rows if row[key] == value)


# --- nothing there yet --------------------------------------------------------------------------


def test_an_empty_venue_has_answers() -> None:
    reader = reader_of(Venue())
    told = venue_of(reader)
    assert (told["position"], told["accounts"], told["units"]) == (0, 0, 0)
    assert told["instruments"][0]["price"] is None
    assert told["instruments"][0]["trust"] == "missing"
    assert prices(reader)["counts"]["missing"] == len(prices(reader)["prices"])
    assert accounts(reader, Roster())["accounts"] == []
    money = fund(reader)
    assert money["backstop"]["equity"] == "0"
    assert [row["residual"] for row in money["conservation"]] == ["0"]
    assert row_of(money["open_interest"], "instrument", "A")["notional"] is None
    with pytest.raises(UnknownAccount, match="there is none yet"):
        account(reader, Roster(), "alice")


def test_the_venue_tells_its_rules_and_counts() -> None:
    venue = a_book(1)
    told = venue_of(reader_of(venue))
    assert told["rulebook"]["name"] == "everything@2025-10"
    assert [row["name"] for row in told["levels"]] == ["warn", "warn", "margin_call"]
    assert [row["usage"] for row in told["levels"]] == ["0.5", "0.8", "0.9"]
    assert told["accounts"] == venue.state.book.accounts_count == 6
    assert told["warned"] + told["margin_calls"] == len(venue.state.levels)
    inverse = row_of(told["instruments"], "instrument", "BTCUSD")
    assert (inverse["settle"], inverse["contract_size"], inverse["trust"]) == ("BTC", "100", "ok")
    venue.do(c.Pause(instrument=venue.row("BTCUSDT"), reason="a test"))
    assert venue_of(reader_of(venue))["paused"]["instruments"] == ["BTCUSDT"]


# --- prices -------------------------------------------------------------------------------------

GUARDED = {
    "liquidation": {"guards": {"stale_s": 30, "band": "0.2", "confirm_marks": 3, "confirm_s": 5}}
}


def price_row(venue: Venue, name: str) -> dict[str, Any]:
    return row_of(prices(reader_of(venue))["prices"], "name", name)


def test_a_price_grows_old_and_is_then_not_believed() -> None:
    venue = Venue(GUARDED)
    venue.marks(A=1000.0, B=1000.0)
    venue.wait(15)
    assert (price_row(venue, "A")["trust"], price_row(venue, "A")["staleness"]) == ("ok", "0.5")
    venue.marks(after_ms=20_000, B=1000.0)
    row = price_row(venue, "A")
    assert (row["trust"], row["age_ms"], row["price"]) == ("stale", 35_000, "1000")
    assert row["reason"] == "no good price for 35.0 s; older than 30 s is not believed"
    assert price_row(venue, "B")["trust"] == "ok"


def test_a_price_grows_old_while_nothing_comes_in() -> None:
    venue = Venue(GUARDED)
    venue.marks(A=1000.0, B=1000.0)
    venue.marks(after_ms=31_000, B=1000.0)
    told = prices(reader_of(venue), lambda time_ms: time_ms + 272_000)["prices"]
    ages = [row_of(told, "name", name)["age_ms"] for name in ("A", "B")]
    assert ages == [303_000, 272_000]
    assert row_of(told, "name", "A")["staleness"] == "10.1"
    assert "no good price for 303.0 s" in row_of(told, "name", "A")["reason"]


def test_the_present_is_the_machines_and_in_a_replay_the_engines(tmp_path: Path) -> None:
    for is_replay in (False, True):
        if is_replay:
            replay_path(tmp_path).parent.mkdir()
            replay = ReplayKept(scenario="oct10", accounts=1)
            replay_path(tmp_path).write_bytes(msgspec.json.encode(replay))
        routes = ApiVenue(tmp_path, with_views=True).reading
        assert routes is not None
        present = routes.views.present
        assert isinstance(routes.desk.desk, BookDesk)
        assert routes.desk.desk.present is present
        assert (present(1_000) == 1_000) is is_replay
        ahead = now_ms() + 60_000
        assert present(ahead) == ahead
        routes.close()


def test_a_price_outside_its_band_is_doubted_until_others_agree() -> None:
    venue = Venue(GUARDED)
    venue.marks(A=1000.0, B=1000.0)
    venue.marks(A=1300.0)
    row = price_row(venue, "A")
    assert (row["trust"], row["price"]) == ("doubted", "1000")
    assert row["doubt"] == {
        "price": "1300",
        "step": "0.3",
        "marks": 1,
        "since": "1970-01-01T00:00:02.000Z",
        "needs_marks": 3,
        "needs_s": 5,
    }
    venue.marks(after_ms=3000, A=1301.0)
    venue.marks(after_ms=3000, A=1302.0)
    assert (price_row(venue, "A")["trust"], price_row(venue, "A")["price"]) == ("ok", "1302")


def test_a_guard_that_is_off_is_said() -> None:
    bare, half = Venue(), Venue({"liquidation": {"guards": {"band": "0.2"}}})
    assert prices(reader_of(bare))["guards"]["off"] == ["no staleness guard", "no step guard"]
    assert prices(reader_of(half))["guards"]["off"] == ["no staleness guard"]
    assert prices(reader_of(Venue(GUARDED)))["guards"]["off"] == []


def test_a_price_that_is_none_is_refused() -> None:
    venue = Venue({"liquidation": {"guards": {"band": "0.2"}}})
    venue.marks(A=1000.0, B=1000.0)
    venue.marks(A=float("nan"))
    row = price_row(venue, "A")
    assert (row["trust"], row["price"], row["doubt"]) == ("refused", "1000", None)


def test_a_mark_shows_how_far_it_is_from_its_index() -> None:
    venue = a_book(2)
    venue.stream([{**MARKS, "ETHUSDT": 2_500.0, "index_ETH": 2_000.0}])
    index = price_row(venue, "ETHUSDT")["index"]
    assert (index["price"], index["divergence"], index["trust"]) == ("2000", "0.25", "ok")
    assert price_row(venue, "BTCUSDT")["index"] is None


# --- the venue's own money ----------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_funds_and_totals_are_those_of_the_book(seed: int) -> None:
    venue = a_book(seed)
    state, told = venue.state, fund(reader_of(venue))
    sums = totals(state.book)
    assert [row["residual"] for row in told["conservation"]] == ["0"] * 3
    assert told["totals_position"] == venue.engine.position
    for row, interest in enumerate(told["open_interest"]):
        assert Decimal(interest["size"]) == sums.longs[row] * state.universe.instrument(row).lot
        assert interest["is_symmetric"]
    (segment,) = told["segments"]
    window = row_of(segment["assets"], "asset", "USDT")["window"]
    left = state.fund_money(state.fund_of(-1), state.universe.asset_row("USDT"))
    assert Decimal(window["left"]) == left * state.universe.quantum(0)


def test_a_fund_that_paid_shows_what_its_window_leaves() -> None:
    changes = {
        "liquidation": {
            "stages": ["takeover", "insurance", "auto_deleverage", "socialise"],
            "insurance": {"window_share": "0.5", "window_s": 60},
        }
    }
    venue, _, _ = fallen(changes, fund=1_000, winner_lots=2)
    venue.marks(A=800.0)
    told = fund(reader_of(venue))
    window = told["segments"][0]["assets"][0]["window"]
    assert (window["base"], window["allowed"], window["spent"]) == ("1000", "500", "500")
    assert window["left"] == "0"
    backstop = told["backstop"]
    assert Decimal(backstop["equity"]) == venue.state.report(venue.state.backstop).equity
    assert Decimal(backstop["inventory"]) == venue.state.backstop_inventory()
    venue.wait(60)
    window = fund(reader_of(venue))["segments"][0]["assets"][0]["window"]
    assert (window["base"], window["spent"], window["left"]) == ("500", "0", "250")


def test_the_backstop_without_a_price_is_unknown() -> None:
    venue = Venue({"assets": {"USDC": {"quantum": "1"}}})
    told = fund(reader_of(venue))
    assert told["backstop"]["equity"] == "0"
    assert told["backstop"]["loss_window"] is None


# --- accounts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_an_account_is_told_as_its_units_stand(seed: int) -> None:
    venue = a_book(seed)
    state, reader, roster = venue.state, reader_of(venue), Roster()
    for name, number in state.names.items():
        told = account(reader, roster, name)
        assert told == account(reader, roster, str(number))
        assert (told["account"], told["name"]) == (number, name)
        for row in told["units"]:
            unit, report = row["unit"], state.report(row["unit"])
            assert Decimal(row["margin"]["equity"]) == round_28(report.equity)
            assert Decimal(row["margin"]["excess"]) == round_28(report.maintenance_excess)
            assert row["margin"]["is_liquidatable"] == report.is_liquidatable
            view = state.book.unit_view(unit)
            assert len(row["positions"]) == len(view.positions)
            for position, held in zip(row["positions"], report.positions, strict=True):
                assert Decimal(position["size"]) == held.position.size
                assert Decimal(position["unrealized_pnl"]) == round_28(held.unrealized_pnl)
                assert Decimal(position["maintenance_margin"]) == round_28(held.maintenance_margin)
            assert len(row["orders"]) == len(state.orders.get(unit, {}))


def round_28(value: Decimal) -> Decimal:
    from keelmark.accounts.check_document import decimal_text  # noqa: PLC0415 beside its use

    return Decimal(decimal_text(value) or "NaN")


def test_accounts_come_in_pages_and_by_name() -> None:
    venue = Venue()
    for name in ("alice", "bob", "Alison", "carol", "3"):
        venue.open(name)
    reader, roster = reader_of(venue), Roster()
    page = accounts(reader, roster, limit=2)
    assert ([row["name"] for row in page["accounts"]], page["next"]) == (["alice", "bob"], 1)
    page = accounts(reader, roster, after=1, limit=3)
    assert ([row["name"] for row in page["accounts"]], page["next"]) == (
        ["Alison", "carol", "3"],
        None,
    )
    found = accounts(reader, roster, query="ALI")
    assert ([row["name"] for row in found["accounts"]], found["total"]) == (["alice", "Alison"], 2)
    assert [row["account"] for row in accounts(reader, roster, query="3")["accounts"]] == [3, 4]
    venue.open("Alix")
    assert accounts(reader, roster, query="ali")["total"] == 3
    assert account(reader, roster, "3")["account"] == 4  # a name wins over a number
    assert accounts(reader, roster, after=10**9)["accounts"] == []


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_page_has_a_size(limit: int) -> None:
    with pytest.raises(InvalidInput, match="1 to 1000"):
        accounts(reader_of(Venue()), Roster(), limit=limit)


@pytest.mark.parametrize("name", ["alise", "99", "-1", "", "0x1", "1" * 40, "\u0663", "a" * 5000])
def test_an_unknown_account_is_refused_by_name(name: str) -> None:
    venue = Venue()
    venue.open("alice")
    with pytest.raises(UnknownAccount):
        account(reader_of(venue), Roster(), name)


def test_a_stale_price_makes_a_unit_unknown_and_names_it() -> None:
    venue = Venue(GUARDED)
    venue.marks(A=1000.0, B=1000.0)
    unit = venue.open("alice", USDT=10_000)
    venue.trade(unit, venue.state.liquidity, "A", 5, 1000)
    venue.marks(after_ms=31_000, B=1000.0)
    told = account(reader_of(venue), Roster(), "alice")
    (row,) = told["units"]
    assert (told["stage"], row["stage"], row["missing_prices"]) == ("unknown", "unknown", ["A"])
    assert row["positions"][0]["trust"] == "stale"


def test_protections_and_orders_are_told_in_prices_and_shares() -> None:
    venue = Venue()
    venue.marks(A=1000.0, B=1000.0)
    unit, wallet = venue.open("alice", USDT=10_000), venue.isolated("alice", USDT=5_000)
    venue.trade(unit, venue.state.liquidity, "A", 5, 1000)
    stop = c.SetProtection(unit=unit, protection=1, kind="stop_loss", trigger=900, instrument=0)
    floor = c.SetProtection(unit=unit, protection=2, kind="equity_floor", trigger=3_000)
    top_up = c.SetProtection(
        unit=unit,
        protection=3,
        kind="top_up",
        trigger=800_000,
        source=wallet,
        asset=0,
        target=500_000,
    )
    for command in (stop, floor, top_up):
        venue.do(command)
    venue.do(c.ReserveOrder(unit=unit, order=9, instrument=1, lots=-2, ticks=1100, leverage=500))
    row = account(reader_of(venue), Roster(), "alice")["units"][0]
    told = [(p["kind"], p["trigger"], p["trigger_of"], p["asset"]) for p in row["protections"]]
    assert told == [
        ("stop_loss", "900", "price", None),
        ("equity_floor", "3000", "equity", "USDT"),
        ("top_up", "0.8", "usage", "USDT"),
    ]
    assert (row["protections"][2]["source_unit"], row["protections"][2]["target"]) == (
        wallet,
        "0.5",
    )
    (order,) = row["orders"]
    assert (order["side"], order["size"], order["price"], order["leverage"]) == (
        "sell",
        "2",
        "1100",
        "5",
    )


def test_a_closed_account_is_closed_and_no_longer_at_risk() -> None:
    venue = Venue()
    venue.marks(A=1000.0, B=1000.0)
    unit = venue.open("alice", USDT=10_000)
    venue.trade(unit, venue.state.liquidity, "A", 5, 1000)
    venue.do(c.CloseAccount(account=venue.state.names["alice"], reason="request"))
    told = account(reader_of(venue), Roster(), "alice")
    assert (told["status"], told["stage"]) == ("closed", "closed")
    assert told["units"][0]["positions"] == []


def test_a_unit_on_its_way_down_says_where() -> None:
    changes = merged(
        GUARDED,
        {
            "liquidation": {
                "warn": {"levels": ["0.5"]},
                "margin_call": {"usage": "0.9", "grace_s": 60},
                "reduce": {"interval_s": 10, "attempts": 5},
            }
        },
    )
    venue = Venue(changes)
    venue.marks(A=1000.0, B=1000.0)
    unit = venue.open("alice", USDT=1_000)
    venue.trade(unit, venue.state.liquidity, "A", 10, 1000)
    assert account(reader_of(venue), Roster(), "alice")["stage"] == "warn"
    venue.marks(A=950.0, B=1000.0)
    row = account(reader_of(venue), Roster(), "alice")["units"][0]
    assert (row["stage"], row["level"]["name"]) == ("margin_call", "margin_call")
    venue.marks(A=940.0, B=1000.0)
    assert account(reader_of(venue), Roster(), "alice")["units"][0]["grace_until"] is not None
