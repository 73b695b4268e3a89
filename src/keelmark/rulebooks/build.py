"""Turn a rulebook document into the values `core` and the engine are handed."""

import re
from dataclasses import fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple, TypeVar

import msgspec

from keelmark.core.coin_rule import CoinScaledRule
from keelmark.core.collateral import (
    FULL_VALUE,
    CollateralSchedule,
    HaircutTier,
    UnknownWeights,
)
from keelmark.core.errors import InvalidDocument, UnknownInstrument, nearest
from keelmark.core.instrument import Instrument, InstrumentKind
from keelmark.core.model import (
    AssetTerms,
    CloseFee,
    InitialRule,
    InstrumentTerms,
    MarginModel,
    MarginPrice,
    OpenInterestInitial,
    ProfitTerms,
    RuleInitial,
)
from keelmark.core.numbers import exact
from keelmark.core.payoff import Right, Vanilla
from keelmark.core.process import (
    GuardRules,
    InsuranceRules,
    LiquidationRules,
    MarginCallRules,
    ReduceRules,
    TakeoverRules,
    WarnRules,
)
from keelmark.core.quantum_rule import QuantumRule
from keelmark.core.rules import (
    MaintenanceRule,
    SizeScaledRule,
    SizeTierRule,
    Tier,
    TieredRule,
    UnknownRule,
    WholeNotionalRule,
    with_deductions,
)
from keelmark.rulebooks.document import (
    AssetDocument,
    CloseFeeDocument,
    InitialDocument,
    InstrumentDocument,
    LiquidationDocument,
    RulebookDocument,
    SourcedDocument,
    TableDocument,
    TierRow,
    WeightRow,
)
from keelmark.rulebooks.options import group_rule, named_right, named_strike, option_terms

RULES = ("tiered", "whole_notional", "size_tiers", "size_scaled", "coin_scaled", "whole_quanta")
INITIAL_RULES = ("leverage", "table", "open_interest")
EDGE_OWNERS = ("lower", "upper")
IMPORTED = "-imported"
"""Ending of the name of a rulebook made from a venue's full bracket table."""

EXPIRY_FORMS = ("%y%m%d", "%Y%m%d", "%d%b%y")

T = TypeVar("T")


def margin_model(document: RulebookDocument) -> MarginModel:
    """Return the margin terms of a rulebook.

    Raises:
        InvalidDocument: A table, rule or edge owner the document names does not exist.
        InvalidInput: A table's numbers contradict each other.
    """
    if document.edge_owner not in EDGE_OWNERS:
        hint = nearest(document.edge_owner, EDGE_OWNERS)
        raise _refused(document.name, f"edge_owner {document.edge_owner!r}; {hint}")
    return MarginModel(
        name=f"{document.name}@{document.date}",
        instruments={
            symbol: instrument_terms(symbol, row, document)
            for symbol, row in document.instruments.items()
        },
        assets={name: asset_terms(name, row) for name, row in document.assets.items()},
        valuation=document.valuation,
        par=document.par,
        trigger=document.trigger,
        trigger_level=document.trigger_level,
        liquidation_end=document.liquidation_end,
        profit={
            purpose: ProfitTerms(weight=row.weight, cap=row.cap)
            for purpose, row in document.profit.items()
        },
        orders_in_maintenance=document.orders_in_maintenance,
        single_asset=document.single_asset,
        withdraw_profit=document.withdraw_profit,
        withdraw_notional=document.withdraw_notional,
        liquidation_price_form=document.liquidation_price_form,
        group=group_rule(document),
    )


def liquidation_rules(document: LiquidationDocument) -> LiquidationRules:
    """Return the liquidation process of a rulebook."""
    return LiquidationRules(
        stages=document.stages,
        unit_order=document.unit_order,
        taker_fee=document.taker_fee,
        clearance_fee=document.clearance_fee,
        clearance_fee_cap=document.clearance_fee_cap,
        deleverage=document.deleverage,
        socialise=document.socialise,
        warn=_copied(document.warn, WarnRules),
        margin_call=_copied(document.margin_call, MarginCallRules),
        reduce=_copied(document.reduce, ReduceRules),
        takeover=_copied(document.takeover, TakeoverRules),
        insurance=_copied(document.insurance, InsuranceRules),
        guards=_copied(document.guards, GuardRules),
    )


