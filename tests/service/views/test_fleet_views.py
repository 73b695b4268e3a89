"""Maps, distances and the head of the list agree with the exact core on small books."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from itertools import accumulate

import numpy as np
import pytest

from keelmark.core.errors import InvalidInput
from keelmark.core.margin import margin_report
from keelmark.core.market import Market
from keelmark.core.numbers import exact
from keelmark.engine import commands as c
from keelmark.lab.fleet.looks import MAP_MOVES
from keelmark.lab.fleet.reads import prices_read, readers_of
from keelmark.service.views.maps import DISTANCES, distance, liquidation_map
from keelmark.service.views.names import Roster
from keelmark.service.views.riskiest import reaches, riskiest, screened
from tests.engine.venue import Venue
from tests.service.views.books import MARKS, a_book, reader_of

SEEDS = range(8)


def moved(market: Market, names: set[str], by: Decimal) -> Market:
    """Return a market in which some marks, indices and asset prices moved alike."""

    def after(prices: Mapping[str, Decimal]) -> dict[str, Decimal]:
        return {name: p * (1 + by) if name in names else p for name, p in prices.items()}

    with exact():
        return replace(
            market,
            marks=after(market.marks),
            indices=after(market.indices),
            asset_prices=after(market.asset_prices),
        )


def fallen(venue: Venue, names: set[str], by: Decimal) -> set[int]:
    """Return the client units that the core finds at their trigger after a move."""
    state = venue.state
    market = moved(state.market, names, by)
    first = len(state.book.in_house)
    units = [u for u in range(first, state.book.units_count) if state.book.unit_view(u).positions]
    return {
        unit
        for unit in units
        if margin_report(state.unit(unit), market, state.model).is_liquidatable
    }


def healthy(venue: Venue, units: set[int]) -> set[int]:
    return units - fallen(venue, set(), Decimal(0))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("move", [-0.07, 0.13, -0.4, 0.0])
def test_the_question_of_a_move_is_answered_as_core_would(seed: int, move: float) -> None:
    venue = a_book(seed)
    state, row = venue.state, venue.row("BTCUSDT")
    told = liquidation_map(reader_of(venue).fleet(), row, move)["question"]
    down = healthy(venue, fallen(venue, {"BTCUSDT"}, Decimal(repr(move))))
    held = [
        p
        for unit in down
        for p in state.report(unit).positions
        if p.position.instrument == "BTCUSDT"
    ]
    holders = {
        state.book.unit_view(unit).account
        for unit in down
        if any(p.instrument == row for p in state.book.unit_view(unit).positions)
    }
    assert told["accounts"] == len(holders)
    assert told["notional"] == pytest.approx(float(sum(p.notional for p in held)), rel=1e-9)
    longs = sum(p.notional for p in held if p.position.size > 0)
    assert told["longs"] == pytest.approx(float(longs), rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_bars_of_a_map_add_up_to_its_questions(seed: int) -> None:
    venue = a_book(seed)
    fleet, row = reader_of(venue).fleet(), venue.row("BTCUSDT")
    told = liquidation_map(fleet, row)
    for side, sign in (("longs", -1), ("shorts", 1)):
        sums = list(accumulate(told[side]))
        for place in (0, 13, 60, len(MAP_MOVES) - 1):
            answer = liquidation_map(fleet, row, sign * float(MAP_MOVES[place]))["question"]
            assert sums[place] == pytest.approx(answer[side], rel=1e-9, abs=1e-6)
        interest = sum(told[side]) + told["beyond"][side]
        assert interest >= 0
    assert len(told["longs"]) == len(told["long_accounts"]) == len(told["moves"])


@pytest.mark.parametrize("seed", SEEDS)
def test_distances_are_those_of_core(seed: int) -> None:
    venue = a_book(seed)
    state, told = venue.state, distance(reader_of(venue).fleet())
    names = {f.name for f in state.universe.factors} - {"USDC"}
    now = fallen(venue, set(), Decimal(0))
    for within, size in zip(told["within"], DISTANCES, strict=True):
        moves = (Decimal(repr(float(size))), -Decimal(repr(float(size))))
        down = {unit for move in moves for unit in fallen(venue, names, move)} - now
        # what falls at a smaller move and not at this one is still within it
        assert within["accounts"] >= len({state.book.unit_view(u).account for u in down})
        assert within["notional"] >= 0
    assert (
        told["accounts"][-1] + told["within"][-1]["accounts"] + told["now"]["accounts"]
        >= (told["open_accounts"])
    )


def test_the_joint_distance_of_one_account_by_hand() -> None:
    # 10 A at 1,000 with 1,000: equity 1000 - 10,000 m, maintenance 500 (1 - m): m = 500 / 9500
    venue = Venue()
    venue.marks(A=1000.0, B=1000.0)
    unit = venue.open("alice", USDT=1_000)
    venue.trade(unit, venue.state.liquidity, "A", 10, 1000)
    told = distance(reader_of(venue).fleet())
    assert told["accounts"] == [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert told["within"][4] == {
        "move": 0.075,
        "accounts": 1,
        "notional": 10_000.0,
        "equity": 1_000.0,
    }
    (found,) = reaches(reader_of(venue).fleet(), np.array([unit], np.int32)).tolist()
    assert found == pytest.approx(500 / 9500, abs=3e-4)  # within two of the venue's whole quanta
    told = liquidation_map(reader_of(venue).fleet(), 0, -0.06)
    assert told["question"]["accounts"] == 1
    assert told["longs"][10] == 10_000.0  # the fall of 5.5 % is the first of the grid
    assert liquidation_map(reader_of(venue).fleet(), 0, -0.05)["question"]["accounts"] == 0


# --- the head of the list -----------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_the_riskiest_are_nearest_first_and_exact(seed: int) -> None:
    venue = a_book(seed)
    told = riskiest(reader_of(venue), Roster(), 5)
    far = [float(row["distance"]) for row in told["accounts"] if row["distance"] is not None]
    assert far == sorted(far)
    assert len(told["accounts"]) == min(5, told["screened"])
    for row in told["accounts"]:
        report = venue.state.report(row["unit"])
        assert abs(Decimal(row["equity"]) - report.equity) < Decimal("1e-9")
        if row["distance"] is not None and float(row["distance"]) < 0.5:
            units = np.array([row["unit"]], np.int32)
            (screen,) = reaches(reader_of(venue).fleet(), units).tolist()
            assert float(row["distance"]) == pytest.approx(screen, abs=3e-3)


def test_whom_nothing_liquidates_stands_behind_whom_something_does() -> None:
    venue = Venue()
    venue.marks(A=100.0, B=100.0)
    for name, money, lots in (("safe", 10**6, 1), ("large", 10**6, 2), ("near", 300, 10)):
        unit = venue.open(name, USDT=money)
        venue.trade(unit, venue.state.liquidity, "A", lots, 100)
    rows = riskiest(reader_of(venue), Roster(), 3)["accounts"]
    assert [row["name"] for row in rows] == ["near", "large", "safe"]
    assert rows[-1]["distance_reason"] == "no move liquidates"


def test_nobody_nearer_is_left_out() -> None:
    venue = a_book(3, accounts=20)
    fleet = reader_of(venue).fleet()
    few, all_of_them = screened(fleet, 3), screened(fleet, 200)
    assert few.units == all_of_them.units[:3]
    assert few.asked == all_of_them.asked == len(all_of_them.units)


def test_a_hedged_unit_is_told_by_the_price_that_ends_it() -> None:
    # long A and short B alike: nothing together, but either alone
    venue = Venue()
    venue.marks(A=1000.0, B=1000.0)
    unit = venue.open("hedged", USDT=3_000)
    venue.trade(unit, venue.state.liquidity, "A", 10, 1000)
    venue.trade(unit, venue.state.liquidity, "B", -10, 1000)
    (row,) = riskiest(reader_of(venue), Roster(), 1)["accounts"]
    assert (row["moves"], row["direction"]) in {("B", "up"), ("A", "down")}
    assert float(row["distance"]) == pytest.approx(2000 / 10_500, abs=1e-9)


@pytest.mark.parametrize("limit", [0, -5, 201])
def test_the_list_has_a_length(limit: int) -> None:
    with pytest.raises(InvalidInput, match="1 to 200"):
        riskiest(reader_of(Venue()), Roster(), limit)


# --- what is not known --------------------------------------------------------------------------


def test_an_empty_venue_has_empty_maps() -> None:
    fleet = reader_of(Venue()).fleet()
    told = liquidation_map(fleet, 0, -0.1)
    assert (told["price"], told["question"]) == (None, None)
    assert told["reason"] == "no mark of A yet"
    assert sum(told["longs"]) == 0
    assert distance(fleet)["open_accounts"] == 0
    assert riskiest(reader_of(Venue()), Roster())["accounts"] == []


def test_a_unit_without_a_price_is_unknown_and_in_no_bin() -> None:
    venue = a_book(4)
    venue.state.prices[venue.factor("asset_USDC")] = float("nan")
    venue.state.prices_changed()
    told = distance(reader_of(venue).fleet())
    held = [
        unit
        for unit in range(len(venue.state.book.in_house), venue.state.book.units_count)
        if 1 in venue.state.book.unit_view(unit).balances
        and len(venue.state.book.unit_view(unit).balances) > 1
        and venue.state.book.unit_view(unit).positions
    ]
    assert told["unknown"]["accounts"] == len({venue.state.book.unit_view(u).account for u in held})
    assert told["unknown"]["reason"] == "no price of USDC yet"
    named = riskiest(reader_of(venue), Roster(), 20)
    assert not named["is_complete"]
    assert "no price of USDC yet" in named["notes"][0]


BANDED = {"liquidation": {"guards": {"band": "0.1", "confirm_marks": 3, "confirm_s": 5}}}


def test_who_reads_a_price_that_is_not_believed_is_unknown_and_in_no_bin() -> None:
    venue = Venue(BANDED)
    venue.marks(A=1000.0, B=1000.0)
    for name, symbol in (("alice", "A"), ("bob", "B")):
        unit = venue.open(name, USDT=10_000)
        venue.trade(unit, venue.state.liquidity, symbol, 20, 1000)
    before = distance(reader_of(venue).fleet())
    assert (sum(before["accounts"]), before["unknown"]["accounts"]) == (2, 0)
    venue.marks(A=800.0)
    told = distance(reader_of(venue).fleet())
    assert (sum(told["accounts"]), told["now"]["accounts"]) == (1, 0)
    assert (told["unknown"]["accounts"], told["unknown"]["notional"]) == (1, 20_000.0)
    assert told["unknown"]["reason"] == "the price of A is not believed"
    in_doubt, fine = (liquidation_map(reader_of(venue).fleet(), row) for row in (0, 1))
    assert sum(in_doubt["long_accounts"]) + in_doubt["beyond"]["long_accounts"] == 0
    assert in_doubt["unknown"]["accounts"] == 1
    assert sum(fine["long_accounts"]) + fine["beyond"]["long_accounts"] == 1
    assert fine["unknown"] == {"accounts": 0, "notional": 0.0, "reason": None}


@pytest.mark.parametrize("seed", range(6))
def test_who_reads_which_price_is_what_the_engine_says_of_each_unit(seed: int) -> None:
    state = (venue := a_book(seed)).state
    clients = range(len(state.book.in_house), state.book.units_count)
    glimpse = reader_of(venue).fleet()
    everybody = np.ones(glimpse.units, np.bool_)
    views = [state.book.unit_view(unit) for unit in range(glimpse.units)]
    for row in range(len(state.universe.factors)):
        state.untrusted = {row}
        readers = readers_of(glimpse, state.untrusted)
        assert [u for u in clients if readers[u]] == [
            u for u in clients if state.depends_on_untrusted(views[u])
        ]
        is_read = any(
            state.depends_on_untrusted(view)
            for view in views
            if view.positions or any(view.balances.values())
        )
        assert prices_read(glimpse, everybody)[row] == is_read


def test_rules_without_a_kernel_face_are_said_to_be_unknown() -> None:
    venue = a_book(5, {"orders_in_maintenance": True})
    told = liquidation_map(reader_of(venue).fleet(), 0)
    assert told["unknown"]["accounts"] > 0
    assert "no kernel face" in told["unknown"]["reason"]


def test_who_is_being_liquidated_is_at_the_head() -> None:
    venue = Venue({"liquidation": {"reduce": {"interval_s": 60, "attempts": 9}}})
    venue.marks(A=1000.0, B=1000.0)
    unit = venue.open("alice", USDT=1_000)
    venue.trade(unit, venue.state.liquidity, "A", 10, 1000)
    venue.do(c.Override(unit=unit, action="hold", operator="op", reason="a test"))
    venue.marks(A=945.0, B=1000.0)
    (row,) = riskiest(reader_of(venue), Roster(), 1)["accounts"]
    assert (row["distance"], row["distance_reason"], row["is_held"]) == (
        "0",
        "at these prices",
        True,
    )
    assert distance(reader_of(venue).fleet())["now"]["accounts"] == 1


@pytest.mark.parametrize("move", [-1.0, -2.0, float("nan"), float("inf")])
def test_a_move_stays_above_minus_one(move: float) -> None:
    with pytest.raises(InvalidInput, match="above -1"):
        liquidation_map(reader_of(a_book(0)).fleet(), 0, move)


def test_marks_are_those_of_the_book() -> None:
    assert set(MARKS) == {
        f.name if f.kind.value == "mark" else f"{f.kind.value}_{f.name}"
        for f in a_book(0, accounts=1).state.universe.factors
    }
