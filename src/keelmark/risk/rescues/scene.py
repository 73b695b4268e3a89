"""A unit under one demand, taken apart so that a change of one position costs one position.

The parts are those of `core.excess`; a property test holds the total equal to the core's own. What
cannot be taken apart (a cap on profit, orders inside maintenance) is computed whole.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from keelmark.core.excess import (
    asset_names,
    cash_of,
    collateral,
    counted_and_required,
    gross_loan_margin,
    mark_of,
    price_of,
)
from keelmark.core.margin import margin_report
from keelmark.core.market import Market
from keelmark.core.model import InstrumentTerms, MarginModel, MarginPurpose
from keelmark.core.numbers import ZERO
from keelmark.core.unit import MarginUnit, Position
from keelmark.risk.rescues.target import Aim


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a plan does to a unit.

    Attributes:
        cash: Added to the balance, by asset.
        legs: What becomes of the unit's positions, by row; `None` where it is closed whole.
        opened: New positions.
    """

    cash: Mapping[str, Decimal] = field(default_factory=dict)
    legs: Mapping[int, Position | None] = field(default_factory=dict)
    opened: tuple[Position, ...] = ()

    def after(self, unit: MarginUnit) -> MarginUnit:
        """Return the unit with the change made."""
        kept = (self.legs.get(row, held) for row, held in enumerate(unit.positions))
        balances = dict(unit.balances)
        for asset, amount in self.cash.items():
            balances[asset] = balances.get(asset, ZERO) + amount
        positions = (*(held for held in kept if held is not None), *self.opened)
        return replace(unit, balances=balances, positions=positions)


NOTHING = Change()


def merged(changes: list[Change]) -> Change:
    """Return several changes as one; no two of them touch the same position."""
    cash: dict[str, Decimal] = {}
    legs: dict[int, Position | None] = {}
    opened: list[Position] = []
    for change in changes:
        for asset, amount in change.cash.items():
            cash[asset] = cash.get(asset, ZERO) + amount
        legs.update(change.legs)
        opened += change.opened
    return Change(cash=cash, legs=legs, opened=tuple(opened))


@dataclass(frozen=True, slots=True)
class Part:
    """What one position adds to its settle asset."""

    settle: str
    profit: Decimal
    margin: Decimal


def part_of(position: Position, market: Market, model: MarginModel) -> Part:
    """Return the counted profit and the maintenance of a position, settle asset."""
    terms = model.instrument(position.instrument)
    weight = model.profit_terms(MarginPurpose.MAINTENANCE).weight
    profit, margin = counted_and_required(position, terms, market, weight)
    return Part(terms.instrument.settle, profit, margin)


Reading = tuple[Decimal, Decimal | None, Decimal | None]
"""A mark, an index and a forward: all that a position reads of a market."""
Parts = dict[tuple[int, Reading], Part]
"""What positions add, by row and by what they read: many markets show many of them the same."""


def reading(terms: InstrumentTerms, market: Market) -> Reading:
    """Return the prices of a market that a position in a contract can read."""
    instrument = terms.instrument
    name = instrument.index or (instrument.base if terms.option is not None else "")
    forward = market.forwards.get(instrument.symbol)
    return mark_of(terms, market), market.indices.get(name), forward


class Scene:
    """One demand on one unit; `total` is not negative where it is met."""

    def __init__(
        self, unit: MarginUnit, aim: Aim, model: MarginModel, known: Parts | None = None
    ) -> None:
        self.unit = unit
        self.aim = aim
        self.model = model
        self.is_separable = is_separable(unit, model)
        self.seen = [reading(model.instrument(p.instrument), aim.market) for p in unit.positions]
        known = {} if known is None else known
        self.parts = [self._part(row, p, known) for row, p in enumerate(unit.positions)]
        self.profits: dict[str, Decimal] = {}
        self.margins: dict[str, Decimal] = {}
        for part in self.parts:
            self._add(part, self.profits, self.margins)
        names = asset_names(unit, self.profits, model)
        self.worth = {name: self._worth(name, ZERO, self.profits, self.margins) for name in names}
        self.now = sum(self.worth.values(), ZERO) - aim.slack

    def _part(self, row: int, position: Position, known: Parts) -> Part:
        """Return what a position adds in the place of a row; `known` holds it for other markets."""
        key = (row, self.seen[row])
        part = known.get(key)
        if part is None:
            part = known[key] = part_of(position, self.aim.market, self.model)
        return part

    def total(self, change: Change, known: Parts | None = None) -> Decimal:
        """Return what the demand comes to after a change; `known` is shared by demands on it."""
        known = {} if known is None else known
        if not self.is_separable:
            return whole_total(change.after(self.unit), self.aim, self.model)
        profits, margins = dict(self.profits), dict(self.margins)
        touched = set(change.cash)
        for row, position in change.legs.items():
            old = self.parts[row]
            touched.add(old.settle)
            profits[old.settle] -= old.profit
            margins[old.settle] -= old.margin
            if position is not None:
                self._add(self._part(row, position, known), profits, margins)
        for position in change.opened:
            part = part_of(position, self.aim.market, self.model)
            touched.add(part.settle)
            self._add(part, profits, margins)
        total = self.now
        for name in touched:
            fresh = self._worth(name, change.cash.get(name, ZERO), profits, margins)
            total += fresh - self.worth.get(name, ZERO)
        return total

    @staticmethod
    def _add(part: Part, profits: dict[str, Decimal], margins: dict[str, Decimal]) -> None:
        profits[part.settle] = profits.get(part.settle, ZERO) + part.profit
        margins[part.settle] = margins.get(part.settle, ZERO) + part.margin

    def _worth(
        self,
        name: str,
        added: Decimal,
        profits: Mapping[str, Decimal],
        margins: Mapping[str, Decimal],
    ) -> Decimal:
        """Return what an asset adds to the total."""
        terms = self.model.asset_in(self.unit.kind, name)
        cash = cash_of(self.unit, name) + added
        worth, loan = collateral(terms.schedule, terms, cash, profits.get(name, ZERO))
        required = margins.get(name, ZERO) + loan + gross_loan_margin(self.unit, terms)
        price = price_of(name, self.aim.market, self.model)
        level = self.aim.level * terms.schedule.ask
        return price * (self.aim.equity_weight * worth - level * required)


def scenes_of(unit: MarginUnit, aims: Iterable[Aim], model: MarginModel) -> tuple[Scene, ...]:
    """Return the demands on a unit."""
    parts: Parts = {}
    return tuple(Scene(unit, aim, model, parts) for aim in aims)


def is_separable(unit: MarginUnit, model: MarginModel) -> bool:
    """Whether the excess is a sum over assets of parts that one position each changes."""
    capped = model.profit_terms(MarginPurpose.MAINTENANCE).cap is not None
    return not (capped or model.group is not None) and not (
        model.orders_in_maintenance and unit.orders
    )


def whole_total(unit: MarginUnit, aim: Aim, model: MarginModel) -> Decimal:
    """Return what a demand comes to by the core's own report."""
    report = margin_report(unit, aim.market, model)
    return aim.equity_weight * report.equity - aim.level * report.maintenance_margin - aim.slack