def asset_terms(name: str, row: AssetDocument) -> AssetTerms:
    """Return the collateral terms of one asset."""
    initial = None
    schedule = CollateralSchedule(tiers=_weights(row.weights), loan_rate=row.loan_rate)
    if row.unknown_weights:
        why = f'no collateral weight of {name}; add "weight": "0.95" to its row in `collateral`'
        schedule = UnknownWeights(loan_rate=row.loan_rate, why=why)
    if row.initial_weights:
        initial = CollateralSchedule(tiers=_weights(row.initial_weights), loan_rate=row.loan_rate)
    return AssetTerms(
        asset=name,
        quantum=row.quantum,
        schedule=schedule,
        initial_schedule=initial,
        haircut_base=row.haircut_base,
        conversion_haircut=row.conversion_haircut,
        accrual_rate=row.accrual_rate,
        gross_loan_rate=row.gross_loan_rate,
        gross_loan_rate_initial=row.gross_loan_rate_initial,
        source=cited(row),
    )


def cited(row: SourcedDocument) -> str:
    """Return where an entry's numbers were read, with the day."""
    return f"{row.source} (read {row.read})" if row.read else row.source


def instrument_terms(
    symbol: str,
    row: InstrumentDocument,
    document: RulebookDocument,
) -> InstrumentTerms:
    """Return the terms of one instrument, gaps filled from the symbol and the defaults.

    Raises:
        UnknownInstrument: The symbol fits no pattern and the row does not say what it is.
        InvalidDocument: It names a table that does not exist.
    """
    contract = _contract(symbol, row, document)
    kind = document.kinds.get(contract.kind, InstrumentDocument())
    if contract.kind.is_option:
        row = filled(row, kind)
        row = msgspec.structs.replace(row, index=row.index or document.defaults.index)
        return option_terms(_instrument(symbol, contract, row), row.option, document)
    defaults = filled(kind, document.defaults)
    fee = row.close_fee or defaults.close_fee
    table = document.tables.get(row.table or defaults.table or "")
    origin = table or (row if row.source else defaults)
    return InstrumentTerms(
        instrument=_instrument(symbol, contract, filled(row, defaults)),
        maintenance=maintenance_rule(row.table or defaults.table, document, where=symbol),
        initial=_initial(row.initial or defaults.initial or InitialDocument(), document, symbol),
        margin_price=row.margin_price or defaults.margin_price or MarginPrice.MARK,
        close_fee=None if fee is None else _close_fee(fee),
        whole_quanta=_quantum(contract.settle, document) if document.whole_quanta else None,
        source=cited(origin),
    )


def _close_fee(row: CloseFeeDocument) -> CloseFee:
    return CloseFee(rate=row.rate, basis=row.basis, in_initial=row.in_initial)


def _index(name: str | None, contract: "Contract") -> str | None:
    """Return an index by name; `{base}` in it stands for the contract's own."""
    return None if name is None else name.replace("{base}", contract.base)


def filled(row: InstrumentDocument, fallback: InstrumentDocument) -> InstrumentDocument:
    """Return a row with the keys it leaves out taken from another; its source stays with it."""
    names = [name for name in row.__struct_fields__ if name not in {"source", "read"}]
    missing = {name: getattr(fallback, name) for name in names if getattr(row, name) is None}
    origin = {} if row.source else {"source": fallback.source, "read": fallback.read}
    return msgspec.structs.replace(row, **missing, **origin)


