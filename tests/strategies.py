"""Hypothesis strategies shared by every layer: rules, contracts, collateral, units, markets.

Values are exact decimals on coarse grids, with zero, one tick, bracket floors and extremes drawn
on purpose: bracket floors are often placed on the notional itself or one part in a million beside
it, and a unit often stands exactly on its maintenance margin.
"""

from dataclasses import dataclass, replace
from decimal import Context, Decimal

from hypothesis import strategies as st

from keelmark.core.codes import Leg
from keelmark.core.collateral import CollateralSchedule, HaircutTier
from keelmark.core.instrument import Instrument, InstrumentKind
from keelmark.core.margin import margin_report
from keelmark.core.market import Market
from keelmark.core.model import (
    AssetTerms,
    CloseFee,
    CloseFeeBasis,
    HaircutBase,
    InstrumentTerms,
    MarginModel,
    MarginPrice,
    MarginPurpose,
    ProfitTerms,
    Trigger,
)
from keelmark.core.numbers import exact
from keelmark.core.rules import (
    MaintenanceRule,
    SizeScaledRule,
    SizeTierRule,
    Tier,
    TieredRule,
    WholeNotionalRule,
    with_deductions,
)
from keelmark.core.unit import MarginUnit, Position, TierRow

ONE_PART = Decimal("0.000001")
FLOOR_DIGITS = Context(prec=40)
"""Floors keep fewer digits than core computes with, so no comparison hangs on its rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """A unit with everything its margin depends on."""

    unit: MarginUnit
    market: Market
    model: MarginModel


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What situations may contain."""

    inverse: bool = True
    linear: bool = True
    single_asset: bool | None = None
    jumps: bool = True
    index: bool = True
    rows: bool = True
    rate_max: int = 150
    positions_min: int = 0
    loans: bool = True
    asks: bool = False


ANY = Shape()
HELD = Shape(positions_min=1)
PLAIN = Shape(
    inverse=False, single_asset=True, jumps=False, index=False, positions_min=1, loans=False
)
"""Linear contracts in one asset under marginal tiers with rates below one, on the mark."""


def on_grid(low: int, high: int, step: str) -> st.SearchStrategy[Decimal]:
    """Whole multiples of `step`."""
    return st.integers(low, high).map(lambda n: n * Decimal(step))


prices = st.one_of(
    on_grid(1, 200_000, "0.5"),
    on_grid(1, 10_000, "0.0001"),
    st.sampled_from([Decimal("1E-11"), Decimal("0.01"), Decimal(1), Decimal("3E+8")]),
)
lots = st.one_of(st.integers(1, 5_000), st.sampled_from([1, 2**20, 2**40]))
amounts = st.one_of(
    on_grid(0, 1_000_000, "1"),
    on_grid(0, 1_000_000, "0.00000001"),
    st.sampled_from([Decimal(0), Decimal("1E-8"), Decimal("1E+15")]),
)
signed_amounts = st.builds(lambda a, s: a * s, amounts, st.sampled_from([1, 1, 1, -1]))
leverages = st.none() | st.integers(1, 125).map(Decimal)


@st.composite
def tier_rows(
    draw: st.DrawFn,
    *,
    near: Decimal = Decimal(1000),
    rising: bool = True,
    rate_max: int = 150,
) -> tuple[tuple[Decimal, Decimal], ...]:
    """(floor, rate) rows, floors often on `near` or one part in a million beside it."""
    beside = st.sampled_from([near, near * (1 - ONE_PART), near * (1 + ONE_PART)])
    floor = st.one_of(beside, on_grid(1, 400, "0.01").map(lambda share: share * near))
    with exact():
        floors = draw(st.lists(floor, max_size=5, unique=True).map(sorted))
        rates = draw(
            st.lists(
                on_grid(0, rate_max * 10, "0.001").filter(lambda r: r < Decimal(rate_max) / 100),
                min_size=len(floors) + 1,
                max_size=len(floors) + 1,
            ),
        )
    rates = sorted(rates) if rising else rates
    return tuple(zip((Decimal(0), *floors), rates, strict=True))


def marginal_rules(near: Decimal, rate_max: int = 100) -> st.SearchStrategy[MaintenanceRule]:
    """Continuous marginal tiers, either owner of the edge."""
    return st.builds(
        lambda rows, upper: TieredRule(tiers=with_deductions(rows), edge_upper=upper),
        tier_rows(near=near, rate_max=rate_max),
        st.booleans(),
    )


def jumping_rules(near: Decimal, rate_max: int = 100) -> st.SearchStrategy[MaintenanceRule]:
    """Whole-notional tables: rates may also fall."""
    return st.builds(
        lambda rows, upper: WholeNotionalRule(
            tiers=tuple(Tier(floor=floor, rate=rate) for floor, rate in rows), edge_upper=upper
        ),
        st.booleans().flatmap(lambda r: tier_rows(near=near, rising=r, rate_max=rate_max)),
        st.booleans(),
    )


