"""Equity, requirements and excess of one margin unit at one snapshot: the exact definitions.

For every asset `a` with price `s_a`:

    counted_a = balance_a - accrued interest_a + sum of counted profit settled in a
    excess    = sum over a of  s_a * (collateral value of counted_a - ask_a * requirement_a)

`ask_a` is one but where the venue prices what is owed and required above what is held.

Profit of a position is `value(mark) - cost`; a positive profit counts with the weight of the
purpose. Requirements are the venue's rule on the notional at the margin price.

Source: docs/model.md, "Excess". Kernel twin: `book.kernels.margin`.
"""

from dataclasses import dataclass
from decimal import Decimal

from keelmark.core.excess import (
    asset_names,
    cash_of,
    close_fee_amount,
    collateral,
    counted_profit,
    gross_loan_margin,
    maintenance_rule,
    margin_price_of,
    plain_excess,
    price_of,
    value_and_notional,
)
from keelmark.core.filled import price_paid
from keelmark.core.groups import GroupMargin, GroupMember
from keelmark.core.market import Market
from keelmark.core.model import (
    InstrumentTerms,
    MarginModel,
    MarginPrice,
    MarginPurpose,
    PositionFacts,
    Trigger,
)
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.core.option_margin import counted_value, option_facts, option_terms
from keelmark.core.option_rules import OptionFacts
from keelmark.core.order_margin import OrderMargin, order_margin
from keelmark.core.rules import Requirement
from keelmark.core.unit import MarginUnit, Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """A ratio, or the reason there is none."""

    value: Decimal | None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionMargin:
    """One position at the snapshot, in its settle asset.

    Attributes:
        position: The position.
        terms: The venue's terms for it.
        mark_price: Quote per base.
        margin_price: Price its requirements are taken on.
        value: Signed value at the mark.
        notional: Unsigned value at the margin price.
        unrealized_pnl: Value minus cost.
        maintenance: Maintenance requirement and its row, without the close fee.
        initial: Initial requirement, without the close fee.
        close_fee: Fee to close inside maintenance, and inside initial margin where it counts there.
        option: What its option rule read; `None` for every other kind.
    """

    position: Position
    terms: InstrumentTerms
    mark_price: Decimal
    margin_price: Decimal
    value: Decimal
    notional: Decimal
    unrealized_pnl: Decimal
    maintenance: Requirement
    initial: Requirement
    close_fee: Decimal
    option: OptionFacts | None = None

    @property
    def exposure(self) -> Decimal | None:
        """Notional of what the position moves with: of an option, of its underlying, if known."""
        return self.notional if self.option is None else self.option.exposure

    def counted(self, weight: Decimal) -> Decimal:
        """Return what it adds to equity, settle asset: counted profit, of an option its value."""
        if self.option is not None:
            return counted_value(self.option, self.terms)
        return counted_profit(self.unrealized_pnl, weight)

    @property
    def maintenance_margin(self) -> Decimal:
        """Maintenance requirement with the close fee, settle asset."""
        return self.maintenance.amount + self.close_fee

    @property
    def initial_margin(self) -> Decimal:
        """Initial requirement, with the close fee where the venue counts it there, settle asset."""
        return self.initial.amount + self.close_fee_initial

    @property
    def close_fee_initial(self) -> Decimal:
        """Fee to close inside the initial requirement."""
        fee = self.terms.close_fee
        return self.close_fee if fee is not None and fee.in_initial else ZERO

    @property
    def settle(self) -> str:
        """The settle asset."""
        return self.terms.instrument.settle


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetMargin:
    """One asset of the unit at the snapshot; amounts in the asset, price in valuation currency.

    Attributes:
        asset: Name.
        balance: Posted balance.
        accrued_interest: Interest owed and not yet posted.
        unrealized_pnl: Profit settled in the asset, in full; of options see `option_value`.
        counted: Balance, interest and counted profit before haircuts, maintenance purpose.
        collateral_value: What that counts for after haircuts.
        collateral_value_initial: The same for initial margin.
        maintenance_margin: Requirements settled in the asset, loan margin included.
        initial_margin: The same for the initial requirement.
        price: Valuation currency per unit; one where no price is read.
        ask: Price of requirements over `price`; debts are in the collateral value at it.
        loan: Gross amount borrowed; the balance is net of it.
        loan_margin: Maintenance margin on the gross loan, part of `maintenance_margin`.
        loan_margin_initial: The same for the initial requirement.
        profit_initial: What a positive profit adds for the initial purpose, by its collateral
            value and by the loan margin it spares.
        option_value: Value of the options that settle in the asset, whether it counts or not.
    """

    asset: str
    balance: Decimal
    accrued_interest: Decimal
    unrealized_pnl: Decimal
    counted: Decimal
    collateral_value: Decimal
    collateral_value_initial: Decimal
    maintenance_margin: Decimal
    initial_margin: Decimal
    price: Decimal
    ask: Decimal = ONE
    profit_initial: Decimal = ZERO
    loan: Decimal = ZERO
    loan_margin: Decimal = ZERO
    loan_margin_initial: Decimal = ZERO
    option_value: Decimal = ZERO

    @property
    def required_price(self) -> Decimal:
        """Valuation currency per unit of a requirement."""
        return self.price if self.ask == ONE else self.price * self.ask


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginReport:
    """Margin of one unit at one snapshot, totals in the valuation currency.

    Attributes:
        equity: Collateral after haircuts plus counted profit, maintenance purpose.
        equity_initial: The same for the initial purpose.
        equity_raw: Without haircuts, weights and caps: what the unit is worth at the marks.
        initial_margin: The venue's own initial requirement, open orders included.
        liquidation_end_margin: Requirement at which a liquidation stops.
        maintenance_margin: The venue's own maintenance requirement.
        profit: What positive unrealised profit, each asset's together, adds to `equity_initial`.
        withdraws_profit: Whether the venue lets it leave.
        margin_to_stay: What must stay when money leaves, beside initial margin: the venue's share
            of the total notional.
        trigger_level: Multiple of maintenance at which the trigger holds.
    """

    unit: MarginUnit
    model_name: str
    snapshot_id: str
    trigger: Trigger
    equity: Decimal
    equity_initial: Decimal
    equity_raw: Decimal
    initial_margin: Decimal
    liquidation_end_margin: Decimal
    maintenance_margin: Decimal
    positions: tuple[PositionMargin, ...]
    orders: tuple[OrderMargin, ...]
    assets: tuple[AssetMargin, ...]
    groups: tuple[GroupMargin, ...] = ()
    profit: Decimal = ZERO
    withdraws_profit: bool = False
    margin_to_stay: Decimal = ZERO
    trigger_level: Decimal = ONE

    @property
    def is_liquidatable(self) -> bool:
        """Whether the rulebook's trigger holds; a unit without positions or debt never is."""
        return self.trigger.holds(excess=self.excess(MarginPurpose.MAINTENANCE)) and bool(
            self.positions
            or any(a.balance < a.accrued_interest or a.loan_margin for a in self.assets),
        )

    def excess(self, purpose: MarginPurpose) -> Decimal:
        """Return equity minus requirement as decisions use it.

        Ordered by purpose (INV-05): initial <= liquidation end <= maintenance. Where the venue's
        raw numbers break the order, the smaller excess is used and `explain` says so.
        """
        with exact():
            maintenance = self.equity - self.trigger_level * self.maintenance_margin
            if purpose is MarginPurpose.MAINTENANCE:
                return maintenance
            end = min(self.equity - self.liquidation_end_margin, maintenance)
            if purpose is MarginPurpose.LIQUIDATION_END:
                return end
            return min(self.equity_initial - self.initial_margin, end)

    @property
    def maintenance_excess(self) -> Decimal:
        """Equity minus the maintenance margin, times the venue's trigger level."""
        return self.excess(MarginPurpose.MAINTENANCE)

    @property
    def margin_ratio(self) -> Ratio:
        """Maintenance margin over equity: liquidation at one over the trigger level."""
        return self._over_equity(self.maintenance_margin)

    @property
    def utilisation(self) -> Ratio:
        """Initial margin over equity."""
        return self._over_equity(self.initial_margin)

    @property
    def effective_leverage(self) -> Ratio:
        """Sum of notionals over equity."""
        with exact():
            dark = next((p for p in self.positions if p.exposure is None), None)
            if dark is not None:
                symbol = dark.position.instrument
                return Ratio(value=None, reason=f"no price of the underlying of {symbol}")
            return self._over_equity(_notional(self.positions, self.assets))

    @property
    def health(self) -> Ratio:
        """Equity over maintenance margin: liquidation at the trigger level."""
        if self.maintenance_margin <= ZERO:
            return Ratio(value=None, reason="no maintenance margin is required")
        with exact():
            return Ratio(value=self.equity / self.maintenance_margin)

    @property
    def available(self) -> Decimal:
        """What can open new risk: initial excess, not below zero."""
        return max(ZERO, self.excess(MarginPurpose.INITIAL))

    @property
    def withdrawable(self) -> Decimal:
        """What can leave: `excess_to_leave`, not below zero."""
        return max(ZERO, self.excess_to_leave)

    @property
    def excess_to_leave(self) -> Decimal:
        """Initial excess without counting unrealised profit: below zero, nothing may leave.

        The whole initial excess where the venue lets profit leave. Equity less `margin_to_stay`
        where that is smaller.
        """
        with exact():
            excess = self.excess(MarginPurpose.INITIAL)
            if self.margin_to_stay:
                excess = min(excess, self.equity_initial - self.margin_to_stay)
            return excess if self.withdraws_profit else excess - self.profit

    def _over_equity(self, amount: Decimal) -> Ratio:
        if self.equity <= ZERO:
            return Ratio(value=None, reason=f"equity is {self.equity:f}, not above zero")
        with exact():
            return Ratio(value=amount / self.equity)


