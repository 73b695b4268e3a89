"""The screen of initial margin agrees with the exact core, and never clears whom core refuses."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from keelmark.book.initial import initial_tables
from keelmark.book.kernels.initial import initial_excess, may_leave, may_open
from keelmark.book.kernels.jit import plain
from keelmark.book.universe import Universe
from keelmark.core.codes import RuleKind
from keelmark.core.collateral import CollateralSchedule, HaircutTier
from keelmark.core.margin import margin_report
from keelmark.core.model import (
    AssetTerms,
    CloseFee,
    InitialRule,
    InstrumentTerms,
    MarginModel,
    MarginPurpose,
    OpenInterestInitial,
    ProfitTerms,
    RuleInitial,
)
from keelmark.core.rules import MaintenanceRule
from keelmark.core.unit import MarginUnit
from tests.book.exact import Twin, columns, exact_twin, number, rule
from tests.book.reference import POSITIONS

SEEDS = st.integers(0, 2**32 - 1)
POINT = Decimal(1)


def with_leverages(found: MaintenanceRule, rng: np.random.Generator) -> MaintenanceRule:
    """Return the rule with the largest leverage of some of its rows named."""
    tiers = getattr(found, "tiers", None)
    if tiers is None or rng.random() < 0.3:
        return found
    named = [
        replace(tier, leverage=number(rng.uniform(1, 60), 1) if rng.random() < 0.8 else None)
        for tier in tiers
    ]
    return replace(found, tiers=tuple(named))  # type: ignore[type-var]  # a table of tiers


def terms_of(terms: InstrumentTerms, rng: np.random.Generator) -> InstrumentTerms:
    initial = RuleInitial(schedule=rule(rng)) if rng.random() < 0.3 else InitialRule()
    fee = CloseFee(rate=number(rng.uniform(0, 0.002), 5), in_initial=bool(rng.integers(2)))
    return replace(
        terms,
        maintenance=with_leverages(terms.maintenance, rng),
        initial=initial,
        close_fee=fee if rng.random() < 0.4 else None,
    )


def asset_of(terms: AssetTerms, rng: np.random.Generator) -> AssetTerms:
    if rng.random() < 0.5:
        return terms
    weight = number(rng.uniform(0.3, 1.0), 3)
    schedule = CollateralSchedule(
        tiers=(HaircutTier(floor=Decimal(0), weight=weight),),
        loan_rate=number(rng.uniform(0, 0.2), 3),
    )
    return replace(terms, initial_schedule=schedule)


def unit_of(unit: MarginUnit, rng: np.random.Generator) -> MarginUnit:
    """Return the unit with leverages, and now and then with hardly enough to carry it."""
    positions = tuple(
        replace(p, leverage=number(rng.uniform(0.5, 80), 2)) if rng.random() < 0.5 else p
        for p in unit.positions
    )
    return replace(unit, positions=positions)


def twin_of(seed: int) -> Twin:
    """Return a random book whose initial terms differ from its maintenance terms."""
    rng = np.random.default_rng(seed)
    found = exact_twin(rng)
    model = found.model
    weight = Decimal(1) if rng.random() < 0.4 else number(rng.uniform(0, 1), 2)
    changed = replace(
        model,
        instruments={s: terms_of(t, rng) for s, t in model.instruments.items()},
        assets={name: asset_of(terms, rng) for name, terms in model.assets.items()},
        profit={**model.profit, MarginPurpose.INITIAL: ProfitTerms(weight=weight)},
        liquidation_end=number(rng.uniform(1, 1.3), 2),
    )
    units = [unit_of(unit, rng) for unit in found.units]
    tables = columns(changed, found.market, units)
    for row, unit in enumerate(units):
        for at, position in enumerate(unit.positions, POSITIONS * row):
            tables.positions["leverage"][at] = int(100 * (position.leverage or 0))
    return Twin(model=changed, market=found.market, units=units, tables=tables)


@given(SEEDS)
def test_the_screen_agrees_with_core_within_its_stated_error(seed: int) -> None:
    twin = twin_of(seed)
    initial = initial_tables(Universe.build(twin.model))
    for row, unit in enumerate(twin.units):
        report = margin_report(unit, twin.market, twin.model)
        total, error, gained = initial_excess(row, twin.tables, initial)
        price = one_price(twin, unit)
        exact = (report.equity_initial - report.initial_margin) / price
        slack = Decimal(error)
        assert Decimal(total) <= exact + slack
        assert abs(Decimal(gained) - report.profit / price) <= slack
        assert Decimal(total) >= exact - slack  # nobody of a random book is on a floor


@given(SEEDS)
def test_nobody_is_cleared_whom_core_refuses(seed: int) -> None:
    twin = twin_of(seed)
    model = replace(twin.model, withdraw_profit=False)
    initial = initial_tables(Universe.build(model))
    end = float(model.liquidation_end)
    for row, unit in enumerate(twin.units):
        report = margin_report(unit, twin.market, model)
        if may_open(row, end, twin.tables, initial):
            assert report.excess(MarginPurpose.INITIAL) > 0
        elif report.excess(MarginPurpose.INITIAL) > Decimal("1e-3"):
            msg = "a unit with room is cleared"
            raise AssertionError(msg)
        if may_leave(row, end, twin.tables, initial):
            assert report.excess_to_leave > 0
        elif report.excess_to_leave > Decimal("1e-3"):
            msg = "a unit that may pay is cleared"
            raise AssertionError(msg)


def one_price(twin: Twin, unit: MarginUnit) -> Decimal:
    """Return the price the kernel leaves out: of the only asset of a unit."""
    if len(unit.balances) > 1:
        return POINT
    return twin.market.asset_prices[next(iter(unit.balances))]


@given(SEEDS)
def test_what_has_no_kernel_face_is_never_cleared(seed: int) -> None:
    twin = twin_of(seed)
    symbols = list(twin.model.instruments)
    scaled = replace(
        twin.model.instruments[symbols[0]], initial=OpenInterestInitial(base=Decimal("0.1"))
    )
    models: list[MarginModel] = [
        replace(twin.model, instruments={**twin.model.instruments, symbols[0]: scaled}),
        replace(twin.model, profit={MarginPurpose.INITIAL: ProfitTerms(cap=Decimal(10**9))}),
    ]
    for model, dark in zip(models, (symbols[:1], symbols), strict=True):
        initial = initial_tables(Universe.build(model))
        for row, unit in enumerate(twin.units):
            if any(p.instrument in dark for p in unit.positions):
                assert not may_open(row, 1.0, twin.tables, initial)
                assert not may_leave(row, 1.0, twin.tables, initial)
    asked = {
        name: replace(t, schedule=replace(t.schedule, ask=Decimal("1.01")))
        for name, t in twin.model.assets.items()
    }
    rows = initial_tables(Universe.build(replace(twin.model, assets=asked))).instruments
    assert set(rows["rule_kind"].tolist()) == {int(RuleKind.CORE_ONLY)}


@given(SEEDS)
def test_the_kernel_is_the_python_it_was_compiled_from(seed: int) -> None:
    twin = twin_of(seed)
    initial = initial_tables(Universe.build(twin.model))
    for row in range(4):
        compiled = initial_excess(row, twin.tables, initial)
        assert compiled == plain(initial_excess)(row, twin.tables, initial)
        for question in (may_open, may_leave):
            assert question(row, 1.0, twin.tables, initial) == plain(question)(
                row, 1.0, twin.tables, initial
            )
