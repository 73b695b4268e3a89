"""An account under stress: what is lost, who is liquidated, what is missing."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from keelmark.accounts.account import read_account
from keelmark.core.errors import InvalidInput, MissingNumber
from keelmark.core.margin import margin_report
from keelmark.risk.revaluation.moved import scenario_market
from keelmark.risk.stress.account_stress import StressResult, StressRow, stress_account
from keelmark.risk.stress.closing import fill_cost
from keelmark.risk.stress.library import named, stress_library
from keelmark.risk.stress.many import BookStress, stress_many
from keelmark.risk.stress.moves import move_scenarios, require_known
from keelmark.risk.stress.result_document import list_document, result_document
from tests.risk.strategies import documents

EXAMPLES = Path(__file__).resolve().parents[3] / "docs" / "examples"
NEUTRAL = EXAMPLES / "usde_delta_neutral.json"


AGAINST_CORE = {
    "march-2020",
    "october-2025",
    "october-2025-rebound",
    "correlation-zero",
    "volatility-x3-up",
    "funding-shorts-pay",
    "oracle-stale",
    "basis-up",
}


def stressed(document: object, *names: str, scale: float = 1.0) -> StressResult:
    account = read_account(json.dumps(document), title="account")
    return stress_account(account, named(names, stress_library()), scale=scale)


def only(found: StressResult) -> StressRow:
    (unit,) = found.units
    (row,) = unit.rows
    return row


def long_btc(cash: str, **more: str) -> dict[str, Any]:
    row = {"instrument": "BTCUSDT", "size": "1", "entry_price": "60000", "mark_price": "60000"}
    return {
        "venue": "generic@2025-10",
        "collateral": [{"asset": "USDT", "balance": cash}],
        "positions": [{**row, **more}],
    }


@given(document=documents())
def test_every_unit_in_every_scenario_is_what_core_says(document: dict[str, Any]) -> None:
    account = read_account(json.dumps(document), title="drawn")
    found = stress_account(account)
    for unit in found.units:
        assert len(unit.rows) == len(stress_library())
        for at, row in enumerate(unit.rows):
            if row.scenario.name not in AGAINST_CORE:
                continue
            market, after = scenario_market(account, unit.valuer.unit, unit.made.scenarios, at)
            report = margin_report(after, market, account.model)
            size = 1e-9 * (1e6 + abs(row.worth) + abs(row.pnl))
            assert row.equity == pytest.approx(float(report.equity), abs=size)
            assert row.worth == pytest.approx(float(report.equity_raw), abs=size)
            if abs(float(report.maintenance_excess)) > size:
                assert row.is_liquidatable == report.is_liquidatable
            assert row.deficit == pytest.approx(max(0.0, row.closing_cost - row.worth), abs=size)
            lost = sum(loser.pnl for loser in row.losers)
            assert lost <= row.pnl + size


def test_a_fall_beyond_the_cash_leaves_a_deficit_of_the_rest_and_the_cost_to_close() -> None:
    row = only(stressed(long_btc("10000"), "march-2020"))
    assert row.pnl == pytest.approx(-0.5138 * 60000)
    assert row.is_liquidatable
    assert row.ratio is None
    assert row.deficit == pytest.approx(0.5138 * 60000 - 10000 + row.closing_cost)
    assert [loser.name for loser in row.losers] == ["BTCUSDT"]


def test_a_hedged_book_on_usde_loses_nothing_by_coins_and_is_liquidated_by_its_collateral() -> None:
    account = read_account(NEUTRAL.read_text(encoding="utf-8"), title="neutral")
    (unit,) = stress_account(account).units
    rows = {row.scenario.name: row for row in unit.rows}
    assert abs(rows["march-2020"].pnl) < 1e-6
    assert not rows["march-2020"].is_liquidatable
    assert rows["october-2025"].pnl == pytest.approx(-2_100_000)
    assert rows["october-2025"].losers[0].name == "USDE"
    assert {n for n, row in rows.items() if row.is_liquidatable} == {
        "october-2025",
        "october-2025-depeg",
    }
    assert rows["october-2025"].deficit == 0.0
    assert rows["october-2025"].worth > 600_000


def test_hedges_across_coins_fail_where_correlation_is_zero() -> None:
    document = long_btc("100000")
    short = {"instrument": "ETHUSDT", "size": "-20", "entry_price": "3000", "mark_price": "3000"}
    document["positions"].append(short)
    found = stressed(document, "correlation-zero")
    (unit,) = found.units
    returns = unit.made.scenarios.returns
    btc, eth = (float(returns.values[0, returns.names.index(c)]) for c in ("BTC", "ETH"))
    assert btc < 0.0 < eth
    sigmas = {"BTC": 0.0191, "ETH": 0.0358}
    size = np.hypot(60000 * sigmas["BTC"], 60000 * sigmas["ETH"])
    assert only(found).pnl == pytest.approx(-3.0 * size, rel=0.1)


def test_a_unit_falls_alone_and_takes_nothing_from_the_others() -> None:
    document = long_btc("50000", margin_mode="isolated", isolated_margin="5000")
    short = {"instrument": "ETHUSDT", "size": "-5", "entry_price": "3000", "mark_price": "3000"}
    document["positions"].append(short)
    found = stressed(document, "march-2020")
    cross, isolated = (unit.rows[0] for unit in found.units)
    assert not cross.is_liquidatable
    assert isolated.is_liquidatable
    assert isolated.deficit > 0.0
    assert cross.pnl > 0.0


def test_thin_books_move_no_price_and_cost_more_to_leave() -> None:
    calm = only(stressed(long_btc("10000"), "stablecoin-depeg"))
    thin = only(stressed(long_btc("10000"), "depth-withdrawal"))
    assert thin.pnl == calm.pnl == 0.0
    fee = 0.0005 * 60000
    assert thin.closing_cost - fee == pytest.approx((calm.closing_cost - fee) * 10**0.5)


def test_a_fill_costs_two_thirds_of_the_published_peak() -> None:
    """Q = 1 % of V, sigma 4 %, Y 0.9: a peak of 36 bp, 24 bp on average."""
    cost = fill_cost(np.array([1e6]), 0.04, 1e8, np.array([1.0]))
    assert cost[0] == pytest.approx(24e-4)
    empty = fill_cost(np.array([1e6, 0.0]), 0.04, 1e8, np.array([0.0, 0.0]))
    assert empty.tolist() == [1.0, 0.0]


def test_a_larger_scale_loses_more() -> None:
    losses = [only(stressed(long_btc("9000"), "ftx-2022", scale=s)).pnl for s in (0.5, 1.0, 1.5)]
    assert losses == sorted(losses, reverse=True)


def test_longs_pay_funding_on_the_notional_at_the_mark() -> None:
    paid = only(stressed(long_btc("10000"), "funding-longs-pay"))
    assert paid.pnl == pytest.approx(-0.0066 * 60000)


def test_an_account_that_holds_nothing_is_refused() -> None:
    document = {"venue": "generic@2025-10", "collateral": [], "positions": []}
    with pytest.raises(InvalidInput, match="holds nothing"):
        stressed(document, "march-2020")


def test_a_unit_of_unknown_margin_is_unknown_with_its_reason() -> None:
    document = long_btc("10000")
    document["collateral"].append({"asset": "ETH", "balance": "2"})
    with pytest.raises(MissingNumber, match="ETH"):
        stressed(document, "march-2020")


def strangle(venue: str, settle: str) -> dict[str, Any]:
    rows = [("100000-C", "-5", "0.0155", "0.44"), ("80000-P", "-3", "0.0085", "0.555")]
    return {
        "venue": venue,
        "as_of": "2025-12-05T01:00:00Z",
        "historical": True,
        "collateral": [{"asset": settle, "balance": "1.2"}],
        "prices": {"BTC": "92529.81", "BTC-26DEC25": "92726.41"},
        "positions": [
            {
                "instrument": f"BTC-26DEC25-{strike}",
                "size": size,
                "entry_price": price,
                "mark_price": price,
                "implied_volatility": volatility,
            }
            for strike, size, price, volatility in rows
        ],
    }


def test_the_notional_of_options_is_what_they_are_on() -> None:
    row = only(stressed(strangle("deribit-sm@2023-08", "BTC"), "march-2020"))
    assert row.is_liquidatable
    assert row.notional == 8.0
    found = stress_many(
        [("one", json.dumps(strangle("deribit-sm@2023-08", "BTC")))],
        named(["march-2020"], stress_library()),
    )
    assert found.totals["BTC"].values[0, 1] == 8.0


def test_a_unit_of_nothing_is_no_unit() -> None:
    document = long_btc("0", margin_mode="isolated", isolated_margin="9000", leverage="10")
    (unit,) = stressed(document, "march-2020").units
    assert unit.unit_id == "isolated:BTCUSDT"


def test_an_account_dead_already_is_counted_now() -> None:
    work = [("dead", json.dumps(long_btc("100"))), ("well", json.dumps(long_btc("90000")))]
    totals = stress_many(work, named(["squeeze"], stress_library())).totals["dollars"]
    assert totals.liquidatable_now == 1


def test_a_coin_that_nobody_holds_is_refused_and_one_in_a_wrapper_is_not() -> None:
    require_known("btc", {"BTC"})
    require_known("ETH", {"WBETH"})
    require_known("all", set())
    with pytest.raises(InvalidInput, match="did you mean 'BTC'"):
        require_known("BTTC", {"BTC"})


def test_moves_of_one_coin_leave_the_others() -> None:
    account = read_account(NEUTRAL.read_text(encoding="utf-8"), title="neutral")
    (unit,) = stress_account(account, move_scenarios("BTC", (-0.1, 0.1))).units
    returns = unit.made.scenarios.returns
    assert returns.values[:, returns.names.index("BTC")].tolist() == [-0.1, 0.1]
    assert not returns.values[:, returns.names.index("ETH")].any()


def test_the_documents_are_plain_json() -> None:
    found = result_document(stressed(long_btc("10000")))
    again = json.loads(json.dumps(found))
    rows = again["units"][0]["scenarios"]
    assert len(rows) == len(stress_library())
    assert rows[1]["name"] == "march-2020"
    assert rows[1]["is_liquidatable"] is True
    assert rows[0]["sources"][0]["read"]
    assert len(json.loads(json.dumps(list_document(stress_library())))) == len(rows)


def book(count: int) -> list[tuple[str, str]]:
    rows = [json.dumps(long_btc(str(3000 + 100 * i))) for i in range(count)]
    return [(f"line {i + 1}", row) for i, row in enumerate([*rows, "{"])]


def same(one: BookStress, two: BookStress) -> bool:
    return all(
        one.totals[c].accounts == two.totals[c].accounts
        and np.array_equal(one.totals[c].values, two.totals[c].values)
        for c in one.totals
    )


def test_a_book_adds_up_its_accounts_and_names_what_cannot_be_read() -> None:
    wanted = named(["march-2020", "correlation-zero"], stress_library())
    work = book(30)
    found = stress_many(work, wanted)
    totals = found.totals["dollars"]
    rows = [only(stressed(json.loads(text), "march-2020")) for _, text in work[:-1]]
    assert totals.accounts == 30
    assert totals.values[0].tolist() == pytest.approx(
        [
            30,
            sum(row.notional for row in rows),
            -sum(row.pnl for row in rows),
            0.0,
            sum(row.deficit for row in rows),
            sum(3000 + 100 * i for i in range(30)),
        ]
    )
    assert totals.liquidatable_now == 0
    assert found.coins == {"BTC"}
    assert totals.worst_name[0] == "line 1"
    assert list(found.unread) == ["line 31"]


@pytest.mark.slow
def test_a_book_does_not_depend_on_how_many_processes_read_it() -> None:
    wanted = named(["march-2020"], stress_library())
    work = book(251)
    assert same(stress_many(work, wanted, processes=1), stress_many(work, wanted, processes=2))