def margin_report(unit: MarginUnit, market: Market, model: MarginModel) -> MarginReport:
    """Return the margin of `unit` at `market` under `model`, with every part of it.

    Args:
        unit: Balances, positions and orders that are margined together.
        market: One snapshot; every price the unit reads must be in it.
        model: The venue's terms.

    Raises:
        UnknownInstrument: A position in a contract the model has no terms for.
        UnknownAsset: A balance in an asset the model has no terms for.
        MissingMarkPrice: A price the unit reads is not in the snapshot.
        InvalidMark: A price is not a positive number.

    Source: docs/model.md, "Excess".
    """
    with exact():
        positions = tuple(position_margin(p, market, model) for p in unit.positions)
        orders = tuple(order_margin(o, positions, market, model) for o in unit.orders)
        groups = _group_margins(positions, model)
        assets = _asset_margins(unit, positions, (orders, groups), market, model)
        maintenance = sum((a.maintenance_margin * a.required_price for a in assets), ZERO)
        initial = sum((a.initial_margin * a.required_price for a in assets), ZERO)
        equity_initial = sum((a.collateral_value_initial * a.price for a in assets), ZERO)
        held = ((a.unrealized_pnl + a.option_value) * a.price for a in assets)
        cash = ((a.balance - a.accrued_interest) * a.price for a in assets)
        cut = _over_cap(positions, assets, model, MarginPurpose.INITIAL)
        profit = sum((a.profit_initial * a.price for a in assets), ZERO)
        return MarginReport(
            unit=unit,
            model_name=model.name,
            snapshot_id=market.snapshot_id,
            trigger=model.trigger,
            equity=sum((a.collateral_value * a.price for a in assets), ZERO)
            - _over_cap(positions, assets, model, MarginPurpose.MAINTENANCE),
            equity_initial=equity_initial - cut,
            equity_raw=sum(cash, sum(held, ZERO)),
            initial_margin=initial,
            liquidation_end_margin=maintenance * model.liquidation_end,
            maintenance_margin=maintenance,
            positions=positions,
            orders=orders,
            assets=assets,
            groups=groups,
            profit=max(ZERO, profit - cut),
            trigger_level=model.trigger_level,
            withdraws_profit=model.withdraw_profit,
            margin_to_stay=model.withdraw_notional * _notional(positions, assets)
            if model.withdraw_notional
            else ZERO,
        )


