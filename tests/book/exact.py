"""Random margin models for the exact core with the same book as columns."""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from keelmark.book.kernels.margin import Tables
from keelmark.book.universe import Universe
from keelmark.core.collateral import CollateralSchedule, HaircutTier
from keelmark.core.instrument import Instrument, InstrumentKind
from keelmark.core.market import Market
from keelmark.core.model import (
    AssetTerms,
    CloseFee,
    HaircutBase,
    InstrumentTerms,
    MarginModel,
    MarginPrice,
    MarginPurpose,
    ProfitTerms,
)
from keelmark.core.rules import (
    MaintenanceRule,
    SizeScaledRule,
    SizeTierRule,
    Tier,
    TieredRule,
    WholeNotionalRule,
    with_deductions,
)
from keelmark.core.unit import MarginUnit, Position
from tests.book.reference import BALANCES, POSITIONS, empty_rows

ASSETS = ("USDT", "BTC", "ETH")
QUANTUM = Decimal("0.00000001")
UNITS = 30


@dataclass(frozen=True, kw_only=True)
class Twin:
    """One book twice: plain values for `core`, columns for kernels."""

    model: MarginModel
    market: Market
    units: list[MarginUnit]
    tables: Tables


def number(value: float, places: int) -> Decimal:
    """Return a decimal of a few places."""
    return Decimal(f"{value:.{places}f}")


def rule(rng: np.random.Generator) -> MaintenanceRule:
    """Return one of the rules that kernels know."""
    count = int(rng.integers(1, 5))
    floors = [Decimal(0)] + [number(f, 2) for f in 1e3 * np.cumsum(rng.uniform(0.5, 9, count))]
    rates = [number(r, 4) for r in np.sort(rng.uniform(0.003, 0.3, count))]
    rows = list(zip(floors, rates, strict=False))
    edge = bool(rng.integers(2))
    plain = tuple(Tier(floor=floor, rate=rate) for floor, rate in rows)
    choices: list[MaintenanceRule] = [
        TieredRule(tiers=with_deductions(rows), edge_upper=edge),
        WholeNotionalRule(tiers=plain, edge_upper=edge),
        SizeTierRule(tiers=plain, edge_upper=edge),
        SizeScaledRule(base=rates[0], slope=number(rng.uniform(0, 0.01), 6)),
    ]
    return choices[int(rng.integers(len(choices)))]


def instrument_terms(row: int, rng: np.random.Generator) -> InstrumentTerms:
    """Return a contract with random terms."""
    inverse = bool(rng.random() < 0.4)
    kind = InstrumentKind.INVERSE_PERPETUAL if inverse else InstrumentKind.LINEAR_PERPETUAL
    on_index = bool(rng.random() < 0.4)
    return InstrumentTerms(
        instrument=Instrument(
            symbol=f"C{row}",
            kind=kind,
            base="BTC",
            settle="BTC" if inverse else "USDT",
            contract_size=Decimal(100) if inverse else Decimal(1),
            lot=Decimal(1) if inverse else Decimal("0.001"),
            index="BTC-INDEX" if on_index else None,
        ),
        maintenance=rule(rng),
        margin_price=MarginPrice.INDEX if on_index else MarginPrice.MARK,
        close_fee=CloseFee(rate=Decimal("0.0005")) if rng.random() < 0.3 else None,
    )


def asset_terms(name: str, rng: np.random.Generator) -> AssetTerms:
    """Return an asset with random haircuts."""
    weights = np.sort(rng.uniform(0.5, 1.0, 2))[::-1]
    tiers = (
        HaircutTier(floor=Decimal(0), weight=number(weights[0], 3)),
        HaircutTier(floor=number(rng.uniform(0.1, 5), 4), weight=number(weights[1], 3)),
    )
    schedule = CollateralSchedule(tiers=tiers, loan_rate=number(rng.uniform(0, 0.1), 3))
    base = HaircutBase.BALANCE if rng.random() < 0.3 else HaircutBase.EQUITY
    return AssetTerms(asset=name, quantum=QUANTUM, schedule=schedule, haircut_base=base)


def random_unit(model: MarginModel, market: Market, rng: np.random.Generator) -> MarginUnit:
    """Return a unit with some positions and balances."""
    symbols = rng.choice(list(model.instruments), int(rng.integers(0, 5)), replace=False)
    positions = []
    for symbol in symbols.tolist():
        contract = model.instruments[symbol].instrument
        size = number(rng.normal(0, 300), 0) if contract.is_inverse else number(rng.normal(), 3)
        if size == 0:
            continue
        value = contract.value(size, market.marks[symbol])
        cost = (value * number(rng.normal(1, 0.05), 4)).quantize(QUANTUM)
        positions.append(Position(instrument=symbol, size=size, cost=cost))
    balances = {
        name: number(rng.normal(1, 3) * (1e3 if name == "USDT" else 0.1), 8)
        for name in ASSETS
        if rng.random() < 0.5
    }
    for position in positions:
        balances.setdefault(model.instruments[position.instrument].instrument.settle, Decimal(0))
    return MarginUnit(balances=balances or {"USDT": Decimal(5)}, positions=tuple(positions))


def exact_twin(rng: np.random.Generator) -> Twin:
    """Return a random model with some units, exact and as columns."""
    weight = Decimal(1) if rng.random() < 0.5 else number(rng.uniform(0, 1), 2)
    model = MarginModel(
        name="random",
        instruments={f"C{row}": instrument_terms(row, rng) for row in range(6)},
        assets={name: asset_terms(name, rng) for name in ASSETS},
        profit={MarginPurpose.MAINTENANCE: ProfitTerms(weight=weight)},
    )
    marks = {symbol: number(rng.uniform(20_000, 90_000), 2) for symbol in model.instruments}
    market = Market(
        marks=marks,
        indices={"BTC-INDEX": Decimal("60123.45")},
        asset_prices={"USDT": Decimal("0.998"), "BTC": Decimal(60_000), "ETH": Decimal(3_000)},
    )
    units = [random_unit(model, market, rng) for _ in range(UNITS)]
    return Twin(model=model, market=market, units=units, tables=columns(model, market, units))


def columns(model: MarginModel, market: Market, units: list[MarginUnit]) -> Tables:
    """Return plain units as columns."""
    universe = Universe.build(model)
    rows, positions, balances = empty_rows(len(units))
    for row, unit in enumerate(units):
        rows["positions_count"][row] = len(unit.positions)
        rows["balances_count"][row] = len(unit.balances)
        for at, position in enumerate(unit.positions, POSITIONS * row):
            contract = model.instruments[position.instrument].instrument
            lots, cost = int(position.size / contract.lot), int(position.cost / QUANTUM)
            held = universe.instrument_row(position.instrument)
            positions[at] = (lots, cost, held, 0, 0, 0)
        for at, (name, amount) in enumerate(unit.balances.items(), BALANCES * row):
            balances[at] = (int(amount / QUANTUM), universe.asset_row(name), 0)
    known = {**market.marks, **market.indices, **market.asset_prices}
    prices = np.array([*(float(known[factor.name]) for factor in universe.factors), 0.0])
    return Tables(
        rows,
        positions,
        balances,
        universe.instruments,
        universe.tiers,
        universe.asset_rows,
        universe.segments,
        prices,
    )
