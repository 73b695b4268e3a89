"""Directed cases for the tripwire index: small books at the known traps, and journeys of prices.

Random books have little power against jumps, exact ties and cancelling legs; each case here is
aimed at one of them. `Desk` writes amounts as people do and turns them into columns.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from keelmark.book.kernels.margin import Tables
from keelmark.book.records import ASSET, INSTRUMENT, SEGMENT, TIER
from keelmark.book.tripwires.index import TripwireIndex, TripwireSettings
from keelmark.core.codes import RuleKind, WatchState
from tests.book.reference import BALANCES, POSITIONS, Haircuts, Reference, empty_rows

DOLLAR, COIN = 1e-6, 1e-8  # quanta
LOT = 1e-3  # of a linear contract; inverse lots are one dollar
FLAGGED = (WatchState.SUSPECT, WatchState.UNWATCHABLE)


@dataclass(frozen=True, kw_only=True)
class Contract:
    """A contract; factor `i` is the mark of contract `i`."""

    mark: float
    settle: int = 0
    inverse: bool = False
    kind: RuleKind = RuleKind.TIERED
    tiers: tuple[tuple[float, float], ...] = ((0.0, 0.005),)
    slope: float = 0.0
    weight: float = 1.0
    margin_factor: int | None = None


@dataclass(frozen=True, kw_only=True)
class Money:
    """An asset; its price factor follows the marks and the indices."""

    price: float | None = None
    quantum: float = DOLLAR
    haircuts: Haircuts = field(default_factory=Haircuts)
    borrow: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Desk:
    """One unit, and what it trades.

    Attributes:
        contracts: What there is to hold.
        money: Assets.
        balances: Asset and amount.
        positions: Contract, signed size and entry price.
        indices: Prices of the factors that follow the marks.
        level: Multiple of maintenance.
    """

    contracts: tuple[Contract, ...]
    balances: tuple[tuple[int, float], ...]
    positions: tuple[tuple[int, float, float], ...]
    money: tuple[Money, ...] = (Money(),)
    indices: tuple[float, ...] = ()
    level: float = 1.0

    def factor_of(self, asset: int) -> int:
        """Return the price factor of an asset."""
        return len(self.contracts) + len(self.indices) + asset

    def tables(self) -> Tables:
        """Return the columns."""
        units, positions, balances = empty_rows(1)
        instruments, tiers = self._instruments()
        assets, segments = self._assets()
        prices = [c.mark for c in self.contracts] + list(self.indices)
        prices += [m.price or 1.0 for m in self.money] + [0.0]
        units["positions_count"], units["balances_count"] = (
            len(self.positions),
            len(self.balances),
        )
        assert len(self.positions) <= POSITIONS
        assert len(self.balances) <= BALANCES
        for row, (contract, size, entry) in enumerate(self.positions):
            scale = float(instruments["value_scale"][contract])
            inverse = self.contracts[contract].inverse
            lots = round(size / (1.0 if inverse else LOT))
            cost = -lots * scale / entry if inverse else lots * scale * entry
            positions[row] = (lots, round(cost), contract, 0, 0, 0)
        for row, (asset, amount) in enumerate(self.balances):
            balances[row] = (round(amount / self.money[asset].quantum), asset, 0)
        return Tables(
            units,
            positions,
            balances,
            instruments,
            tiers,
            assets,
            segments,
            np.array(prices),
        )

    def _instruments(self) -> tuple[np.ndarray, np.ndarray]:
        rows = np.zeros(len(self.contracts), INSTRUMENT)
        tiers: list[tuple[float, float, float]] = []
        for row, contract in enumerate(self.contracts):
            quantum = self.money[contract.settle].quantum
            margin = row if contract.margin_factor is None else contract.margin_factor
            rows["settle"][row] = contract.settle
            rows["mark_factor"][row], rows["margin_factor"][row] = row, margin
            rows["inverse"][row] = contract.inverse
            rows["value_scale"][row] = 1.0 / quantum if contract.inverse else LOT / quantum
            rows["pnl_weight"][row], rows["size_slope"][row] = contract.weight, contract.slope
            rows["rule_kind"][row], rows["edge_upper"][row] = contract.kind, 1
            rows["tier_start"][row], rows["tier_count"][row] = len(tiers), len(contract.tiers)
            deduction, before = 0.0, 0.0
            for floor, rate in contract.tiers:
                units = floor if contract.kind == RuleKind.SIZED else floor / quantum
                deduction += units * (rate - before) if tiers and floor else 0.0
                tiers.append((units, rate, deduction))
                before = rate
        return rows, np.array(tiers, TIER)

    def _assets(self) -> tuple[np.ndarray, np.ndarray]:
        rows = np.zeros(len(self.money), ASSET)
        lines: list[tuple[float, float]] = []
        for row, money in enumerate(self.money):
            rows["price_factor"][row] = -1 if money.price is None else self.factor_of(row)
            rows["value_scale"][row] = money.quantum
            rows["borrow_rate"][row] = money.borrow
            rows["segment_start"][row] = len(lines)
            lines += money.haircuts.lines()
            rows["segment_count"][row] = len(lines) - int(rows["segment_start"][row])
        return rows, np.array(lines, SEGMENT)

    def reference(self, tables: Tables) -> Reference:
        """Return the independent formula."""
        return Reference(tables, [m.haircuts for m in self.money], self.level)


Move = dict[int, float]  # price by factor


@dataclass(frozen=True, kw_only=True)
class Case:
    """A desk and the journeys of prices it is taken on, each from the start."""

    name: str
    desk: Desk
    journeys: tuple[tuple[Move, ...], ...]


def slide(starts: Move, rate: float, steps: int) -> tuple[Move, ...]:
    """Return a journey on which factors move together by a constant rate a step."""
    return tuple(
        {factor: price * (1.0 + rate) ** (step + 1) for factor, price in starts.items()}
        for step in range(steps)
    )


def both_ways(*starts: Move) -> tuple[tuple[Move, ...], ...]:
    """Return slow and fast journeys up and down for each set of factors."""
    rates = ((3e-4, 150), (-3e-4, 150), (0.013, 80), (-0.013, 80), (0.6, 30), (-0.4, 30))
    return tuple(slide(start, rate, steps) for start in starts for rate, steps in rates)


JUMP = ((0.0, 0.006), (1_000_000.0, 0.025))
STAIRS = (  # spacing, jump of the rate, tiers, size, excess: sawtooths that tempt a wire too far
    (0.008813236357075887, 0.006984378694740993, 5, 1036.155, 1752.89),
    (0.010517901674363478, 0.0066223756372543316, 4, 1032.048, 4144.61),
    (0.0035013464563190995, 0.0024552947722731398, 4, 1010.593, 260.13),
    (0.004, 0.01, 8, 1020.9, 300.0),
    (0.004, 0.01, 8, 1030.0, 3_000.0),
    (0.015, 0.004, 6, 1062.0, 5_000.0),
)


def stairs(spacing: float, jump: float, count: int) -> tuple[tuple[float, float], ...]:
    """Return a table whose floors lie close together."""
    return tuple((k and 1_000_000.0 * (1.0 + spacing) ** k, 0.01 + jump * k) for k in range(count))


def jump_cases() -> Iterator[Case]:
    """Yield books at the floors of whole-notional tables."""
    whole = Contract(mark=1000.0, kind=RuleKind.WHOLE, tiers=JUMP)
    long = Desk(
        contracts=(whole,),
        balances=((0, 0.006 * 999_900.0 + 600.0),),
        positions=((0, 999.9, 1000.0),),
    )
    yield Case(
        name="a long just under a floor rises over it",
        desk=long,
        journeys=(({0: 1001.0},), *both_ways({0: 1000.0})),
    )
    short = replace(
        long,
        positions=((0, -990.0, 1000.0),),
        balances=((0, 0.006 * 990_000.0 + 12_000.0),),
    )
    yield Case(name="a short rises over a floor", desk=short, journeys=both_ways({0: 1000.0}))
    for spacing, jump, count, size, excess in STAIRS:
        table = stairs(spacing, jump, count)
        rate = max(rate for floor, rate in table if floor <= size * 1000.0)
        desk = Desk(
            contracts=(Contract(mark=1000.0, kind=RuleKind.WHOLE, tiers=table),),
            balances=((0, rate * size * 1000.0 + excess),),
            positions=((0, size, 1000.0),),
        )
        yield Case(
            name=f"floors closer than the slack, {size} with {excess}",
            desk=desk,
            journeys=(slide({0: 1000.0}, -5e-4, 120), slide({0: 1000.0}, -7e-5, 600)),
        )
    flat = Contract(mark=30_000.0, tiers=((0.0, 0.01),))
    for excess in (0.01, 1.0, 100.0):
        desk = Desk(
            contracts=(flat,),
            balances=((0, 0.01 * 3e6 + excess),),
            positions=((0, 100.0, 30_000.0),),
        )
        root = 30_000.0 - excess / (100.0 * 0.99)
        near = tuple({0: root * (1.0 + off)} for off in (2e-9, 1e-9, 5e-10, -2e-10, -5e-10, -1e-8))
        yield Case(name=f"a long to the ulp, {excess}", desk=desk, journeys=(near,))


def pool_cases() -> Iterator[Case]:
    """Yield books whose assets are pools."""
    coin = Money(
        price=60_000.0,
        quantum=COIN,
        haircuts=Haircuts(floors=(0.0, 0.5), weights=(0.95, 0.5), loan=0.05),
    )
    settled = (
        Contract(mark=60_000.0, settle=1, inverse=True, tiers=((0.0, 0.004), (2.0, 0.02))),
        Contract(mark=60_100.0, settle=1, inverse=True, tiers=((0.0, 0.006),)),
    )
    two = Desk(
        contracts=settled,
        money=(Money(), coin),
        balances=((0, 900.0), (1, 0.002)),
        positions=((0, 40_000.0, 60_000.0), (1, -38_000.0, 60_100.0)),
    )
    yield Case(
        name="two legs in one pool cross zero",
        desk=two,
        journeys=both_ways({0: 60_000.0}, {1: 60_100.0}, {0: 60_000.0, 1: 60_100.0, 3: 60_000.0}),
    )
    negative = Desk(
        contracts=(replace(settled[0], margin_factor=1), replace(settled[1], margin_factor=1)),
        money=(Money(), coin),
        balances=((0, 9_000.0), (1, -0.1)),
        positions=((0, -30_000.0, 60_000.0),),
    )
    yield Case(
        name="negative coin equity while index and mark rise together",
        desk=negative,
        journeys=both_ways({0: 60_000.0, 1: 60_100.0, 3: 60_000.0}, {3: 60_000.0}, {1: 60_100.0}),
    )
    depeg = Desk(
        contracts=(Contract(mark=100.0),),
        money=(Money(price=1.0), Money(price=60_000.0, quantum=COIN)),
        balances=((0, -90_000.0), (1, 100_000.0 / 60_000.0)),
        positions=(),
    )
    yield Case(
        name="the settle asset rises against coin collateral",
        desk=depeg,
        journeys=(slide({1: 1.0}, 1e-3, 140), *both_ways({1: 1.0}, {2: 60_000.0})),
    )
    basis = Desk(
        contracts=(Contract(mark=60_050.0, tiers=((0.0, 0.004), (50_000.0, 0.01))),),
        money=(Money(price=1.0), replace(coin, haircuts=Haircuts(weights=(0.97,)))),
        balances=((0, -200.0), (1, 1.0)),
        positions=((0, -1.0, 60_050.0),),
    )
    yield Case(
        name="spot plus a short perpetual",
        desk=basis,
        journeys=both_ways({0: 60_050.0, 2: 60_000.0}, {0: 60_050.0}, {2: 60_000.0}, {1: 1.0}),
    )
    debt = Desk(
        contracts=(Contract(mark=100.0),),
        money=(Money(borrow=1e-6), replace(coin, haircuts=Haircuts(weights=(0.9,)))),
        balances=((0, -40_000.0), (1, 0.75)),
        positions=(),
    )
    hours = tuple({3: 600.0 * (step + 1)} for step in range(400))
    yield Case(name="interest accrues until it tells", desk=debt, journeys=(hours,))
    late = ({3: 3_000.0}, *slide({2: 60_000.0}, -2e-4, 60))
    yield Case(name="interest takes what a fall then lacks", desk=debt, journeys=(late,))


def leg_cases() -> Iterator[Case]:
    """Yield hedged books and rules whose slope is not what it seems."""
    tiers = ((0.0, 0.004), (20_000.0, 0.01), (80_000.0, 0.05))
    for short in (0.98, 0.99, 1.0, 1.02):
        desk = Desk(
            contracts=(Contract(mark=60_000.0, tiers=tiers),),
            balances=((0, 2_000.0),),
            positions=((0, 1.0, 60_500.0), (0, -short, 60_000.0)),
        )
        yield Case(
            name=f"hedge legs 1 and {short}",
            desk=desk,
            journeys=both_ways({0: 60_000.0}),
        )
    scaled = Contract(mark=60_000.0, kind=RuleKind.SCALED, tiers=((0.0, 0.01),), slope=5e-8)
    for side in (1.0, -1.0):
        desk = Desk(
            contracts=(scaled,),
            balances=((0, 0.15 * 25_000.0 * 60_000.0 + 1.3 * 25_000.0 * 60_000.0),),
            positions=((0, side * 25_000.0, 60_000.0),),
        )
        yield Case(name=f"rate above one, {side}", desk=desk, journeys=both_ways({0: 60_000.0}))
    on_index = Contract(mark=60_000.0, margin_factor=1, tiers=((0.0, 0.06),))
    for side in (1.0, -1.0):
        desk = Desk(
            contracts=(on_index,),
            indices=(60_000.0,),
            balances=((0, 0.06 * 600_000.0 + 300.0),),
            positions=((0, side * 10.0, 60_000.0),),
        )
        journeys = both_ways({0: 60_000.0}, {1: 60_000.0}, {0: 60_000.0, 1: 60_000.0})
        yield Case(name=f"index against mark, {side}", desk=desk, journeys=journeys)
    inverse = Contract(mark=60_000.0, inverse=True, tiers=((0.0, 0.005), (2.0, 0.01), (9.0, 0.03)))
    for side in (1.0, -1.0):
        desk = Desk(
            contracts=(inverse,),
            money=(Money(price=60_000.0, quantum=COIN),),
            balances=((0, 0.2),),
            positions=((0, side * 300_000.0, 60_000.0),),
        )
        yield Case(name=f"inverse, {side}", desk=desk, journeys=both_ways({0: 60_000.0}))
    weighted = Desk(
        contracts=(Contract(mark=60_000.0, weight=0.0), Contract(mark=3_000.0, weight=0.5)),
        balances=((0, 1_500.0),),
        positions=((0, 1.0, 60_000.0), (1, -10.0, 3_000.0)),
    )
    journeys = both_ways({0: 60_000.0}, {1: 3_000.0}, {0: 60_000.0, 1: 3_000.0})
    yield Case(name="profit that does not count", desk=weighted, journeys=journeys)
    cheap = Desk(
        contracts=(Contract(mark=1e-11), Contract(mark=3e8)),
        balances=((0, 4_000.0),),
        positions=((0, 1e12, 1e-11), (1, -0.001, 3e8)),
    )
    journeys = both_ways({0: 1e-11}, {1: 3e8}, {0: 1e-11, 1: 3e8})
    yield Case(name="a coin at 1e-11 next to 3e8", desk=cheap, journeys=journeys)


def all_cases() -> list[Case]:
    """Return every case."""
    return [*jump_cases(), *pool_cases(), *leg_cases()]


SETTINGS = (  # lists are walked, then every wire is read
    TripwireSettings(slots=2**10, pass_share=100.0),
    TripwireSettings(slots=2**10, pass_share=100.0, hot_distance=0.0, reserve_share=0.0),
    TripwireSettings(slots=2**10, pass_share=0.0, hot_distance=0.0, reserve_share=0.0),
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the journeys of a case found."""

    ticks: int = 0
    misses: int = 0
    false_alarms: int = 0
    below: int = 0
    evaluations: int = 0

    def __add__(self, other: "Outcome") -> "Outcome":
        mine, theirs = vars(self), vars(other)
        return Outcome(**{name: mine[name] + theirs[name] for name in mine})


def travel(case: Case, settings: TripwireSettings) -> Outcome:
    """Take a case on its journeys and hold every step against the independent formula."""
    total = Outcome()
    for journey in case.journeys:
        tables = case.desk.tables()
        reference = case.desk.reference(tables)
        index = TripwireIndex.build(tables, settings)
        flags, prices = [], []
        for move in journey:
            index.apply_snapshot(list(move), list(move.values()))
            flags.append(index.net.watch["state"][0] in FLAGGED)
            prices.append(tables.prices.copy())
        units = np.zeros(len(journey), np.int64)
        exact, dear, error = reference.excess(units, np.array(prices))
        flagged = np.array(flags)
        below = reference.is_at_risk()[0] & (exact < 0)
        total += Outcome(
            ticks=len(journey),
            misses=int(np.sum(below & ~flagged)),
            false_alarms=int(np.sum(flagged & ~(dear <= error))),
            below=int(np.sum(below)),
            evaluations=index.statistics()["evaluations"],
        )
    return total


def steps(case: Case) -> int:
    """Return how many snapshots the journeys of a case hold."""
    return sum(map(len, case.journeys))
