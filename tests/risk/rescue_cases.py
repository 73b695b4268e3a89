"""Accounts on small grids of lots, under every kind of rule, and their rescues by trying all."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import product

from hypothesis import strategies as st

from keelmark.accounts import Account
from keelmark.accounts.account import build_account
from keelmark.accounts.document import AccountDocument, PositionRow
from keelmark.core.margin import maintenance_excess, margin_report
from keelmark.core.numbers import ZERO, exact
from keelmark.core.unit import MarginUnit
from keelmark.risk.rescues import Action, Impact, RescueOptions, Target
from keelmark.risk.rescues.scene import Change
from keelmark.rulebooks.load import Rulebook, read_rulebook

RULES = ("tiered", "whole_notional", "size_tiers", "size_scaled")
SYMBOLS = ("AAAUSDT", "BBBUSDT", "CCCUSDT")


def rulebook(rule: str, *, haircut: bool = False) -> Rulebook:
    """Return a venue whose lots are whole coins, under one kind of rule."""
    floors = {"size_tiers": (3, 5), "size_scaled": ()}.get(rule, (300, 700))
    rows = [
        f'{{floor="{floor}", rate="{rate}"}}'
        for floor, rate in zip((0, *floors), ("0.02", "0.05", "0.1"), strict=False)
    ]
    slope = 'slope = "0.01"' if rule == "size_scaled" else ""
    weights = 'weights = [{floor="0", weight="0.9"}, {floor="2", weight="0.5"}]' if haircut else ""
    return read_rulebook(
        f"""
name = "grid"
date = "2025-01"
source = "made up for a test"
valuation = "USDT"
[symbols]
linear_perpetual = '(?P<base>[A-Z]{{3}})(?P<settle>USDT|XYZ)'
[defaults]
lot = "1"
table = "all"
[default_asset]
{weights}
quantum = "0.01"
[assets.USDT]
quantum = "0.01"
[assets.XYZ]
quantum = "0.01"
{weights}
[tables.all]
rule = "{rule}"
{slope}
rows = [{", ".join(rows)}]
[liquidation]
taker_fee = "0.001"
""",
        title="grid",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An account with what may be used to rescue it."""

    account: Account
    target: Target
    options: RescueOptions

    @property
    def unit(self) -> MarginUnit:
        return self.account.units[0]


def account_of(
    rules: Rulebook,
    positions: list[tuple[str, str, str, str]],
    collateral: dict[str, str],
    prices: dict[str, str] | None = None,
) -> Account:
    """Return an account of (instrument, size, entry, mark) rows."""
    return build_account(
        AccountDocument(
            venue="grid",
            collateral={asset: Decimal(amount) for asset, amount in collateral.items()},
            prices={name: Decimal(price) for name, price in (prices or {}).items()},
            positions=tuple(
                PositionRow(
                    path=f"positions[{row}]",
                    instrument=symbol,
                    size=Decimal(size),
                    entry_price=Decimal(entry),
                    mark_price=Decimal(mark),
                )
                for row, (symbol, size, entry, mark) in enumerate(positions)
            ),
        ),
        rulebook=rules,
    )