def sized_rules(size: Decimal, rate_max: int = 100) -> st.SearchStrategy[MaintenanceRule]:
    """Tables keyed on contracts."""
    return st.builds(
        lambda rows, upper: SizeTierRule(
            tiers=tuple(Tier(floor=floor, rate=rate) for floor, rate in rows), edge_upper=upper
        ),
        tier_rows(near=size, rate_max=rate_max),
        st.booleans(),
    )


def scaled_rules(size: Decimal) -> st.SearchStrategy[MaintenanceRule]:
    """Rates that rise with size, above one for the largest."""
    return st.builds(
        lambda base, share: SizeScaledRule(base=base, slope=(share / size).normalize()),
        on_grid(1, 100, "0.001"),
        st.sampled_from([Decimal(0), Decimal("0.05"), Decimal("1.26")]),
    )


def rules(
    size: Decimal, notional: Decimal, shape: Shape = ANY
) -> st.SearchStrategy[MaintenanceRule]:
    """Every kind of maintenance rule, with edges near this position."""
    marginal = marginal_rules(notional, min(shape.rate_max, 99) if not shape.jumps else 120)
    if not shape.jumps:
        return marginal
    return st.one_of(marginal, jumping_rules(notional), sized_rules(size), scaled_rules(size))


@st.composite
def schedules(draw: st.DrawFn, *, near: Decimal = Decimal(1000)) -> CollateralSchedule:
    """Falling weights by quantity, with and without a loan rate."""
    rows = draw(tier_rows(near=near, rate_max=100))
    weights = sorted((1 - rate for _, rate in rows), reverse=True)
    return CollateralSchedule(
        tiers=tuple(
            HaircutTier(floor=floor, weight=weight)
            for (floor, _), weight in zip(rows, weights, strict=True)
        ),
        loan_rate=draw(st.sampled_from([Decimal(0), Decimal("0.1")])),
    )


@dataclass(frozen=True, slots=True)
class _Contract:
    symbol: str
    base: str
    settle: str
    inverse: bool


CONTRACTS = (
    _Contract("BTCUSDT", "BTC", "USDT", inverse=False),
    _Contract("ETHUSDT", "ETH", "USDT", inverse=False),
    _Contract("SOLUSDT", "SOL", "USDT", inverse=False),
    _Contract("BTCUSDC", "BTC", "USDC", inverse=False),
    _Contract("BTCUSD", "BTC", "BTC", inverse=True),
    _Contract("ETHUSD", "ETH", "ETH", inverse=True),
)


@st.composite
def instruments(draw: st.DrawFn, contract: _Contract) -> Instrument:
    """A contract of a named shape with a drawn size and price step."""
    kind = InstrumentKind.INVERSE_PERPETUAL if contract.inverse else InstrumentKind.LINEAR_PERPETUAL
    size = draw(st.sampled_from([Decimal(1), Decimal(100), Decimal("0.01")]))
    return Instrument(
        symbol=contract.symbol,
        kind=kind,
        base=contract.base,
        settle=contract.settle,
        contract_size=size,
        lot=Decimal(1) if contract.inverse else Decimal("0.001"),
        index=contract.base,
    )


gross_loan_rates = st.sampled_from([Decimal(0), Decimal("0.1"), Decimal("1.5")])

close_fees = st.none() | st.builds(
    lambda rate, basis: CloseFee(rate=rate, basis=basis),
    on_grid(0, 20, "0.0001"),
    st.sampled_from(CloseFeeBasis),
)


@st.composite
def holdings(
    draw: st.DrawFn,
    contract: _Contract,
    shape: Shape,
) -> tuple[InstrumentTerms, Decimal, tuple[Position, ...]]:
    """Terms, mark and one or two legs of one contract."""
    instrument = draw(instruments(contract))
    mark = draw(prices)
    legs = draw(st.sampled_from([(Leg.NET,), (Leg.NET,), (Leg.LONG, Leg.SHORT), (Leg.SHORT,)]))
    with exact():
        held = tuple(draw(_positions(instrument, mark, leg, shape)) for leg in legs)
        size = abs(held[0].size)
        notional = FLOOR_DIGITS.plus(abs(instrument.value(size, mark)))
    rule = draw(rules(size, notional, shape))
    on = st.sampled_from([MarginPrice.MARK, MarginPrice.INDEX, MarginPrice.ENTRY])
    terms = InstrumentTerms(
        instrument=instrument,
        maintenance=rule,
        margin_price=draw(on) if shape.index else MarginPrice.MARK,
        close_fee=draw(close_fees) if shape.rows else None,
    )
    return terms, mark, held


