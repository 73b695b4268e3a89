"""One unit as the columns of `tables`: compiled once, read under any number of scenarios."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import cached_property

import numpy as np

from keelmark.core.bound import options_of
from keelmark.core.codes import RuleKind
from keelmark.core.coin_rule import CoinScaledRule
from keelmark.core.excess import (
    asset_names,
    cash_of,
    close_fee_amount,
    gross_loan_margin,
    maintenance_rule,
    margin_price_of,
    mark_of,
    price_of,
)
from keelmark.core.groups import ExpiryOffset, GroupMember, largest_loss, uncovered_calls
from keelmark.core.instrument import InstrumentKind
from keelmark.core.market import Market
from keelmark.core.model import (
    CloseFeeBasis,
    HaircutBase,
    InstrumentTerms,
    MarginModel,
    MarginPrice,
    MarginPurpose,
)
from keelmark.core.numbers import ONE, ZERO
from keelmark.core.option_margin import option_facts
from keelmark.core.option_rules import NothingAsked, OptionFacts, OptionRule, ShortOptionRule
from keelmark.core.payoff import Right
from keelmark.core.quantum_rule import unrounded
from keelmark.core.repricing import Repricer, model_price
from keelmark.core.rules import MaintenanceRule
from keelmark.core.unit import MarginUnit, Position
from keelmark.risk.revaluation import tables as columns
from keelmark.risk.revaluation.moved import PERPETUALS
from keelmark.risk.revaluation.tables import Tables
from keelmark.risk.symbols import coin_of

Row = tuple[float, float, float, float]

TABLE_KINDS = frozenset({RuleKind.TIERED, RuleKind.WHOLE, RuleKind.SIZED, RuleKind.SCALED})
MARGIN_CODES = {
    MarginPrice.MARK: columns.ON_MARK,
    MarginPrice.INDEX: columns.ON_INDEX,
    MarginPrice.ENTRY: columns.AT_ENTRY,
}


def without_columns(unit: MarginUnit, model: MarginModel) -> str | None:
    """Return why a unit has no array face; `None` where it has one."""
    if model.orders_in_maintenance and unit.orders:
        return "open orders count in its maintenance"
    if model.group is not None and not isinstance(model.group, ExpiryOffset):
        return f"options are margined together by {type(model.group).__name__}"
    for position in unit.positions:
        terms = model.instrument(position.instrument)
        if terms.option is not None:
            if not isinstance(terms.option.rule, ShortOptionRule | NothingAsked):
                return f"{position.instrument} is margined by {type(terms.option.rule).__name__}"
            continue
        rule = unrounded(maintenance_rule(position, terms))
        if not isinstance(rule, CoinScaledRule) and rule.parameters().kind not in TABLE_KINDS:
            return f"{position.instrument} is margined by {type(rule).__name__}"
    return None


def tables_of(
    unit: MarginUnit, market: Market, model: MarginModel, coins: Sequence[str]
) -> tuple[Tables, tuple[str, ...], tuple[str, ...]]:
    """Return the columns of a unit, and the names of its legs and assets in their order.

    The caller has entered core's decimal context.

    Raises:
        MissingNumber: A price, a table or a volatility the unit reads is not there.
    """
    build = _Build(unit=unit, market=market, model=model, coins=tuple(coins))
    for name in build.names:
        build.add_asset(name)
    return build.tables(), tuple(map(_name_of, unit.positions)), tuple(build.names)


@dataclass(slots=True, kw_only=True)
class _Lists:
    """Columns as they grow."""

    legs: list[tuple[float | int, ...]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    options: list[tuple[float | int, ...]] = field(default_factory=list)
    groups: list[tuple[float, float, int]] = field(default_factory=list)
    assets: list[tuple[float | int, ...]] = field(default_factory=list)
    segments: list[tuple[float, float]] = field(default_factory=list)


@dataclass(kw_only=True)
class _Build:
    """A unit being written into columns."""

    unit: MarginUnit
    market: Market
    model: MarginModel
    coins: tuple[str, ...]
    lists: _Lists = field(default_factory=_Lists)
    grouped: dict[tuple[str, datetime], int] = field(default_factory=dict)

    @cached_property
    def names(self) -> list[str]:
        """The assets of the unit."""
        settles = [self.model.instrument(p.instrument).instrument.settle for p in self.positions]
        return asset_names(self.unit, dict.fromkeys(settles, ZERO), self.model)

    @property
    def positions(self) -> tuple[Position, ...]:
        """What the unit holds."""
        return self.unit.positions

    @cached_property
    def repricers(self) -> dict[str, Repricer]:
        """How each option is repriced."""
        held = options_of(self.unit, self.model)
        return {t.instrument.symbol: Repricer.of(t.instrument, self.market) for t in held}

    def coin(self, base: str) -> int:
        """Return the column of the coin of a base; -1 where it is none that moves."""
        coin = coin_of(base)[0]
        return self.coins.index(coin) if coin in self.coins else -1

    def number(self, position: Position) -> int:
        """Return where a position stands in the unit."""
        return next(i for i, held in enumerate(self.positions) if held is position)

    def add_asset(self, name: str) -> None:
        """Write an asset with the legs that settle in it."""
        terms = self.model.asset_in(self.unit.kind, name)
        schedule = terms.schedule
        start, first = len(self.lists.legs), len(self.lists.segments)
        self._add_legs(name)
        self.lists.segments += [(float(s.slope), float(s.intercept)) for s in schedule.segments]
        is_priced = self.model.reads_price_of(name)
        self.lists.assets.append(
            (
                float(price_of(name, self.market, self.model)),
                float(cash_of(self.unit, name)),
                float(gross_loan_margin(self.unit, terms)),
                float(schedule.loan_rate),
                float(schedule.ask),
                self.coin(name) if is_priced else -1,
                start,
                len(self.lists.legs),
                first,
                len(self.lists.segments),
                terms.haircut_base is HaircutBase.BALANCE,
            ),
        )

    def _add_legs(self, settle: str) -> None:
        """Write the legs of a settle asset: options of a group side by side, after the others."""
        held = [(p, self.model.instrument(p.instrument)) for p in self.positions]
        here = [(p, terms) for p, terms in held if terms.instrument.settle == settle]
        plain = [row for row in here if row[1].option is None]
        options = [row for row in here if row[1].option is not None]
        groups = {id(p): self._group(terms, options) for p, terms in options}
        for position, terms in plain:
            self._add_linear(position, terms)
        for position, terms in sorted(options, key=lambda row: groups[id(row[0])]):
            self._add_option(position, terms, groups[id(position)])

    def _add_linear(self, position: Position, terms: InstrumentTerms) -> None:
        """Write a perpetual or a future."""
        instrument = terms.instrument
        value = position.size * instrument.value_per_size(mark_of(terms, self.market))
        notional = abs(value)
        constant = ZERO
        if terms.margin_price is MarginPrice.ENTRY:
            notional = abs(position.cost)
            constant = self._standing(position, terms, notional)
        elif terms.margin_price is MarginPrice.INDEX:
            per_size = instrument.value_per_size(margin_price_of(terms, self.market))
            notional = abs(position.size * per_size)
        rate = ZERO
        fee = terms.close_fee
        if fee is not None and terms.margin_price is not MarginPrice.ENTRY:
            if fee.basis is CloseFeeBasis.MARK or position.leverage is None:
                rate = fee.rate
            else:
                constant = close_fee_amount(fee, position, notional)
        rule = unrounded(maintenance_rule(position, terms))
        rows, edge_upper = rows_of(rule, abs(position.size), rate)
        funding = abs(value) if instrument.kind in PERPETUALS else ZERO
        start = len(self.lists.rows)
        self.lists.rows += rows
        self.lists.legs.append(
            (
                float(value),
                float(position.cost),
                float(notional),
                float(constant),
                float(funding if position.size > ZERO else -funding),
                self.coin(instrument.base),
                start,
                len(rows),
                sum(floor < float(notional) for floor, *_ in rows[1:]),
                -1,
                self.number(position),
                -1,
                columns.INVERSE if instrument.is_inverse else columns.LINEAR,
                MARGIN_CODES[terms.margin_price],
                edge_upper,
            ),
        )

    def _standing(self, position: Position, terms: InstrumentTerms, notional: Decimal) -> Decimal:
        """Return a requirement on the entry price: no price moves it."""
        rule = maintenance_rule(position, terms)
        fee = close_fee_amount(terms.close_fee, position, notional)
        return rule.amount(abs(position.size), notional) + fee

    def _add_option(self, position: Position, terms: InstrumentTerms, group: int) -> None:
        """Write an option."""
        instrument = terms.instrument
        option = self.repricers[instrument.symbol]
        facts = option_facts(position, terms, self.market)
        rule = terms.option.rule if terms.option is not None else NothingAsked()
        share, of_mark, factor, fee = short_terms(rule, facts)
        model = model_price(instrument, option.forward, option.volatility, option.years)
        is_short = position.size < ZERO and isinstance(rule, ShortOptionRule)
        counts = terms.option is not None and terms.option.counts_value
        in_coin = instrument.kind is InstrumentKind.INVERSE_OPTION
        strike = float(instrument.payoff.strike) if instrument.payoff else 1.0
        deviation = option.volatility * max(0.0, option.years) ** 0.5
        self.lists.legs.append(
            (
                float(facts.value),
                float(position.cost),
                0.0,
                0.0,
                0.0,
                self.coin(instrument.base),
                0,
                0,
                0,
                len(self.lists.options),
                self.number(position),
                group,
                columns.OPTION,
                columns.AT_ENTRY,
                0,
            ),
        )
        self.lists.options.append(
            (
                float(position.size * instrument.contract_size),
                float(option.forward),
                strike,
                deviation,
                float(option.mark - model),
                float(counts),
                share,
                of_mark,
                factor,
                fee,
                bool(instrument.payoff and instrument.payoff.is_call),
                in_coin,
                is_short,
            ),
        )

    def _group(
        self, terms: InstrumentTerms, options: Iterable[tuple[Position, InstrumentTerms]]
    ) -> int:
        """Return the row of the group an option is margined in; -1 for none."""
        rule, instrument = self.model.group, terms.instrument
        if rule is None or instrument.kind is not InstrumentKind.LINEAR_OPTION:
            return -1
        if not isinstance(rule, ExpiryOffset) or instrument.expiry is None:
            return -1
        key = (f"{instrument.base} {instrument.settle}", instrument.expiry)
        if key in self.grouped:
            return self.grouped[key]
        alike = [
            GroupMember(facts=option_facts(p, t, self.market), initial=ZERO, maintenance=ZERO)
            for p, t in options
            if t.instrument.kind is InstrumentKind.LINEAR_OPTION
            and (t.instrument.base, t.instrument.expiry) == (instrument.base, instrument.expiry)
        ]
        forward = next((m.facts.forward for m in alike if m.facts.forward is not None), ZERO)
        naked = uncovered_calls(alike) * forward * rule.naked_maintenance
        row = (float(largest_loss(alike)), float(naked), self.coin(instrument.base))
        self.grouped[key] = len(self.lists.groups)
        self.lists.groups.append(row)
        return self.grouped[key]

    def tables(self) -> Tables:
        """Return what was written, as arrays."""
        lists = self.lists
        terms = self.model.profit_terms(MarginPurpose.MAINTENANCE)
        return Tables(
            legs=np.array(lists.legs, dtype=columns.LEG),
            rows=np.array(lists.rows, dtype=columns.ROW),
            options=np.array(lists.options, dtype=columns.OPTION_ROW),
            groups=np.array(lists.groups, dtype=columns.GROUP),
            assets=np.array(lists.assets, dtype=columns.ASSET),
            segments=np.array(lists.segments, dtype=columns.SEGMENT),
            weight=float(terms.weight),
            cap=np.inf if terms.cap is None else float(terms.cap),
        )


def rows_of(rule: MaintenanceRule, size: Decimal, fee: Decimal) -> tuple[list[Row], bool]:
    """Return the rows of a rule for a size, the rate of a fee to close in each, and the owner.

    Each row is (floor, rate, curve, deduction), in the settle asset.
    """
    if isinstance(rule, CoinScaledRule):
        return [(0.0, float(rule.base + fee), float(rule.slope), 0.0)], False
    face = rule.parameters()
    if face.kind in {RuleKind.SIZED, RuleKind.SCALED}:
        rate = rule.requirement(size, ONE).rate
        return [(0.0, float(rate + fee), 0.0, 0.0)], False
    is_whole = face.kind is RuleKind.WHOLE
    found = zip(face.floors, face.rates, face.deductions, strict=True)
    rows = [
        (float(floor), float(rate + fee), 0.0, 0.0 if is_whole else float(deduction))
        for floor, rate, deduction in found
    ]
    return rows, face.edge_upper


def short_terms(rule: OptionRule, facts: OptionFacts) -> tuple[float, float, float, float]:
    """Return share, share of the mark, factor and fee of a short option, per unit now."""
    if not isinstance(rule, ShortOptionRule) or facts.size > ZERO:
        return 0.0, 0.0, 0.0, 0.0
    payoff, unit = facts.instrument.payoff, facts.unit_value
    of_mark = rule.mark_shares.get(payoff.right if payoff else Right.CALL, ZERO)
    share, fee = rule.maintenance_share * unit, rule.fee * unit
    return float(share), float(of_mark), float(rule.factor(facts)), float(fee)


def _name_of(position: Position) -> str:
    """Return the name of a leg: the symbol, with the side in hedge mode."""
    side = "" if not position.leg else f" {position.leg.name.lower()}"
    return f"{position.instrument}{side}"