def _instrument(symbol: str, contract: "Contract", row: InstrumentDocument) -> Instrument:
    """Return the contract; of an option, with its payoff and the index of its underlying."""
    is_option = contract.kind.is_option
    payoff = None
    if is_option and contract.strike is not None and contract.right is not None:
        payoff = Vanilla(right=contract.right, strike=contract.strike)
    return Instrument(
        symbol=symbol,
        kind=contract.kind,
        base=contract.base,
        settle=contract.settle,
        contract_size=row.contract_size or Decimal(1),
        lot=row.lot or Decimal("0.001"),
        price_unit=row.price_unit or Decimal("0.01"),
        index=_index(row.index, contract) or (contract.base if is_option else None),
        expiry=contract.expiry,
        payoff=payoff,
    )


def maintenance_rule(
    name: str | None,
    document: RulebookDocument,
    *,
    where: str,
) -> MaintenanceRule:
    """Return the rule of a named table; without a name, the one that says what is missing."""
    if name is None:
        return _unknown(where, document)
    table = document.tables.get(name)
    if table is None:
        hint = nearest(name, document.tables)
        raise _refused(document.name, f"instruments.{where}.table: no table {name!r}; {hint}")
    return rule_of(table, edge_upper=document.edge_owner == "upper")


def _unknown(symbol: str, document: RulebookDocument) -> UnknownRule:
    """Return a rule that says which table is missing and the ways to give it."""
    missing = f"no bracket table for {symbol} in {document.name}@{document.date}"
    return UnknownRule(
        why=(
            f"{missing}; give each position the venue's own row, "
            '"tier": {"maintenance_rate": "...", "maintenance_amount": "..."}, or '
            f"{how_to_load(document)}"
        ),
        for_engine=f"{missing}, and an engine needs one: {how_to_load(document)}",
    )


def how_to_load(document: RulebookDocument) -> str:
    """Return how a rulebook comes by tables that it does not have."""
    own = "write a rulebook file that extends this one with the symbol's table"
    if document.bracket_rule is None:
        return own
    venue = document.name.removesuffix(IMPORTED)
    return (
        f"load the venue's full table: keelmark venues import FILE --venue {venue} "
        f"--date {document.date} --out my.toml; or {own}"
    )


def rule_of(table: TableDocument, *, edge_upper: bool) -> MaintenanceRule:
    """Return the rule a table describes."""
    if not table.rows:
        raise _refused(table.source or "table", "rows: empty; a table needs at least one row")
    if table.rule == "size_scaled":
        return SizeScaledRule(base=rate_of(table.rows[0], table), slope=table.slope)
    if table.rule == "coin_scaled":
        return CoinScaledRule(base=rate_of(table.rows[0], table), slope=table.slope)
    if table.rule == "whole_quanta":
        return _in_quanta(table)
    if table.rule == "tiered":
        return TieredRule(tiers=_continuous(table), edge_upper=edge_upper)
    tiers = tuple(
        Tier(floor=r.floor, rate=rate_of(r, table), leverage=r.leverage) for r in table.rows
    )
    if table.rule == "whole_notional":
        return WholeNotionalRule(tiers=tiers, edge_upper=edge_upper)
    if table.rule == "size_tiers":
        return SizeTierRule(tiers=tiers, edge_upper=edge_upper)
    raise _refused(table.source or "table", f"rule {table.rule!r}; {nearest(table.rule, RULES)}")


def _in_quanta(table: TableDocument) -> QuantumRule:
    if table.quantum is None:
        raise _refused(table.source or "table", "quantum: missing; `whole_quanta` rounds up to it")
    initial = rate_of(table.rows[0], table)
    return QuantumRule(initial=initial, fraction=table.fraction, quantum=table.quantum)


def rate_of(row: TierRow, table: TableDocument) -> Decimal:
    """Return the maintenance rate of a row; without one, half the initial rate at its leverage."""
    if row.rate is not None:
        return row.rate
    if row.leverage is None or not row.leverage > 0:
        raise _refused(table.source or "table", f"row at {row.floor}: give `rate` or `leverage`")
    with exact():
        return 1 / (2 * row.leverage)