def maintenance_excess(
    unit: MarginUnit,
    market: Market,
    model: MarginModel,
    level: Decimal = ONE,
) -> Decimal:
    """Return equity minus `level` times the maintenance margin, in the valuation currency.

    The number every decision of the engine turns on, below zero where the unit is liquidatable: the
    model's `trigger_level` is part of the level. `level` above one watches for a warning.
    Equal to the report's to the last digit and a third of its work.
    Raises as `margin_report`.
    """
    capped = model.profit_terms(MarginPurpose.MAINTENANCE).cap is not None
    with exact():
        is_plain = not capped and model.group is None
        if is_plain and not (model.orders_in_maintenance and unit.orders):
            return plain_excess(unit, market, model, level * model.trigger_level)
        report = margin_report(unit, market, model)
        return report.equity - level * model.trigger_level * report.maintenance_margin


def position_facts(
    position: Position, terms: InstrumentTerms, notional: Decimal, market: Market
) -> PositionFacts:
    """Return what the initial rule of a position reads."""
    symbol = terms.instrument.symbol
    return PositionFacts(
        symbol=symbol,
        size=abs(position.size),
        notional=notional,
        leverage=position.leverage,
        open_interest=market.open_interest.get(symbol),
        rule=maintenance_rule(position, terms),
    )