@st.composite
def _positions(
    draw: st.DrawFn, instrument: Instrument, mark: Decimal, leg: Leg, shape: Shape
) -> Position:
    sign = int(leg) or draw(st.sampled_from([1, -1]))
    size = sign * draw(lots) * instrument.lot
    entry = mark * draw(on_grid(50, 200, "0.01"))
    tier = None
    if shape.rows and draw(st.integers(0, 5)) == 0:
        tier = TierRow(
            maintenance_rate=draw(on_grid(0, 200, "0.001")),
            maintenance_amount=draw(on_grid(0, 1_000, "0.1")),
        )
    with exact():
        return Position(
            instrument=instrument.symbol,
            size=size,
            cost=instrument.value(size, entry),
            leg=leg,
            leverage=draw(leverages),
            tier=tier,
        )


@st.composite
def assets(draw: st.DrawFn, name: str, near: Decimal, *, plain: bool) -> AssetTerms:
    """Collateral terms of an asset; those of the valuation currency are always plain."""
    if plain:
        return AssetTerms(asset=name, gross_loan_rate=draw(gross_loan_rates))
    return AssetTerms(
        asset=name,
        schedule=draw(schedules(near=near)),
        haircut_base=draw(st.sampled_from(HaircutBase)),
        gross_loan_rate=draw(gross_loan_rates),
        gross_loan_rate_initial=draw(st.none() | gross_loan_rates),
    )


def asked(terms: AssetTerms) -> st.SearchStrategy[AssetTerms]:
    """The same terms, what is owed and required priced at or above what is held."""
    asks = st.sampled_from([Decimal(1), Decimal("1.0001"), Decimal("1.1")])
    return asks.map(lambda ask: replace(terms, schedule=replace(terms.schedule, ask=ask)))


@st.composite
def situations(draw: st.DrawFn, shape: Shape = ANY) -> Situation:
    """A unit of up to six positions, its market and its model."""
    single = draw(st.booleans()) if shape.single_asset is None else shape.single_asset
    known = [c for c in CONTRACTS if (shape.inverse if c.inverse else shape.linear)]
    if single:
        settle = draw(st.sampled_from(sorted({c.settle for c in known})))
        known = [c for c in known if c.settle == settle]
    contracts = draw(
        st.lists(st.sampled_from(known), min_size=shape.positions_min, max_size=3, unique=True),
    )
    drawn = [draw(holdings(contract, shape)) for contract in contracts]
    settles = sorted({terms.instrument.settle for terms, _, _ in drawn})
    names = settles[:1] or ["USDT"] if single else [*settles, "USD", "XRP"]
    valuation = names[0] if single else "USD"
    near = Decimal(1000)
    collateral = {name: draw(assets(name, near, plain=name == valuation)) for name in names}
    if shape.asks:
        collateral |= {n: draw(asked(t)) for n, t in collateral.items() if n != valuation}
    levels = [Decimal(1), Decimal(1), Decimal("1.05")] if shape.loans else [Decimal(1)]
    model = MarginModel(
        name="drawn",
        instruments={terms.instrument.symbol: terms for terms, _, _ in drawn},
        assets=collateral,
        valuation=valuation,
        trigger=draw(st.sampled_from(Trigger)),
        trigger_level=draw(st.sampled_from(levels)),
        liquidation_end=draw(st.sampled_from([Decimal(1), Decimal("1.2")])),
        profit=draw(_profits(shape)),
        single_asset=single,
    )
    loans = draw(_loans(names)) if shape.loans else {}
    unit = MarginUnit(
        balances={name: draw(signed_amounts) for name in names},
        loans=loans,
        positions=tuple(position for _, _, held in drawn for position in held),
        accrued_interest=draw(st.sampled_from([{}, {names[0]: Decimal("0.5")}])),
    )
    market = Market(
        marks={terms.instrument.symbol: mark for terms, mark, _ in drawn},
        indices={
            terms.instrument.base: mark * draw(st.sampled_from([Decimal(1), Decimal("1.01")]))
            for terms, mark, _ in drawn
        },
        asset_prices={name: draw(prices) for name in names if model.reads_price_of(name)},
    )
    situation = Situation(unit=unit, market=market, model=model)
    return draw(st.sampled_from([situation, on_its_margin(situation, valuation)]))


def _loans(names: list[str]) -> st.SearchStrategy[dict[str, Decimal]]:
    """Gross loans of some assets, often of none."""
    return st.just({}) | st.dictionaries(st.sampled_from(names), amounts, max_size=2)


def _profits(shape: Shape) -> st.SearchStrategy[dict[MarginPurpose, ProfitTerms]]:
    weights = [Decimal(1), Decimal(1), Decimal("0.9"), Decimal(0)]
    if not shape.rows:
        return st.just({})
    return st.builds(
        lambda w: {MarginPurpose.MAINTENANCE: ProfitTerms(weight=w)}, st.sampled_from(weights)
    )


def on_its_margin(situation: Situation, valuation: str) -> Situation:
    """Return the same unit with the cash that leaves its maintenance excess at zero."""
    report = margin_report(situation.unit, situation.market, situation.model)
    with exact():
        cash = situation.unit.balances[valuation] - report.excess(MarginPurpose.MAINTENANCE)
    balances = {**situation.unit.balances, valuation: cash}
    return replace(situation, unit=replace(situation.unit, balances=balances))