def _continuous(table: TableDocument) -> tuple[Tier, ...]:
    """Return tiers with the venue's own amounts, or the continuous ones where none are given."""
    rates = [rate_of(row, table) for row in table.rows]
    floors = [row.floor for row in table.rows]
    derived = with_deductions(zip(floors, rates, strict=True))
    return tuple(
        Tier(
            floor=row.floor,
            rate=tier.rate,
            deduction=tier.deduction if row.amount is None else row.amount,
            leverage=row.leverage,
        )
        for row, tier in zip(table.rows, derived, strict=True)
    )


def _weights(rows: tuple[WeightRow, ...]) -> tuple[HaircutTier, ...]:
    return tuple(HaircutTier(floor=r.floor, weight=r.weight) for r in rows) or FULL_VALUE


def _quantum(asset: str, document: RulebookDocument) -> Decimal:
    """Return the quantum of an asset, from its own terms or the default ones."""
    return (document.assets.get(asset) or document.default_asset or AssetDocument()).quantum


def _initial(row: InitialDocument, document: RulebookDocument, where: str) -> InitialRule:
    if row.rule == "leverage":
        return InitialRule()
    if row.rule == "table":
        return RuleInitial(schedule=maintenance_rule(row.table, document, where=where))
    if row.rule == "open_interest":
        return OpenInterestInitial(
            base=row.base, lower=row.lower, upper=row.upper, quantum=row.quantum
        )
    hint = nearest(row.rule, INITIAL_RULES)
    raise _refused(document.name, f"instruments.{where}.initial.rule {row.rule!r}; {hint}")


class Contract(NamedTuple):
    """What a symbol stands for."""

    kind: InstrumentKind
    base: str
    settle: str
    expiry: datetime | None
    strike: Decimal | None
    right: Right | None


def _contract(
    symbol: str,
    row: InstrumentDocument,
    document: RulebookDocument,
) -> Contract:
    """Return what a symbol stands for, from its row or from the venue's naming pattern."""
    matched = None if row.kind and row.base and row.settle else _named(symbol, document)
    kind, parts = matched or (row.kind, {})
    base = row.base or parts.get("base")
    own = document.kinds.get(kind) if kind else None
    usual = (own.settle if own else None) or document.defaults.settle
    settle = row.settle or parts.get("settle") or usual or parts.get("base")
    if kind is None or base is None or settle is None:
        msg = (
            f"rulebook {document.name}: {symbol} fits none of its naming patterns; "
            "give it a `spec` with kind, base and settle"
        )
        raise UnknownInstrument(msg)
    return Contract(
        kind=row.kind or kind,
        base=base,
        settle=settle,
        expiry=row.expiry or _expiry(parts.get("expiry")),
        strike=row.strike or named_strike(parts.get("strike")),
        right=row.right or named_right(parts.get("right")),
    )


def _named(
    symbol: str, document: RulebookDocument
) -> tuple[InstrumentKind, dict[str, str | None]] | None:
    """Return the kind of the first naming pattern a symbol fits, with its groups."""
    for kind, pattern in document.symbols.items():
        match = re.fullmatch(pattern, symbol)
        if match:
            return kind, match.groupdict()
    return None


def _expiry(text: str | None) -> datetime | None:
    """Return the delivery a symbol names: that day (`250926`, `26SEP25`) at 08:00 UTC.

    Binance, Bybit, OKX and Deribit all deliver at that hour. A text that is no day names none.
    """
    for form in EXPIRY_FORMS if text else ():
        try:
            day = datetime.strptime(f"{text} +0000", f"{form} %z")
        except ValueError:
            continue
        return day + timedelta(hours=8)
    return None


def _refused(where: str, problem: str) -> InvalidDocument:
    title = f"rulebook {where}"
    return InvalidDocument(title, [problem])


def _copied(source: msgspec.Struct, target: type[T]) -> T:
    values = {f.name: getattr(source, f.name) for f in fields(target)}  # type: ignore[arg-type]  # every target is a dataclass
    return target(**values)
