"""Option books for tests of every layer: contracts, rules of venues, units."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from keelmark.core.instrument import Instrument, InstrumentKind
from keelmark.core.market import Market
from keelmark.core.model import AssetTerms, InstrumentTerms, MarginModel
from keelmark.core.numbers import exact
from keelmark.core.option_rules import NoTable, OptionTerms, ShortOptionRule, UnderlyingPrice
from keelmark.core.payoff import Right, Vanilla
from keelmark.core.repricing import theoretical_price
from keelmark.core.rules import SizeScaledRule
from keelmark.core.unit import MarginUnit, Position

D = Decimal
NOW = datetime(2025, 1, 1, 8, tzinfo=UTC)
EXPIRY = NOW + timedelta(days=30)
YEARS = 30 / 365

DERIBIT = ShortOptionRule(
    initial_share=D("0.15"),
    initial_floor=D("0.10"),
    maintenance_share=D("0.075"),
    mark_shares={Right.PUT: D("0.075")},
    at_least={Right.PUT: D(1)},
)
BYBIT = ShortOptionRule(
    initial_share=D("0.15"),
    initial_floor=D("0.10"),
    maintenance_share=D("0.03"),
    mark_shares={Right.CALL: D("0.03"), Right.PUT: D("0.03")},
    fee=D("0.002"),
    price=UnderlyingPrice.INDEX,
    at_least={Right.CALL: D(1), Right.PUT: D(1)},
    counts_entry=True,
)
DERIVE = ShortOptionRule(
    initial_share=D("0.15"),
    initial_floor=D("0.13"),
    maintenance_share=D("0.09"),
    mark_shares={Right.PUT: D("0.09")},
    price=UnderlyingPrice.INDEX,
    at_least={Right.PUT: D("1.05")},
)


def option(
    right: str,
    strike: str,
    *,
    rule: ShortOptionRule = DERIBIT,
    inverse: bool = False,
    counts_value: bool = False,
) -> InstrumentTerms:
    """Return the terms of an option on BTC; names such as `50000-C`, in coin `50000-C-BTC`."""
    symbol = f"{strike}-{right[0].upper()}" + ("-BTC" if inverse else "")
    return InstrumentTerms(
        instrument=Instrument(
            symbol=symbol,
            kind=InstrumentKind.INVERSE_OPTION if inverse else InstrumentKind.LINEAR_OPTION,
            base="BTC",
            settle="BTC" if inverse else "USDC",
            lot=D("0.1"),
            price_unit=D("0.0001") if inverse else D("0.01"),
            index="BTC",
            expiry=EXPIRY,
            payoff=Vanilla(right=Right(right), strike=D(strike)),
        ),
        maintenance=NoTable(),
        option=OptionTerms(rule=rule, counts_value=counts_value),
    )


def perpetual(*, inverse: bool = False) -> InstrumentTerms:
    """Return the terms of a perpetual on BTC at 1 % maintenance."""
    return InstrumentTerms(
        instrument=Instrument(
            symbol="BTC-PERP",
            kind=InstrumentKind.INVERSE_PERPETUAL if inverse else InstrumentKind.LINEAR_PERPETUAL,
            base="BTC",
            settle="BTC" if inverse else "USDC",
        ),
        maintenance=SizeScaledRule(base=D("0.01")),
    )


def model_of(*terms: InstrumentTerms) -> MarginModel:
    """Return a model of one settle asset."""
    settle = terms[0].instrument.settle
    return MarginModel(
        name="options",
        instruments={t.instrument.symbol: t for t in terms},
        assets={settle: AssetTerms(asset=settle)},
        single_asset=True,
    )


def held(terms: InstrumentTerms, size: str, entry: str) -> Position:
    """Return a position at an entry price."""
    with exact():
        cost = terms.instrument.value(D(size), D(entry))
        return Position(instrument=terms.instrument.symbol, size=D(size), cost=cost)


def market_at(
    price: str,
    *terms: InstrumentTerms,
    volatility: str = "0.6",
    volatilities: Mapping[str, Decimal] | None = None,
) -> Market:
    """Return a market with every option marked at one volatility, forward and index at a price."""
    marks = {
        t.instrument.symbol: theoretical_price(t.instrument, D(price), D(volatility), YEARS)
        if t.option is not None
        else D(price)
        for t in terms
    }
    options = [t.instrument.symbol for t in terms if t.option is not None]
    return Market(
        marks=marks,
        indices={"BTC": D(price)},
        forwards=dict.fromkeys(options, D(price)),
        volatilities=volatilities or {},
        time=NOW,
    )


def unit_of(cash: str, *positions: Position, asset: str = "USDC") -> MarginUnit:
    """Return a unit with cash."""
    return MarginUnit(balances={asset: D(cash)}, positions=positions)
