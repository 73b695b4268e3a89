"""The waterfall in plain Python: what must happen to a unit that falls, held against what did.

It reads the model's holdings just before each event and the rulebook's plain dictionary, and shares
no code with the engine: who falls and in which order, what each settle asset and each position is
worth at the transfer, what the fund, the winners and the claims pay of it. How a deleverage policy
chooses among winners is held against its definition elsewhere (`test_adl_policies`).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from keelmark.engine import events as e
from tests.engine.model import Model, number

RESOLVING = {"takeover", "seizure", "surplus", "deficit", "borne"}


def towards_zero(value: Fraction) -> int:
    return math.floor(value) if value > 0 else math.ceil(value)


def largest_remainder(total: int, weights: list[Fraction]) -> list[int]:
    """Return whole parts of a total in proportion to weights, ties in the order given."""
    weights = weights if sum(weights) else [Fraction(1)] * len(weights)
    quotas = [total * weight / sum(weights) for weight in weights]
    parts = [math.floor(quota) for quota in quotas]
    order = sorted(range(len(parts)), key=lambda i: (parts[i] - quotas[i], i))
    for i in order[: total - sum(parts)]:
        parts[i] += 1
    return parts


@dataclass
class Share:
    """A position as it is handed over: its value at the mark and its share of the deficit."""

    lots: int
    value: int
    loss: int


@dataclass
class Resolution:
    """A unit while it is handed over, one position after the other.

    Attributes:
        targets: What each settle asset should be worth.
        weights: Requirement of each position.
        shares: Of the positions that are still there.
        money: What the fund had in each asset when the present position began.
        paid: To the unit for it, by the reason.
        received: For its lots.
        at_a_loss: Lots of it that winners lost on.
    """

    unit: int
    targets: dict[int, int]
    weights: dict[tuple[int, int], Fraction]
    shares: dict[tuple[int, int], Share] = field(default_factory=dict)
    is_shared: bool = False
    money: dict[int, int] | None = None
    paid: list[tuple[str, int]] = field(default_factory=list)
    received: int = 0
    left: int = 0
    at_a_loss: int = 0
    last: dict[int, Fraction] = field(default_factory=dict)


@dataclass
class Waterfall:
    """Follows the events one by one; `take` is called before the model takes each."""

    model: Model
    in_house: dict[str, int]
    counts: dict[str, int] = field(default_factory=dict)
    open: dict[int, Resolution] = field(default_factory=dict)
    windows: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    units: dict[int, int] = field(default_factory=dict)
    healthy: set[int] = field(default_factory=set)
    queue: list[int] | None = None
    now: int = 0

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    @property
    def rules(self) -> dict[str, Any]:
        return dict(self.model.spec["liquidation"])

    def runs(self, stage: str) -> bool:
        return stage in self.rules.get("stages", [stage])

    # --- who falls, and in which order ------------------------------------------------------------

    def expect(self, excused: Iterable[int]) -> None:
        """A snapshot has been taken: whoever is at the trigger falls, in this order."""
        skipped = {*excused, *self.model.closed, *self.units.values()}
        fallen = [
            unit
            for unit in self.model.clients
            if unit not in skipped
            and not self.model.is_blind(unit)
            and self.model.is_at_trigger(unit)
        ]
        self.queue = sorted(fallen, key=lambda unit: (self.rank(unit), unit))

    def rank(self, unit: int) -> Fraction:
        order = self.rules.get("unit_order", "lowest_excess")
        if order == "account_id":
            return Fraction(0)
        if order == "largest_notional":
            held = (key for key in self.model.positions if key[0] == unit)
            return -sum(
                (self.model.notional(k[1], self.model.positions[k][0]) for k in held), Fraction(0)
            )
        excess = self.model.excess(unit)
        return excess if order == "lowest_excess" else -excess

    def started(self, event: e.LiquidationStarted) -> None:
        self.units[event.case] = event.unit
        if not self.model.is_at_trigger(event.unit):  # an operator's word
            self.healthy.add(event.unit)
        if self.queue and event.unit in self.queue:
            place = self.queue.index(event.unit)
            for passed in self.queue[:place]:  # saved by what happened to those before it
                assert not self.model.is_at_trigger(passed), (event.unit, passed)
            self.queue = self.queue[place + 1 :]
            self.count("started in order")

    def settled(self) -> None:
        """Everything has been decided: nobody who should have fallen still stands there."""
        for unit in self.queue or []:
            assert unit in self.model.closed or not self.model.is_at_trigger(unit), unit
        self.queue = None

    def taken(self, unit: int) -> None:
        """An operator takes a unit: one that has come back meanwhile keeps its money."""
        if unit in self.units.values() and not self.model.is_at_trigger(unit):
            self.healthy.add(unit)

    # --- the transfer -----------------------------------------------------------------------------

    def take(self, event: Any) -> None:  # noqa: ANN401 an event
        match event:
            case e.LiquidationStarted():
                self.started(event)
            case e.GraceStarted() if self.queue:
                self.queue = [unit for unit in self.queue if unit != event.unit]
            case e.Transferred() if event.reason in RESOLVING and event.case in self.units:
                self.moved(event, self.resolution(event.case))
            case e.Filled() if event.reason == "takeover" and event.unit not in self.healthy:
                key = (event.instrument, event.leg)
                self.handed(self.resolution(event.case), key, -event.lots, -event.value)
            case e.Deleveraged() if event.case:
                self.deleveraged(event, self.resolution(event.case))
            case e.LossSocialised():
                self.socialised(event, self.resolution(event.case))
            case e.LiquidationEnded():
                self.units.pop(event.case, None)
                self.ended(event, self.open.pop(event.case, None))
            case _:
                pass
        if isinstance(event, e.Transferred) and event.reason == "deficit":
            self.spent(event)
        if isinstance(event, e.Overridden) and event.action == "takeover":
            self.taken(event.unit)

    def resolution(self, case: int) -> Resolution:
        if case not in self.open:
            self.open[case] = self.begin(self.units[case])
        return self.open[case]

    def value(self, key: tuple[int, int, int], lots: int) -> int:
        """Return lots of a position at the mark, rounded against the unit."""
        contract = self.model.contracts[key[1]]
        price = self.model.prices["mark", contract.symbol]
        quantum = self.model.assets[self.model.settle(key[1])].quantum
        return math.floor(contract.value(lots, price) / quantum)

    def keys(self, unit: int, asset: int | None = None) -> list[tuple[int, int, int]]:
        keys = [key for key in self.model.positions if key[0] == unit]
        return [key for key in keys if asset is None or self.model.settle(key[1]) == asset]

    def worth(self, unit: int, asset: int) -> int:
        held = ((k, *self.model.positions[k]) for k in self.keys(unit, asset))
        profit = sum(self.value(key, lots) - cost for key, lots, cost in held)
        return self.model.balances.get((unit, asset), 0) + profit

    def begin(self, unit: int) -> Resolution:
        model = self.model
        needs: dict[int, Fraction] = {}
        weights = {}
        for key in self.keys(unit):
            weights[key[1:]] = model.requirement(key, *model.positions[key], "maintenance")
            asset = model.settle(key[1])
            needs[asset] = needs.get(asset, Fraction(0)) + weights[key[1:]] * model.price(asset)
        price = {a: model.price(a) * model.assets[a].quantum for a in model.held_assets(unit)}
        equity = sum((self.worth(unit, a) * p for a, p in price.items()), Fraction(0))
        total = sum(needs.values())
        targets = {a: towards_zero(equity * n / total / price[a]) for a, n in needs.items()}
        return Resolution(unit, targets, weights)

    def share(self, at: Resolution) -> None:
        """All is in its settle asset: the equity of each is shared over its positions."""
        if at.is_shared or not at.targets:
            return
        at.is_shared = True
        worths = {asset: self.worth(at.unit, asset) for asset in at.targets}
        apart = [asset for asset, target in at.targets.items() if worths[asset] != target]
        assert len(apart) <= 1, (at.targets, worths)  # one asset has what rounding leaves
        for asset, equity in worths.items():
            if equity > 0:
                part = number(self.rules.get("insurance", {}).get("surplus_share", 0))
                equity -= math.floor(equity * part)  # noqa: PLW2901 what is left of it
            keys = self.keys(at.unit, asset)
            parts = largest_remainder(abs(equity), [at.weights[key[1:]] for key in keys])
            for key, share in zip(keys, parts, strict=True):
                lots, _ = self.model.positions[key]
                value = self.value(key, lots)
                at.shares[key[1:]] = Share(lots, value, -share if equity > 0 else share)
        self.count("shared over assets" if len(worths) > 1 else "shared")

    def touch(self, at: Resolution) -> None:
        """Note what the fund has when the hand-over of a position begins."""
        self.share(at)
        if at.money is None:
            fund = self.in_house["fund:default"]
            at.money = {asset: self.money(fund, asset) for asset in at.targets}

    def moved(self, event: e.Transferred, at: Resolution) -> None:
        if event.reason == "seizure":
            return
        if event.reason == "deficit":
            assert event.quanta <= self.money(event.source, event.asset)
            self.count("fund paid")
        self.share(at)
        if event.target == at.unit:
            self.touch(at)
            at.paid.append((event.reason, event.quanta))

    def handed(self, at: Resolution, key: tuple[int, int], lots: int, value: int) -> None:
        """Lots of a position left for a value; when all have, the sum is the transfer value."""
        self.touch(at)
        at.received += value
        at.left += lots
        held = at.shares[key]
        if abs(at.left) < abs(held.lots):
            return
        assert at.left == held.lots
        borne = held.value + held.loss - at.received - sum(quanta for _, quanta in at.paid)
        assert borne == 0, (key, held, at)
        asset, funded = self.model.settle(key[0]), [q for r, q in at.paid if r == "deficit"]
        carried, payment = self.carried(held, (at.money or {})[asset])
        if held.loss > 0 and payment:
            assert funded[:1] == [payment], (held, funded, payment)
            self.count("fund carried")
        assert at.at_a_loss <= abs(held.lots) - carried or held.loss <= 0
        assert at.weights[key] <= at.last.get(asset, at.weights[key]) * (1 + Fraction(1, 10**9))
        at.last[asset] = at.weights[key]
        at.money, at.paid, at.received, at.left, at.at_a_loss = None, [], 0, 0, 0
        self.count("handed over")

    def carried(self, held: Share, money: int) -> tuple[int, int]:
        """Return the lots (unsigned) whose share of the deficit the fund pays, and what it pays."""
        if not self.runs("insurance") or held.loss <= 0:
            return 0, 0
        if money >= held.loss:
            return abs(held.lots), held.loss
        lots = abs(held.lots) * money // held.loss
        return lots, held.loss * lots // abs(held.lots)

    def deleveraged(self, event: e.Deleveraged, at: Resolution) -> None:
        self.touch(at)
        lots = -sum(event.lots)
        shares = largest_remainder(abs(sum(event.values)), [Fraction(abs(n)) for n in event.lots])
        assert [abs(value) for value in event.values] == shares
        at.at_a_loss += abs(lots) if event.loss else 0
        self.count("deleveraged")
        self.handed(at, (event.instrument, event.leg), lots, -sum(event.values))

    def socialised(self, event: e.LossSocialised, at: Resolution) -> None:
        self.count("socialised")
        if at.targets:
            self.touch(at)
            at.paid.append(("socialised", sum(event.quanta)))
        if event.form == "pro_rata_profit":
            self.haircut(event)

    def haircut(self, event: e.LossSocialised) -> None:
        """One haircut on positive profit in the asset, largest remainder, where no cap binds."""
        profits = {}
        for unit in self.model.clients:
            if unit in self.model.closed or unit in self.units.values():
                continue
            if unit == event.unit or self.model.is_blind(unit):
                continue
            profit = sum((self.profit(key) for key in self.keys(unit, event.asset)), Fraction(0))
            free = self.model.excess(unit)
            if profit > 0 and free > 0:
                price = self.model.price(event.asset) * self.model.assets[event.asset].quantum
                profits[unit] = (math.floor(profit), free / price)
        for unit, quanta in zip(event.payers, event.quanta, strict=True):
            assert quanta <= profits[unit][0]
        rows = sorted(profits.items())
        total = sum(event.quanta)
        parts = largest_remainder(total, [Fraction(profit) for _, (profit, _) in rows])
        if all(
            part < Fraction(99, 100) * free
            for part, (_, (_, free)) in zip(parts, rows, strict=True)
        ):
            given = dict(zip(event.payers, event.quanta, strict=True))
            mine = {unit: part for part, (unit, _) in zip(parts, rows, strict=True) if part}
            assert all(abs(given.get(u, 0) - mine.get(u, 0)) <= 1 for u in {*given, *mine})
            self.count("haircut")

    def profit(self, key: tuple[int, int, int]) -> Fraction:
        lots, cost = self.model.positions[key]
        contract = self.model.contracts[key[1]]
        quantum = self.model.assets[self.model.settle(key[1])].quantum
        price = self.model.prices["mark", contract.symbol]
        return contract.value(lots, price) / quantum - cost

    # --- the fund and the bill --------------------------------------------------------------------

    def money(self, fund: int, asset: int) -> int:
        terms = self.rules.get("insurance", {})
        held = max(0, self.model.balances.get((fund, asset), 0))
        start, base, spent = self.windows.get((fund, asset), [-(10**18), held, 0])
        if self.now - start >= 1000 * terms.get("window_s", 3600):
            base, spent = held, 0
        return max(0, min(held, math.floor(base * number(terms.get("window_share", 1))) - spent))

    def spent(self, event: e.Transferred) -> None:
        key = (event.source, event.asset)
        length_ms = 1000 * self.rules.get("insurance", {}).get("window_s", 3600)
        window = self.windows.get(key)
        if window is None or self.now - window[0] >= length_ms:
            base = max(0, self.model.balances.get(key, 0))
            window = self.windows[key] = [self.now, base, 0]
        window[2] += event.quanta

    def ended(self, event: e.LiquidationEnded, at: Resolution | None) -> None:
        """Nothing is left, and the bills are the shares the events were held against."""
        self.count(f"ended {event.outcome}")
        self.healthy.discard(event.unit)
        if at is None or not at.targets:
            return
        assert not self.keys(at.unit)
        assert {row.asset for row in event.bills} == at.targets.keys()