def position_margin(position: Position, market: Market, model: MarginModel) -> PositionMargin:
    """Return the margin of one position, in its settle asset; reads no asset price.

    Raises as `margin_report`.
    """
    terms = model.instrument(position.instrument)
    if terms.option is not None:
        return _option_position(position, terms, market)
    instrument = terms.instrument
    value, notional = value_and_notional(position, terms, market)
    facts = position_facts(position, terms, notional, market)
    return PositionMargin(
        position=position,
        terms=terms,
        mark_price=market.mark(instrument.symbol),
        margin_price=price_paid(position, instrument)
        if terms.margin_price is MarginPrice.ENTRY
        else margin_price_of(terms, market),
        value=value,
        notional=notional,
        unrealized_pnl=value - position.cost,
        maintenance=facts.rule.requirement(facts.size, notional),
        initial=terms.initial.requirement(facts),
        close_fee=close_fee_amount(terms.close_fee, position, notional),
    )


def _option_position(position: Position, terms: InstrumentTerms, market: Market) -> PositionMargin:
    """Return the margin of one option; its notional is its value, its exposure the underlying's."""
    facts = option_facts(position, terms, market)
    rule = option_terms(terms).rule
    return PositionMargin(
        position=position,
        terms=terms,
        mark_price=facts.mark,
        margin_price=facts.mark,
        value=facts.value,
        notional=abs(facts.value),
        unrealized_pnl=facts.value - position.cost,
        maintenance=rule.maintenance(facts),
        initial=rule.initial(facts),
        close_fee=ZERO,
        option=facts,
    )


def _group_margins(
    positions: tuple[PositionMargin, ...], model: MarginModel
) -> tuple[GroupMargin, ...]:
    """Return what the venue asks less, or more, of options together than of each by itself."""
    if model.group is None:
        return ()
    return model.group.margins(
        [
            GroupMember(facts=p.option, initial=p.initial.amount, maintenance=p.maintenance.amount)
            for p in positions
            if p.option is not None
        ]
    )


