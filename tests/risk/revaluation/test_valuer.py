"""What a valuer promises beside its numbers: slopes, parts, names, and what it refuses."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.accounts.account import Account, build_account
from keelmark.accounts.document import read_document
from keelmark.book.kernels.jit import plain
from keelmark.core.errors import InvalidInput, MissingNumber
from keelmark.core.unit import OpenOrders
from keelmark.risk.revaluation import UnitValuer, value_account
from keelmark.risk.revaluation.kernel import leg_pnl_kernel, values_kernel, values_parallel
from keelmark.risk.scenarios import Scenarios, Shocks
from tests.risk.revaluation.drawn import agrees_with_core, scenarios_of
from tests.risk.strategies import documents
from tests.strategies import HELD, Situation, situations

HEDGED = {
    "venue": "generic@2025-10",
    "collateral": [{"asset": "USDE", "balance": "60000"}, {"asset": "BTC", "balance": "1"}],
    "prices": {"BTC": "60000", "USDE": "1"},
    "positions": [
        {"instrument": "BTCUSDT", "size": "-1", "entry_price": "60000", "mark_price": "60000"},
        {"instrument": "ETHUSDT", "size": "10", "entry_price": "3000", "mark_price": "3000"},
    ],
}


def account_of(document: dict[str, Any]) -> Account:
    """Return the account of a document."""
    return build_account(read_document(document, title="account"))


def valuer_of(document: dict[str, Any]) -> UnitValuer:
    """Compile the first unit of a document."""
    account = account_of(document)
    return UnitValuer.of(account, account.units[0])


def falls(coins: tuple[str, ...], count: int = 40_000) -> Scenarios:
    """Return many scenarios of returns."""
    draw = np.random.default_rng(7).uniform(-0.3, 0.3, size=(count, len(coins)))
    return Scenarios(returns=Shocks(names=coins, values=draw))


def test_all_threads_find_what_one_finds() -> None:
    valuer = valuer_of(HEDGED)
    scenarios = falls(valuer.coins)
    assert valuer.tables is not None
    moves = valuer.moves(scenarios)
    alone, together = np.empty((len(scenarios), 3)), np.empty((len(scenarios), 3))
    values_kernel(valuer.tables, moves, alone, 0, len(scenarios))
    values_parallel(valuer.tables, moves, together)
    assert alone.tobytes() == together.tobytes()


@given(situation=situations(HELD), data=st.data())
def test_the_kernels_say_the_same_interpreted(situation: Situation, data: st.DataObject) -> None:
    valuer = UnitValuer.over(situation.unit, situation.market, situation.model)
    scenarios = data.draw(scenarios_of(valuer))
    assert valuer.tables is not None
    moves, count = valuer.moves(scenarios), len(scenarios)
    compiled, interpreted = np.empty((count, 3)), np.empty((count, 3))
    values_kernel(valuer.tables, moves, compiled, 0, count)
    plain(values_kernel)(valuer.tables, moves, interpreted, 0, count)
    np.testing.assert_allclose(compiled, interpreted, rtol=1e-9, atol=1e-6)
    parts, same = np.empty((count, len(valuer.legs))), np.empty((count, len(valuer.legs)))
    leg_pnl_kernel(valuer.tables, moves, parts)
    plain(leg_pnl_kernel)(valuer.tables, moves, same)
    np.testing.assert_allclose(parts, same, rtol=1e-9, atol=1e-6)


def test_a_slope_inside_a_row_is_value_less_rate_times_notional() -> None:
    valuer = valuer_of(HEDGED)
    slopes = dict(zip(valuer.coins, valuer.gradient(np.zeros(2)), strict=True))
    # 1 BTC at weight 0.95 less 1 BTC short and its 0.4 %; 10 ETH less their 0.5 %
    now = valuer.excess(np.zeros((1, 2)))[0]
    for coin, slope in slopes.items():
        at = np.array([[0.01 if coin == name else 0.0 for name in valuer.coins]])
        assert slope == pytest.approx((valuer.excess(at)[0] - now) / 0.01, rel=1e-7)


@given(document=documents(), data=st.data())
def test_slopes_are_differences_of_the_excess_nearby(
    document: dict[str, Any], data: st.DataObject
) -> None:
    valuer = valuer_of(document)
    count = len(valuer.coins)
    moves = data.draw(st.lists(st.floats(-0.4, 0.4), min_size=count, max_size=count))
    point = np.array(moves)
    slopes = valuer.gradient(point)
    for number in range(count):
        side = np.zeros(count)
        side[number] = 1e-5
        low, here, high = valuer.excess(np.vstack([point - side, point, point + side]))
        near = sorted([(here - low) / 1e-5, (high - here) / 1e-5])
        slack = 1e-3 * max(map(abs, near)) + 1e-3
        assert near[0] - slack <= slopes[number] <= near[1] + slack


def test_a_collateral_that_loses_its_peg_is_a_leg_of_its_own() -> None:
    valuer = valuer_of(HEDGED)
    off = Scenarios(
        returns=Shocks.of({"BTC": 0.0, "ETH": 0.0}), collateral=Shocks.of({"USDE": -0.03})
    )
    parts = dict(zip(valuer.legs, valuer.leg_pnl(off)[0], strict=True))
    assert parts.pop("USDE") == pytest.approx(-1800.0)
    assert set(parts.values()) == {0.0}
    assert valuer.assets == ("BTC", "USDE")


def test_parts_are_in_the_order_of_the_positions() -> None:
    rows = [
        {"instrument": name, "size": "1", "entry_price": "100", "mark_price": "100"}
        for name in ("ETHUSDT", "BTCUSDC", "SOLUSDT")
    ]
    valuer = valuer_of(
        {**HEDGED, "prices": {"BTC": "100", "USDE": "1", "USDC": "1"}, "positions": rows}
    )
    assert valuer.legs[:3] == ("ETHUSDT", "BTCUSDC", "SOLUSDT")
    up = Scenarios(returns=Shocks.of({"BTC": 0.1, "ETH": 0.2, "SOL": 0.3}))
    assert valuer.leg_pnl(up)[0, :3].tolist() == pytest.approx([20.0, 10.0, 30.0])


def test_longs_pay_funding_and_shorts_get_it() -> None:
    valuer = valuer_of(HEDGED)
    paid = Scenarios(
        returns=Shocks.of({"BTC": 0.0, "ETH": 0.0}), funding=Shocks.of({"BTC": 0.01, "ETH": 0.02})
    )
    parts = dict(zip(valuer.legs, valuer.leg_pnl(paid)[0], strict=True))
    assert parts["BTCUSDT"] == pytest.approx(600.0)
    assert parts["ETHUSDT"] == pytest.approx(-600.0)


def test_a_bundle_moves_as_its_coin() -> None:
    bundle = {
        **HEDGED,
        "positions": [
            {
                "instrument": "1000PEPEUSDT",
                "size": "1000",
                "entry_price": "0.01",
                "mark_price": "0.01",
            }
        ],
    }
    assert "PEPE" in valuer_of(bundle).coins


@given(situation=situations(HELD), data=st.data())
def test_what_has_no_array_face_is_valued_by_core_and_says_so(
    situation: Situation, data: st.DataObject
) -> None:
    order = OpenOrders(instrument=situation.unit.positions[0].instrument, buy_size=Decimal(1))
    model = replace(situation.model, orders_in_maintenance=True)
    unit = replace(situation.unit, orders=(order,))
    valuer = UnitValuer.over(unit, situation.market, model)
    assert (valuer.method, valuer.why) == ("core", "open orders count in its maintenance")
    agrees_with_core(valuer, data.draw(scenarios_of(valuer)))


def test_a_coin_without_a_column_is_named() -> None:
    valuer = valuer_of(HEDGED)
    with pytest.raises(InvalidInput, match="says nothing of ETH"):
        valuer.values(Scenarios(returns=Shocks.of({"BTC": 0.1})))
    with pytest.raises(InvalidInput, match="one column each of BTC, ETH"):
        valuer.excess(np.zeros((1, 3)))


def test_what_could_not_be_learnt_leaves_the_totals_unknown() -> None:
    dark = {**HEDGED, "unknown": [{"what": "positions", "why": "the key may not read them"}]}
    with pytest.raises(MissingNumber, match="the key may not read them"):
        valuer_of(dark)


def test_the_units_of_an_account_are_valued_together() -> None:
    isolated = {
        "instrument": "SOLUSDT",
        "size": "10",
        "entry_price": "150",
        "mark_price": "150",
        "margin_mode": "isolated",
        "isolated_margin": "100",
    }
    account = account_of({**HEDGED, "positions": [*HEDGED["positions"], isolated]})
    coins = {"BTC": [0.0, 0.0], "ETH": [0.0, 0.0], "SOL": [0.0, -0.2]}
    found = value_account(account, Scenarios(returns=Shocks.of(coins)))
    assert len(found.units) == 2
    assert found.pnl.tolist() == pytest.approx([0.0, -300.0])
    assert found.is_liquidatable.tolist() == [False, True]


def test_coins_that_are_margined_apart_have_no_sum() -> None:
    rows = [
        {
            "instrument": f"{coin}USD_PERP",
            "size": "10",
            "entry_price": "100",
            "mark_price": "100",
            "tier": {"maintenance_rate": "0.01", "maintenance_amount": "0"},
        }
        for coin in ("BTC", "ETH")
    ]
    cash = [{"asset": "BTC", "balance": "100"}, {"asset": "ETH", "balance": "100"}]
    account = account_of({"venue": "binance-coinm@2025-09", "collateral": cash, "positions": rows})
    found = value_account(account, falls(("BTC", "ETH"), 2))
    assert [values.currency for values in found.units.values()] == ["BTC", "ETH"]
    with pytest.raises(InvalidInput, match="BTC, ETH, each by itself"):
        _ = found.pnl