@st.composite
def cases(draw: st.DrawFn, *, impact: bool = False, money: bool = False) -> Case:
    """A unit of two or three positions of a few lots that misses a ratio, or nearly does."""
    rules = rulebook(draw(st.sampled_from(RULES)), haircut=draw(st.booleans()))
    count = draw(st.integers(1, 2 if money else 3))
    positions = []
    for symbol in SYMBOLS[:count]:
        size = draw(st.integers(1, 6)) * draw(st.sampled_from([1, -1]))
        mark = draw(st.integers(10, 200))
        entry = max(1, mark + draw(st.integers(-20, 20)))
        positions.append((symbol, str(size), str(entry), str(mark)))
    target = Decimal(draw(st.integers(2, 20))) / 20
    bare = account_of(rules, positions, {"USDT": "0"})
    report = margin_report(bare.units[0], bare.market, bare.model)
    wanted = report.maintenance_margin / (target * Decimal(draw(st.integers(5, 40))) / 10)
    cash = (wanted - report.equity).quantize(Decimal("0.01"))
    coins = draw(st.sampled_from([0, 0, 1, 3])) if cash > ZERO else 0
    collateral = {"USDT": str(cash if not coins else cash - coins * 10), "XYZ": str(coins)}
    prices = {"XYZ": "15"}
    actions = {Action.CLOSE, Action.DEPOSIT} if money else {Action.CLOSE}
    coefficient = st.integers(0, 30).map(lambda n: Decimal(n) / 1_000_000)
    impacts = {
        symbol: Impact(linear=draw(coefficient), root=draw(coefficient) * 10)
        for symbol in SYMBOLS[:count]
        if impact
    }
    fees = {symbol: Decimal(draw(st.integers(0, 60))) / 1000 for symbol in SYMBOLS[:count]}
    return Case(
        account=account_of(rules, positions, collateral, prices),
        target=Target.ratio(target),
        options=RescueOptions(
            actions=frozenset(actions),
            fees=fees,
            impacts=impacts,
            deposit_cost=Decimal("0.01") if money else ZERO,
            gap=ZERO,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """Lots closed of each position, what they cost and the unit afterwards."""

    lots: tuple[int, ...]
    cost: Decimal
    unit: MarginUnit


def closed(case: Case, lots: tuple[int, ...]) -> Tried:
    """Return what closing these lots costs and leaves; written apart from the code under test."""
    market, options = case.account.market, case.options
    cash: dict[str, Decimal] = {}
    legs = {}
    cost = ZERO
    with exact():
        for row, (held, count) in enumerate(zip(case.unit.positions, lots, strict=True)):
            if not count:
                continue
            price = market.mark(held.instrument)
            share = Decimal(count) / abs(held.size)
            notional = count * price
            impact = options.impacts.get(held.instrument, Impact())
            paid = options.fees[held.instrument] * notional + impact.linear * notional**2
            paid += impact.root * notional * notional.sqrt()
            profit = (held.size * price - held.cost) * share
            cash["USDT"] = cash.get("USDT", ZERO) + profit - paid
            cost += paid
            rest = held.size * (1 - share)
            left = None
            if count < abs(held.size):
                left = type(held)(
                    instrument=held.instrument, size=rest, cost=held.cost * (1 - share)
                )
            legs[row] = left
        return Tried(lots=lots, cost=cost, unit=Change(cash=cash, legs=legs).after(case.unit))


def meets(case: Case, unit: MarginUnit) -> bool:
    """Whether a unit is at the target, by the core's report."""
    report = margin_report(unit, case.account.market, case.account.model)
    with exact():
        return case.target.value * report.equity >= report.maintenance_margin


def reaches_of(case: Case) -> list[int]:
    """Return the lots of each position up to which closing it alone raises the excess."""
    found = []
    for row, held in enumerate(case.unit.positions):
        best, value = 0, maintenance_excess(case.unit, case.account.market, case.account.model)
        for count in range(1, int(abs(held.size)) + 1):
            lots = [0] * len(case.unit.positions)
            lots[row] = count
            unit = closed(case, tuple(lots)).unit
            excess = maintenance_excess(unit, case.account.market, case.account.model)
            if excess > value:
                best, value = count, excess
        found.append(best)
    return found


def all_closes(case: Case) -> Iterator[Tried]:
    """Yield every combination of lots none of which is beyond its own best."""
    for lots in product(*(range(reach + 1) for reach in reaches_of(case))):
        yield closed(case, lots)


def cheapest_closes(case: Case) -> Decimal | None:
    """Return the least cost of closes that meet the target, by trying all of them."""
    costs = [tried.cost for tried in all_closes(case) if meets(case, tried.unit)]
    return min(costs, default=None)


def cheapest_with_money(case: Case) -> Decimal:
    """Return the least cost of closes and a deposit that costs one per cent, by trying all."""
    return min(tried.cost + _deposit_cost(case, tried.unit) for tried in all_closes(case))


def _deposit_cost(case: Case, unit: MarginUnit) -> Decimal:
    low, high = -1, 1
    while not meets(case, _with_cash(unit, high)):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if meets(case, _with_cash(unit, middle)) else (middle, high)
    return Decimal(high) / 100 * case.options.deposit_cost


def _with_cash(unit: MarginUnit, cents: int) -> MarginUnit:
    return Change(cash={"USDT": Decimal(cents) / 100}).after(unit)