def _asset_margins(
    unit: MarginUnit,
    positions: tuple[PositionMargin, ...],
    added: tuple[tuple[OrderMargin, ...], tuple[GroupMargin, ...]],
    market: Market,
    model: MarginModel,
) -> tuple[AssetMargin, ...]:
    orders = added[0]
    settles = dict.fromkeys((*(p.settle for p in positions), *(o.settle for o in orders)), ZERO)
    return tuple(
        _asset_margin(
            name,
            unit,
            [p for p in positions if p.settle == name],
            [row for rows in added for row in rows if row.settle == name],
            price_of(name, market, model),
            model,
        )
        for name in asset_names(unit, settles, model)
    )


def _asset_margin(
    name: str,
    unit: MarginUnit,
    positions: list[PositionMargin],
    added: list[OrderMargin | GroupMargin],
    price: Decimal,
    model: MarginModel,
) -> AssetMargin:
    terms = model.asset_in(unit.kind, name)
    cash = cash_of(unit, name)
    loss = sum((row.loss for row in added if isinstance(row, OrderMargin)), ZERO)
    profit = _profit(positions, model, MarginPurpose.MAINTENANCE)
    value, loan = collateral(terms.schedule, terms, cash, profit)
    initial = terms.schedule_for(MarginPurpose.INITIAL)
    gain = _profit(positions, model, MarginPurpose.INITIAL)
    value_initial, loan_initial = collateral(initial, terms, cash, gain)
    without, loan_without = collateral(initial, terms, cash, min(gain, ZERO))
    maintenance = sum((p.maintenance_margin for p in positions), ZERO)
    gross = gross_loan_margin(unit, terms)
    gross_initial = gross_loan_margin(unit, terms, MarginPurpose.INITIAL)
    return AssetMargin(
        asset=name,
        balance=unit.balances.get(name, ZERO),
        accrued_interest=unit.accrued_interest.get(name, ZERO),
        unrealized_pnl=sum((p.unrealized_pnl for p in positions if p.option is None), ZERO),
        counted=cash + profit,
        collateral_value=value,
        collateral_value_initial=value_initial - loss,
        maintenance_margin=maintenance + loan + gross + sum((r.maintenance for r in added), ZERO),
        initial_margin=sum((p.initial_margin for p in positions), ZERO)
        + loan_initial
        + gross_initial
        + sum((row.initial for row in added), ZERO),
        price=price,
        ask=terms.schedule.ask,
        profit_initial=(value_initial - initial.ask * loan_initial)
        - (without - initial.ask * loan_without),
        loan=unit.loans.get(name, ZERO),
        loan_margin=gross,
        loan_margin_initial=gross_initial,
        option_value=sum((p.value for p in positions if p.option is not None), ZERO),
    )


def _profit(
    positions: list[PositionMargin],
    model: MarginModel,
    purpose: MarginPurpose,
) -> Decimal:
    """Return the profit that counts for a purpose, before its cap, and the value of options."""
    weight = model.profit_terms(purpose).weight
    return sum((p.counted(weight) for p in positions), ZERO)


def _notional(
    positions: tuple[PositionMargin, ...],
    assets: tuple[AssetMargin, ...],
) -> Decimal:
    """Return the sum of what positions move with, valuation currency."""
    prices = {asset.asset: asset.price for asset in assets}
    return sum(((p.exposure or ZERO) * prices[p.settle] for p in positions), ZERO)


def _over_cap(
    positions: tuple[PositionMargin, ...],
    assets: tuple[AssetMargin, ...],
    model: MarginModel,
    purpose: MarginPurpose,
) -> Decimal:
    """Return how far the counted positive profit exceeds the purpose's cap."""
    terms = model.profit_terms(purpose)
    if terms.cap is None:
        return ZERO
    prices = {asset.asset: asset.price for asset in assets}
    futures = [p for p in positions if p.option is None]
    profits = (max(ZERO, p.unrealized_pnl) * terms.weight * prices[p.settle] for p in futures)
    return max(ZERO, sum(profits, ZERO) - terms.cap)
