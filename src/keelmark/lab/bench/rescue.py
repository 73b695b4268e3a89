"""Rescue plans for twenty positions, against shaving positions by hand until the target is met."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np

from keelmark.accounts import Account
from keelmark.accounts.account import build_account
from keelmark.accounts.document import AccountDocument, PositionRow
from keelmark.core.margin import MarginReport, margin_report
from keelmark.core.numbers import exact
from keelmark.lab.bench.timing import Stopwatch
from keelmark.lab.bench.values import Row, Size
from keelmark.lab.bench.watched import require
from keelmark.risk.rescues import (
    Action,
    Impact,
    Rescue,
    RescueOptions,
    RescueStatus,
    Target,
    rescue,
)

POSITIONS = 20
SEED = 20251010
RATIO = Target.ratio(Decimal("0.4"))
DISTANCE = Target.distance(Decimal("0.3"))
CLOSES = RescueOptions(actions=frozenset({Action.CLOSE}))
SHAVINGS = 100
"""Parts of a position a hand closes at a time."""
FEE = Decimal("0.0005")
DATA = (
    f"{POSITIONS} linear positions of 50,000 to 900,000, five tier rows each, maintenance at "
    "50 to 60 % of equity, lots of 0.001"
)


def rescue_rows(size: Size) -> list[Row]:
    """Plan on several accounts; every plan is margined by the core and no dearer than by hand."""
    accounts = [account_of(number) for number in range(size.times(10, 1))]
    runs = size.times(5, 1)
    thin = RescueOptions(actions=CLOSES.actions, impacts=impacts_of(accounts[0]))
    planned = timed_plans(accounts, RATIO, CLOSES, runs)
    moneyed = timed_plans(accounts, RATIO, RescueOptions(), runs)
    curved = timed_plans(accounts, RATIO, thin, runs)
    far = timed_plans(accounts, DISTANCE, CLOSES, 1)
    by_hand = Stopwatch()
    for account in accounts:
        with by_hand:
            shaved = shaved_cost(account)
        plan = rescue(account, RATIO, options=CLOSES).plan
        require(plan is not None and plan.cost.total <= shaved, "a plan is no dearer than a hand's")
    return [
        Row(
            name="rescue",
            what="`rescue` to a margin ratio by closing lots, its proof, liquidation prices after",
            value=1e3 * planned.median,
            unit="ms",
            bar=size.bar("<=", 50, units=None),
            ratio=by_hand.median / planned.median,
            against=f"shaving 1/{SHAVINGS} of the position with the largest requirement at a time",
            timings=planned.timings(1e3),
            data=DATA,
            checked="the core's ratio after every plan; no plan dearer than by hand",
        ),
        _row("rescue_money", "the same, money first, and the plan without it beside it", moneyed),
        _row("rescue_impact", "the same with linear and square-root impact", curved),
        _row("rescue_distance", "`rescue` to a distance of 30 %: a demand at 42 prices", far),
    ]


def _row(name: str, what: str, watch: Stopwatch) -> Row:
    return Row(
        name=name,
        what=what,
        value=1e3 * watch.median,
        unit="ms",
        timings=watch.timings(1e3),
        data=DATA,
        checked="the core's ratio or distance after every plan",
    )


def timed_plans(
    accounts: Sequence[Account], target: Target, options: RescueOptions, runs: int
) -> Stopwatch:
    """Plan for every account, `runs` times over, with the check of the unit afterwards."""
    watch = Stopwatch(cold=1)
    for number in range(runs * len(accounts) + 1):
        account = accounts[number % len(accounts)]
        with watch:
            found = rescue(account, target, options=options)
            after = found.after
        require(after.report is not None and _is_reached(found), "the target of a plan")
    return watch


def _is_reached(found: Rescue) -> bool:
    plan = found.plan
    return found.status is RescueStatus.PLAN and plan is not None and plan.after.meets(found.target)


def account_of(seed: int) -> Account:
    """Return a seeded account whose maintenance is between half and six tenths of its equity."""
    draw = np.random.default_rng([SEED, seed])
    rows = [_position(number, draw) for number in range(POSITIONS)]
    needed = _report(_account(rows, Decimal(0)))
    share = Decimal(int(draw.integers(500, 600))) / 1000
    with exact():
        cash = (needed.maintenance_margin / share - needed.equity).quantize(Decimal("0.01"))
    return _account(rows, cash)


def _position(number: int, draw: np.random.Generator) -> PositionRow:
    mark = Decimal(int(draw.integers(100, 5_000_000))) / 100
    notional = int(draw.integers(50_000, 900_000)) * int(draw.choice([-1, 1]))
    return PositionRow(
        path=f"positions[{number}]",
        instrument=f"C{number:02d}USDT",
        size=(notional / mark).quantize(Decimal("0.001")),
        entry_price=(mark * int(draw.integers(97, 104)) / 100).quantize(Decimal("0.01")),
        mark_price=mark,
        leverage=Decimal(5),
    )


def _account(rows: list[PositionRow], cash: Decimal) -> Account:
    document = AccountDocument(venue="generic", collateral={"USDT": cash}, positions=tuple(rows))
    return build_account(document)


def _report(account: Account) -> MarginReport:
    return margin_report(account.units[0], account.market, account.model)


def impacts_of(account: Account) -> dict[str, Impact]:
    """Return one impact for every position: 10 bps at a million, and as much by the square root."""
    impact = Impact(linear=Decimal("1e-9"), root=Decimal("1e-6"))
    return {position.instrument: impact for position in account.units[0].positions}


def shaved_cost(account: Account) -> Decimal:
    """Return the fees of closing a part of the largest requirement, again and again."""
    unit = account.units[0]
    cost = Decimal(0)
    with exact():
        parts = {p.instrument: abs(p.size) / SHAVINGS for p in unit.positions}
        while True:
            report = margin_report(unit, account.market, account.model)
            if RATIO.value * report.equity >= report.maintenance_margin:
                return cost
            held = max(report.positions, key=lambda p: p.maintenance_margin)
            position = held.position
            share = min(parts[position.instrument] / abs(position.size), Decimal(1))
            fee = FEE * held.notional * share
            left = [p for p in unit.positions if p is not position]
            if share < 1:
                rest = 1 - share
                left.append(replace(position, size=position.size * rest, cost=position.cost * rest))
            cash = unit.balances["USDT"] + held.unrealized_pnl * share - fee
            unit = replace(unit, positions=tuple(left), balances={"USDT": cash})
            cost += fee
