"""A coin moves with everything on it: no nearer move of it liquidates than the one found."""

from dataclasses import replace
from decimal import Decimal

from hypothesis import given

from keelmark.core.coin_move import CoinMove, coin_moves, coins_of
from keelmark.core.joint_move import all_together, joint_moves
from keelmark.core.liquidation_price import PriceStatus
from keelmark.core.margin import margin_report
from keelmark.core.market import Market
from keelmark.core.model import AssetTerms
from keelmark.core.numbers import exact
from keelmark.core.price_path import PRECISION
from keelmark.core.unit import MarginUnit
from tests.core.test_joint_move import GRID, MARKET, MODEL, held, left_over
from tests.strategies import ANY, Situation, situations

D = Decimal
UP_TO = D(10)


def moved(situation: Situation, found: CoinMove, size: Decimal) -> Market:
    """The market after a move of a coin, written apart from the one under test."""
    share, coin = 1 + found.step * size, found.coin.name
    model, market = situation.model, situation.market
    on_it = {s: t.instrument for s, t in model.instruments.items() if t.instrument.base == coin}
    indices = {i.index for i in on_it.values()}
    return replace(
        market,
        marks={s: p * (share if s in on_it else 1) for s, p in market.marks.items()},
        indices={n: p * (share if n in indices else 1) for n, p in market.indices.items()},
        asset_prices={a: p * (share if a == coin else 1) for a, p in market.asset_prices.items()},
    )


def check_walk(situation: Situation, found: CoinMove) -> None:
    """Nothing nearer than the move found is liquidatable, and its end is."""
    size = found.move.size
    if size is not None and size < D("1e-20"):
        return
    with exact():
        reach = (D(1) if found.step < 0 else UP_TO) * D("0.999999")
        last = reach if size is None else size * (1 - D("1e-14"))
        for step in range(GRID):
            assert left_over(situation, moved(situation, found, last * step / GRID)) >= 0
        if size is not None:
            ends = (size, size * (1 + D("2e-15")))
            assert min(left_over(situation, moved(situation, found, s)) for s in ends) <= 0


@given(situation=situations(ANY))
def test_no_nearer_move_of_a_coin_liquidates_than_the_one_found(situation: Situation) -> None:
    report = margin_report(situation.unit, situation.market, situation.model)
    for found in coin_moves(report, situation.market, situation.model):
        if report.is_liquidatable:
            assert found.distance == 0
        elif found.move.status is not PriceStatus.UNKNOWN:
            check_walk(situation, found)


def test_a_debt_alone_ends_a_unit_at_the_multiple_of_its_trigger() -> None:
    owed = replace(MODEL.asset("BTC"), gross_loan_rate=D("0.1"))
    model = replace(MODEL, assets={**MODEL.assets, "BTC": owed}, trigger_level=D("1.05"))
    unit = MarginUnit(balances={"USDT": D(12_000), "BTC": D(0)}, loans={"BTC": D(1)})
    price = MARKET.asset_price("BTC")
    _, up = coin_moves(margin_report(unit, MARKET, model), MARKET, model)
    # 12,000 = 1.05 * 0.1 * price * (1 + x)
    assert up.distance is not None
    assert abs(up.distance - (12_000 / (D("0.105") * price) - 1)) < 4 * PRECISION


def test_collateral_falls_with_the_contract_on_it() -> None:
    unit = MarginUnit(
        balances={"USDT": D(-10_000), "BTC": D(1)},
        positions=(held("BTCUSDT", "1"), held("ETHUSDT", "-20")),
    )
    report = margin_report(unit, MARKET, MODEL)
    down, up = coin_moves(report, MARKET, MODEL)
    assert (down.coin.name, down.coin.words) == ("BTC", "BTC with its collateral")
    # 50,000 of equity less 500 on ETH: 120,000 (1 - x) - 70,000 - 500 = 300 (1 - x)
    assert down.distance is not None
    assert abs(down.distance + (D(49_200) / D(119_700))) < D("1e-20")
    assert up.move.status is PriceStatus.NONE
    assert down.move.prices is not None
    assert set(down.move.prices) == {"BTCUSDT", "BTC"}


def test_a_debt_with_nothing_but_collateral_falls_with_the_coin() -> None:
    unit = MarginUnit(balances={"USDT": D(-30_000), "BTC": D(1)})
    down, up = coin_moves(margin_report(unit, MARKET, MODEL), MARKET, MODEL)
    assert down.distance is not None
    assert abs(down.distance + D("0.5")) < D("1e-20")
    assert up.move.size is None
    free = MarginUnit(balances={"USDT": D(30_000), "BTC": D(1)})
    assert coins_of(free, MODEL) == ()


def test_a_coin_of_one_contract_and_nothing_held_is_left_to_that_contract() -> None:
    unit = MarginUnit(balances={"USDT": D(30_000)}, positions=(held("BTCUSDT", "1"),))
    assert coins_of(unit, MODEL) == ()


def test_all_prices_together_are_the_only_coin_s() -> None:
    unit = MarginUnit(balances={"BTC": D(1)}, positions=(held("BTCUSDT", "5"),))
    report = margin_report(unit, MARKET, MODEL)
    joint = joint_moves(unit, MARKET, MODEL, report=report)
    apart = coin_moves(report, MARKET, MODEL)
    assert [c.distance for c in coin_moves(report, MARKET, MODEL, joint)] == [
        c.distance for c in apart
    ]
    assert apart[0].move.direction == all_together(unit, MODEL)


def test_a_dollar_is_what_the_rulebook_has_at_par_or_by_its_name() -> None:
    assets = {name: AssetTerms(asset=name) for name in ("USDT", "USDC", "FDUSD", "EURC")}
    unit = MarginUnit(balances={"USDT": D(-10), "USDC": D(20), "FDUSD": D(20), "EURC": D(20)})
    named = replace(MODEL, assets=assets, valuation="USD")
    assert [coin.name for coin in coins_of(unit, named)] == ["EURC"]
    assert [coin.name for coin in coins_of(unit, replace(named, par=("USDT",)))] == ["EURC"]
    assert coins_of(unit, replace(named, par=("USDT", "EURC"))) == ()
