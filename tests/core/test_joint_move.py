"""The joint move found is the first one that liquidates."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keelmark.core.bound import Factor, FactorKind
from keelmark.core.collateral import CollateralSchedule, HaircutTier
from keelmark.core.errors import InvalidInput
from keelmark.core.instrument import Instrument, InstrumentKind
from keelmark.core.joint_move import JointMove, all_together, joint_move, joint_moves
from keelmark.core.liquidation_price import PriceStatus, liquidation_prices
from keelmark.core.margin import maintenance_excess
from keelmark.core.market import Market
from keelmark.core.model import (
    AssetTerms,
    InstrumentTerms,
    MarginModel,
    MarginPurpose,
    ProfitTerms,
    Trigger,
)
from keelmark.core.numbers import exact
from keelmark.core.price_path import PRECISION, REACH_MAX, PricePath
from keelmark.core.rules import TieredRule, with_deductions
from keelmark.core.unit import MarginUnit, Position
from tests.core import reference
from tests.strategies import HELD, Shape, Situation, situations

D = Decimal
GRID = 60


def linear(symbol: str, rate: str) -> InstrumentTerms:
    instrument = Instrument(
        symbol=symbol,
        kind=InstrumentKind.LINEAR_PERPETUAL,
        base=symbol.removesuffix("USDT"),
        settle="USDT",
    )
    rule = TieredRule(tiers=with_deductions([(D(0), D(rate))]))
    return InstrumentTerms(instrument=instrument, maintenance=rule)


RATES = {"BTCUSDT": "0.005", "ETHUSDT": "0.01", "SOLUSDT": "0.02"}
MODEL = MarginModel(
    name="flat rates",
    instruments={symbol: linear(symbol, rate) for symbol, rate in RATES.items()},
    assets={name: AssetTerms(asset=name) for name in ("USDT", "BTC")},
    valuation="USDT",
)
MARKS = {"BTCUSDT": D(60_000), "ETHUSDT": D(2_500), "SOLUSDT": D(150)}
MARKET = Market(marks=MARKS, asset_prices={"BTC": D(60_000)})


def held(symbol: str, size: str) -> Position:
    return Position(instrument=symbol, size=D(size), cost=D(size) * MARKS[symbol])


@given(
    sizes=st.lists(st.integers(-500, 500).filter(bool), min_size=3, max_size=3),
    cash=st.integers(1, 3_000_000),
    btc=st.integers(0, 10),
    weights=st.lists(st.integers(-3, 3), min_size=3, max_size=3).filter(any),
)
def test_the_move_of_a_linear_book_is_the_closed_form(
    sizes: list[int], cash: int, btc: int, weights: list[int]
) -> None:
    positions = tuple(held(s, str(n)) for s, n in zip(MARKS, sizes, strict=True))
    unit = MarginUnit(balances={"USDT": D(cash), "BTC": D(btc)}, positions=positions)
    direction = {s: D(w) for s, w in zip(MARKS, weights, strict=True)}
    start = maintenance_excess(unit, MARKET, MODEL)
    with exact():
        slope = sum(
            (
                (n - abs(n) * D(RATES[s])) * MARKS[s] * direction[s]
                for s, n in zip(MARKS, sizes, strict=True)
            ),
            btc * MARKS["BTCUSDT"] * direction["BTCUSDT"],
        )
        reach = min(
            [-1 / d for d in direction.values() if d < 0]
            + [REACH_MAX / d for d in direction.values() if d > 0]
        )
        expected = None if slope >= 0 else -start / slope
    found = joint_move(unit, direction, MARKET, MODEL)
    if start < 0:
        assert found.size == 0
    elif expected is None or expected >= reach * (1 - D("1e-14")):
        assert found.status is PriceStatus.NONE
    else:
        assert found.size is not None
        assert abs(found.size - expected) <= expected * D("2e-15") + D("1e-29")


def moved(situation: Situation, direction: dict[str, Decimal], size: Decimal) -> Market:
    """The market after a move, written apart from the one under test."""
    by_name = {s: t.instrument for s, t in situation.model.instruments.items()}
    leaders = sorted(set(direction) & set(by_name), key=lambda s: (len(s), s), reverse=True)
    bases = {by_name[s].base: direction[s] for s in leaders}
    coins = {**direction, **bases}
    market = situation.market
    return replace(
        market,
        marks={s: p * (1 + direction.get(s, 0) * size) for s, p in market.marks.items()},
        indices={n: p * (1 + bases.get(n, 0) * size) for n, p in market.indices.items()},
        asset_prices={a: p * (1 + coins.get(a, 0) * size) for a, p in market.asset_prices.items()},
    )


def left_over(situation: Situation, market: Market) -> int:
    """The sign of the excess by the reference; the last digits of its terms count as nothing."""
    unit, model = situation.unit, situation.model
    excess = reference.excess(unit, market, model)
    room = reference.scale(unit, market, model) * Fraction(1, 10**45)
    return 0 if abs(excess) <= room else 1 if excess > 0 else -1


def check_first(situation: Situation, direction: dict[str, Decimal], found: JointMove) -> None:
    """Nothing before the size found is liquidatable, and the size is."""
    if found.size is not None and 0 < found.size < D("1e-20"):
        with exact():
            there = moved(situation, direction, found.size)
        assert left_over(situation, there) <= 0  # the first step liquidates
        return
    if found.size == 0:
        assert left_over(situation, situation.market) <= 0
        return
    with exact():
        reach = min(
            [-1 / d for d in direction.values() if d < 0]
            + [REACH_MAX / d for d in direction.values() if d > 0]
        )
        last = found.size if found.size is not None else reach * D("0.999999")
        for step in range(GRID):
            before = last * step / GRID * (1 - PRECISION * 10)
            there = moved(situation, direction, before)
            assert left_over(situation, there) >= 0
        if found.size is not None:
            # at a jump the row of the floor itself hangs on the last digit of the size
            steps = (found.size, found.size * (1 + 2 * PRECISION))
            assert min(left_over(situation, moved(situation, direction, s)) for s in steps) <= 0


@given(situation=situations(replace(HELD, inverse=False)), down=st.booleans())
def test_no_straight_move_liquidates_before_the_one_found(
    situation: Situation, *, down: bool
) -> None:
    direction = all_together(situation.unit, situation.model, down=down)
    found = joint_move(situation.unit, direction, situation.market, situation.model)
    assert found.status in {PriceStatus.PRICE, PriceStatus.NONE}
    check_first(situation, direction, found)


@given(situation=situations(Shape(positions_min=1, linear=False)), down=st.booleans())
def test_no_inverse_move_liquidates_before_the_one_found(
    situation: Situation, *, down: bool
) -> None:
    direction = all_together(situation.unit, situation.model, down=down)
    found = joint_move(situation.unit, direction, situation.market, situation.model)
    if found.status is not PriceStatus.UNKNOWN:
        check_first(situation, direction, found)


@given(situation=situations(HELD), weights=st.lists(st.integers(-3, 3), min_size=3, max_size=3))
def test_no_uneven_move_liquidates_before_the_one_found(
    situation: Situation, weights: list[int]
) -> None:
    symbols = sorted({p.instrument for p in situation.unit.positions})
    direction = {s: D(w) for s, w in zip(symbols, weights, strict=False)}
    if any(direction.values()):
        found = joint_move(situation.unit, direction, situation.market, situation.model)
        if found.status is not PriceStatus.UNKNOWN:
            check_first(situation, direction, found)


def test_a_fall_too_slow_for_the_last_digit_is_found_before_the_next_piece() -> None:
    # nothing is left over, and a dust position falls: its tier ends at a move of 3e-6, while the
    # last digit of 1e22 of collateral shows the loss from about 1e-22 on
    dust = Position(instrument="BTCUSDT", size=D("1e-5"), cost=D("1e-16"))
    rule = TieredRule(tiers=with_deductions([(D(0), D(0)), (D("9.99997e-17"), D(0))]))
    terms = replace(MODEL.instruments["BTCUSDT"], maintenance=rule)
    assets = {**MODEL.assets, "XRP": AssetTerms(asset="XRP")}
    model = replace(MODEL, instruments={"BTCUSDT": terms}, assets=assets, trigger=Trigger.BELOW)
    unit = MarginUnit(balances={"XRP": D("1e22"), "USDT": D("-1e22")}, positions=(dust,))
    market = Market(marks={"BTCUSDT": D("1e-11")}, asset_prices={"XRP": D(1)})
    situation = Situation(unit=unit, market=market, model=model)
    assert maintenance_excess(unit, market, model) == 0
    found = joint_move(unit, {"BTCUSDT": D(-1)}, market, model)
    assert found.size is not None
    assert found.size < D("3e-6")
    assert left_over(situation, moved(situation, {"BTCUSDT": D(-1)}, found.size)) <= 0


def test_a_coin_that_moves_at_another_speed_than_its_contract_is_searched() -> None:
    # the coin follows the perpetual, the dated contract lags: times the coin it is no line
    model = replace(
        MODEL, instruments={s: inverse(s, "0.05") for s in ("BTCUSD", "BTCUSD-26DEC25")}
    )
    dated = Position(instrument="BTCUSD-26DEC25", size=D(300_000), cost=D(-5))
    unit = MarginUnit(balances={"BTC": D(1), "USDT": D(20_000)}, positions=(dated,))
    market = replace(MARKET, marks={s: D(60_000) for s in model.instruments})
    direction = {"BTCUSD": D(-1), "BTCUSD-26DEC25": D("-0.5")}
    situation = Situation(unit=unit, market=market, model=model)
    found = joint_move(unit, direction, market, model)
    assert found.size is not None
    check_first(situation, direction, found)
    with exact():
        almost = moved(situation, direction, found.size * (1 - D("1e-12")))
    assert left_over(situation, almost) == 1


@given(situations(replace(HELD, inverse=False)))
def test_one_instrument_alone_moves_to_its_liquidation_price(situation: Situation) -> None:
    unit, market, model = situation.unit, situation.market, situation.model
    symbol = unit.positions[0].instrument
    coin = model.instruments[symbol].instrument
    if coin.base in unit.balances or any(
        t.margin_price != "mark" for t in model.instruments.values()
    ):
        return
    prices = liquidation_prices(unit, symbol, market, model).values
    found = joint_move(unit, {symbol: D(-1)}, market, model)
    below = [p for p in prices if p <= market.mark(symbol)]
    if found.size and found.prices and below:
        with exact():
            gaps = [abs(found.prices[symbol] / price - 1) for price in below]
        assert min(gaps) < D("1e-10") or found.size > D("0.9999999")


def test_a_unit_at_nothing_is_found_at_once() -> None:
    # the first adverse step liquidates: the size is nothing but its smallest fraction
    unit = MarginUnit(balances={"USDT": D(300)}, positions=(held("BTCUSDT", "1"),))
    assert maintenance_excess(unit, MARKET, MODEL) == 0
    found = joint_move(unit, {"BTCUSDT": D(-1)}, MARKET, MODEL)
    assert found.size is not None
    assert 0 < found.size < D("1e-20")
    rising = joint_move(unit, {"BTCUSDT": D(1)}, MARKET, MODEL)
    assert rising.status is PriceStatus.NONE
    at_once = replace(MODEL, trigger=Trigger.AT_OR_BELOW)
    assert joint_move(unit, {"BTCUSDT": D(1)}, MARKET, at_once).size == 0


def test_an_inverse_unit_at_nothing_is_found_and_ends() -> None:
    contract = Instrument(
        symbol="BTCUSD",
        kind=InstrumentKind.INVERSE_PERPETUAL,
        base="BTC",
        settle="BTC",
        contract_size=D(100),
    )
    rule = TieredRule(tiers=with_deductions([(D(0), D("0.01"))]))
    terms = InstrumentTerms(instrument=contract, maintenance=rule)
    model = replace(MODEL, instruments={"BTCUSD": terms}, single_asset=True, valuation="BTC")
    position = Position(instrument="BTCUSD", size=D(500), cost=D(-1))
    unit = MarginUnit(balances={"BTC": D("0.01")}, positions=(position,))
    market = Market(marks={"BTCUSD": D(50_000)})
    assert maintenance_excess(unit, market, model) == 0
    found = joint_move(unit, {"BTCUSD": D(-1)}, market, model)
    assert found.size is not None
    assert 0 < found.size < D("1e-20")


def test_a_tightly_hedged_linear_book_is_solved_and_not_searched() -> None:
    pair = (held("BTCUSDT", "100"), held("ETHUSDT", "-2400"))
    unit = MarginUnit(balances={"USDT": D(100_000)}, positions=pair)
    found = joint_move(unit, all_together(unit, MODEL, down=False), MARKET, MODEL)
    assert found.size is not None
    assert abs(found.size - D("0.1111111111111111111")) < D("1e-9")


def inverse(symbol: str, rate: str) -> InstrumentTerms:
    coin = Instrument(
        symbol=symbol, kind=InstrumentKind.INVERSE_PERPETUAL, base="BTC", settle="BTC"
    )
    rule = TieredRule(tiers=with_deductions([(D(0), D(rate))]))
    return InstrumentTerms(instrument=coin, maintenance=rule)


def test_a_coin_hedged_by_a_short_in_itself_is_solved_and_not_searched() -> None:
    model = replace(MODEL, instruments={"BTCUSD": inverse("BTCUSD", "0.01")})
    # 100 coins and 6,000,000 dollars short are worth the same dollars at every price
    short = Position(instrument="BTCUSD", size=D(-6_000_000), cost=D(100))
    unit = MarginUnit(balances={"BTC": D(100), "USDT": D(-5_939_000)}, positions=(short,))
    market = replace(MARKET, marks={"BTCUSD": D(60_000)})
    assert maintenance_excess(unit, market, model) == D(1_000)
    assert joint_move(unit, {"BTCUSD": D(-1)}, market, model).status is PriceStatus.NONE
    assert joint_move(unit, {"BTCUSD": D(1)}, market, model).status is PriceStatus.NONE
    naked = replace(short, size=D(-6_060_000), cost=D(101))
    over = replace(unit, positions=(naked,), balances={"BTC": D(100), "USDT": D(-5_937_000)})
    # 6,060,000 - P dollars of coin and profit, less 60,600 to keep and the debt: 62,400 - P
    found = joint_move(over, {"BTCUSD": D(1)}, market, model)
    assert found.size is not None
    assert abs(found.size - D("0.04")) < D("1e-15")
    assert joint_move(over, {"BTCUSD": D(-1)}, market, model).status is PriceStatus.NONE


def test_a_coin_margined_unit_is_solved_in_closed_form() -> None:
    model = replace(
        MODEL, instruments={"BTCUSD": inverse("BTCUSD", "0.01")}, single_asset=True, valuation="BTC"
    )
    held = Position(instrument="BTCUSD", size=D(600_000), cost=D(-10))
    unit = MarginUnit(balances={"BTC": D(2)}, positions=(held,))
    found = joint_move(unit, {"BTCUSD": D(-1)}, Market(marks={"BTCUSD": D(60_000)}), model)
    # 2 + 10 = 10 * 1.01 / (1 - x)
    assert found.size is not None
    assert abs(found.size - (1 - D("10.1") / 12)) < D("1e-15")


def test_what_the_bound_cannot_settle_is_unknown() -> None:
    # two contracts on one coin that fall at almost the same speed: no weight makes both straight
    model = replace(
        MODEL,
        instruments={s: inverse(s, "0") for s in ("BTCUSD", "BTCUSD-26DEC25")},
        single_asset=True,
        valuation="BTC",
    )
    pair = (
        Position(instrument="BTCUSD", size=D(-6_000_000), cost=D(100)),
        Position(instrument="BTCUSD-26DEC25", size=D(6_000_000), cost=D(-100)),
    )
    unit = MarginUnit(balances={"BTC": D("0.00001")}, positions=pair)
    market = Market(marks={s: D(60_000) for s in model.instruments})
    direction = {"BTCUSD": D(-1), "BTCUSD-26DEC25": D("-0.999")}
    found = joint_move(unit, direction, market, model)
    assert found.status is PriceStatus.UNKNOWN
    assert "hedged too tightly" in (found.reason or "")


def test_a_coin_held_as_collateral_moves_with_its_instrument() -> None:
    unit = MarginUnit(balances={"BTC": D(1)}, positions=(held("ETHUSDT", "20"),))
    apart = joint_move(unit, {"ETHUSDT": D(-1)}, MARKET, MODEL)
    both = joint_move(unit, {"ETHUSDT": D(-1), "BTCUSDT": D(-1)}, MARKET, MODEL)
    assert apart.status is PriceStatus.NONE
    assert both.size is not None
    path = PricePath.along(unit, {"BTCUSDT": D(-1)}, MARKET, MODEL)
    assert Factor(FactorKind.ASSET, "BTC") in path.slopes


def test_a_haircut_floor_on_the_way_is_a_corner() -> None:
    tiers = (HaircutTier(floor=D(0), weight=D(1)), HaircutTier(floor=D(1_000), weight=D("0.5")))
    half = AssetTerms(asset="USDT", schedule=CollateralSchedule(tiers=tiers))
    model = replace(MODEL, assets={"USDT": half})
    unit = MarginUnit(balances={"USDT": D(5_000)}, positions=(held("BTCUSDT", "0.1"),))
    found = joint_move(unit, {"BTCUSDT": D(-1)}, MARKET, model)
    assert found.size is not None
    # 5,000 - 6,000 x = 30 (1 - x): beyond the floor every dollar counts
    assert abs(found.size - D(4_970) / D(5_970)) < D("1e-14")


def test_what_cannot_be_searched_is_refused_or_unknown() -> None:
    unit = MarginUnit(balances={"USDT": D(300)}, positions=(held("BTCUSDT", "1"),))
    with pytest.raises(InvalidInput, match="at least one price"):
        joint_move(unit, {"BTCUSDT": D(0)}, MARKET, MODEL)
    gone = joint_move(unit, {"BTCUSDT": D(-1)}, Market(), MODEL)
    assert gone.status is PriceStatus.UNKNOWN
    capped = replace(MODEL, profit={MarginPurpose.MAINTENANCE: ProfitTerms(cap=D(1))})
    assert joint_move(unit, {"BTCUSDT": D(-1)}, MARKET, capped).status is PriceStatus.UNKNOWN


def test_coins_without_a_contract_fall_with_everything_else() -> None:
    coins = {coin: AssetTerms(asset=coin) for coin in ("SOL", "AVAX", "USDC")}
    model = replace(MODEL, assets={**MODEL.assets, **coins})
    prices = {"BTC": D(60_000), "SOL": D(100), "AVAX": D(100), "USDC": D(1)}
    market = Market(marks=MARKS, asset_prices=prices)
    cash = {"USDT": D(-150_000), "SOL": D(1_000), "AVAX": D(1_000), "USDC": D(5)}
    unit = MarginUnit(balances=cash, positions=(held("BTCUSDT", "0.1"),))
    down, _ = joint_moves(unit, market, model)
    assert set(down.direction) == {"BTCUSDT", "SOL", "AVAX"}
    # 200,005 + 6,000 of coins at (1 - x), less 150,000 owed and the 6,000 paid; 0.5 % of 6,000
    rate = RATES["BTCUSDT"]
    expected = D(50_005) - D(6_000) * D(rate)
    assert down.size is not None
    assert abs(down.size - expected / (D(206_000) - D(6_000) * D(rate))) < D("1e-20")
    assert down.prices is not None
    assert abs(down.prices["SOL"] - D(100) * (1 - down.size)) < D("1e-20")
    owing = replace(unit, positions=())
    both, _ = joint_moves(owing, market, model)
    assert both.size is not None
    assert abs(both.size - D(50_005) / D(200_000)) < D("1e-20")
    assert joint_moves(replace(owing, balances={"SOL": D(1)}), market, model) == ()
