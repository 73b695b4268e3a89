"""How a number came about, as a value: formula, inputs, row of the table, rounding, source, parts.

This module works out the numbers of one position and one asset; `core.explain` those of the unit.
"""

from dataclasses import dataclass
from decimal import Decimal

from keelmark.core.coin_rule import CoinScaledRule
from keelmark.core.groups import GroupMargin
from keelmark.core.margin import AssetMargin, PositionMargin
from keelmark.core.model import AssetTerms, CloseFeeBasis, HaircutBase
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.core.option_rules import OptionFacts
from keelmark.core.option_working import (
    exposure_formula,
    group_name,
    option_formula,
    option_inputs,
)
from keelmark.core.quantum_rule import QuantumRule
from keelmark.core.rules import SizeScaledRule, SizeTierRule, Tier, TieredRule, WholeNotionalRule

UNROUNDED = "none: exact decimals of 60 digits"

OWN_NUMBERS = "the account document"
"""Source of sizes, costs and prices: no rulebook knows them."""

OWN_IN_CONTRACTS = f"{OWN_NUMBERS}; contract_size: the rulebook, or `spec`"
"""The same of numbers that the size of a contract is part of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TierUsed:
    """The row of a table that gave a requirement.

    Attributes:
        number: Counted from one; `None` for a row of the venue itself or a formula of the size.
        rate: Fraction of notional.
        deduction: Amount subtracted.
        floor: Lower edge.
        ceiling: Upper edge, `None` in the last row.
        owner: Which row owns an edge.
    """

    rate: Decimal
    deduction: Decimal
    number: int | None = None
    floor: Decimal | None = None
    ceiling: Decimal | None = None
    owner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Working:
    """One number with everything it came from.

    Attributes:
        name: The number, as `explain` is asked for it.
        value: The number; `None` where there is none, `note` then says why.
        unit: What it is counted in.
        formula: In the terms of the glossary.
        inputs: What the formula reads, by name.
        tier: Row of the bracket table, where one was used.
        rounding: How it was rounded.
        source: Where formula and parameters were read.
        note: What a reader should know: a clamp that was used, a reason for a missing number.
        parts: The numbers it is made of, with their own workings.
    """

    name: str
    value: Decimal | None
    unit: str
    formula: str
    inputs: tuple[tuple[str, Decimal], ...] = ()
    tier: TierUsed | None = None
    rounding: str = UNROUNDED
    source: str = ""
    note: str = ""
    parts: tuple["Working", ...] = ()


def leg_name(held: PositionMargin) -> str:
    """Return the name of a position: its symbol, with the leg in hedge mode."""
    leg = held.position.leg
    suffix = f"/{leg.name.lower()}" if leg else ""
    return f"{held.position.instrument}{suffix}"


def tier_used(held: PositionMargin) -> TierUsed:
    """Return the row that gave the maintenance requirement of a position."""
    row = held.maintenance
    used = TierUsed(rate=row.rate, deduction=row.deduction)
    rule = held.terms.maintenance
    if held.position.tier is not None or isinstance(rule, SizeScaledRule):
        return used
    if not isinstance(rule, TieredRule | WholeNotionalRule | SizeTierRule):
        return used
    tiers: tuple[Tier, ...] = rule.tiers
    return TierUsed(
        rate=row.rate,
        deduction=row.deduction,
        number=row.tier + 1,
        floor=tiers[row.tier].floor,
        ceiling=tiers[row.tier + 1].floor if row.tier + 1 < len(tiers) else None,
        owner="upper row" if rule.edge_upper else "lower row",
    )


def value_working(held: PositionMargin) -> Working:
    """Return how a position's value at the mark came about."""
    instrument = held.terms.instrument
    inverse = instrument.is_inverse
    return Working(
        name=f"position:{leg_name(held)}.value",
        value=held.value,
        unit=held.settle,
        formula="-size * contract_size / mark" if inverse else "size * contract_size * mark",
        inputs=(
            ("size", held.position.size),
            ("contract_size", instrument.contract_size),
            ("mark", held.mark_price),
        ),
        source=OWN_IN_CONTRACTS,
    )


def notional_working(held: PositionMargin) -> Working:
    """Return how a position's notional came about; of an option, its underlying's."""
    if held.option is not None:
        formula, inputs = exposure_formula(held.option)
        return Working(
            name=f"position:{leg_name(held)}.notional",
            value=held.exposure,
            unit=held.settle,
            formula=formula,
            inputs=inputs,
            source=OWN_NUMBERS,
        )
    price = held.terms.margin_price.value
    return Working(
        name=f"position:{leg_name(held)}.notional",
        value=held.notional,
        unit=held.settle,
        formula=f"abs(value at the {price})",
        inputs=(
            ("size", held.position.size),
            ("contract_size", held.terms.instrument.contract_size),
            (price, held.margin_price),
        ),
        source=OWN_IN_CONTRACTS,
    )


def profit_working(held: PositionMargin) -> Working:
    """Return how a position's unrealised profit came about."""
    return Working(
        name=f"position:{leg_name(held)}.unrealized_pnl",
        value=held.unrealized_pnl,
        unit=held.settle,
        formula="value - cost",
        inputs=(("cost", held.position.cost),),
        source=OWN_NUMBERS,
        parts=(value_working(held),),
    )


def maintenance_working(held: PositionMargin) -> Working:
    """Return how a position's maintenance margin came about."""
    if held.option is not None:
        return _option_requirement(held, held.option, initial=False)
    rule = held.terms.maintenance
    formula = "notional * rate - deduction"
    note = ""
    if held.position.tier is not None:
        formula, note = "max(0, notional * rate - deduction)", "the venue's own row, at every price"
    elif isinstance(rule, SizeScaledRule):
        formula = "notional * (base + slope * size)"
        note = f"base {rule.base:f}, slope {rule.slope:f}"
    elif isinstance(rule, WholeNotionalRule | SizeTierRule):
        formula = "notional * rate"
        note = "the row is chosen by size" if isinstance(rule, SizeTierRule) else ""
    elif isinstance(rule, CoinScaledRule):
        formula = "notional * (base + slope * notional)"
        note = f"base {rule.base:f}, slope {rule.slope:f}"
    elif isinstance(rule, QuantumRule):
        formula = "fraction * (notional * initial rate, rounded up), rounded up"
        note = f"initial rate {rule.initial:f}, fraction {rule.fraction:f}, in {rule.quantum:f}"
    return Working(
        name=f"position:{leg_name(held)}.maintenance",
        value=held.maintenance_margin,
        unit=held.settle,
        formula=formula + (" + close_fee" if held.close_fee else ""),
        inputs=(("notional", held.notional), ("close_fee", held.close_fee)),
        tier=tier_used(held),
        source=held.terms.source if held.position.tier is None else OWN_NUMBERS,
        note=note,
        parts=(notional_working(held), *_fee_parts(held)),
    )


def initial_working(held: PositionMargin) -> Working:
    """Return how a position's initial margin came about."""
    if held.option is not None:
        return _option_requirement(held, held.option, initial=True)
    leverage = held.position.leverage
    rate = held.initial.rate
    formula, inputs = "notional * rate", (("rate", rate),)
    note = "no leverage is set: the largest the table allows"
    if leverage is not None:
        formula, inputs, note = "notional / leverage", (("leverage", leverage),), ""
        with exact():
            if rate * leverage != 1:
                formula, note = "notional * rate", "the venue asks more than the leverage set"
    return Working(
        name=f"position:{leg_name(held)}.initial",
        value=held.initial_margin,
        unit=held.settle,
        formula=formula + (" + close_fee" if held.close_fee_initial else ""),
        inputs=(("notional", held.notional), *inputs, ("close_fee", held.close_fee_initial)),
        source=held.terms.source,
        note=note,
        parts=(notional_working(held), *(_fee_parts(held) if held.close_fee_initial else ())),
    )


def _option_requirement(held: PositionMargin, facts: OptionFacts, *, initial: bool) -> Working:
    """Return how a requirement of an option came about."""
    return Working(
        name=f"position:{leg_name(held)}.{'initial' if initial else 'maintenance'}",
        value=held.initial_margin if initial else held.maintenance_margin,
        unit=held.settle,
        formula=option_formula(held, facts, initial=initial),
        inputs=option_inputs(held, facts),
        source=held.terms.source,
    )


def group_working(group: GroupMargin, source: str, *, initial: bool) -> Working:
    """Return how what options together change came about."""
    return Working(
        name=group_name(group, initial=initial),
        value=group.initial if initial else group.maintenance,
        unit=group.settle,
        formula=group.formula,
        inputs=group.inputs,
        source=source,
    )


def fee_working(held: PositionMargin) -> Working:
    """Return how the fee to close inside the requirements came about."""
    fee = held.terms.close_fee
    rate = fee.rate if fee else ZERO
    formula = "rate * notional"
    if fee and fee.basis is CloseFeeBasis.BANKRUPTCY and held.position.leverage is not None:
        formula = "rate * abs(cost) * (1 - side / leverage)"
    return Working(
        name=f"position:{leg_name(held)}.close_fee",
        value=held.close_fee,
        unit=held.settle,
        formula=formula if fee else "none: the venue counts no fee to close",
        inputs=(("rate", rate),),
        source=held.terms.source,
    )


POSITION_WORKINGS = {
    "value": value_working,
    "notional": notional_working,
    "unrealized_pnl": profit_working,
    "maintenance": maintenance_working,
    "initial": initial_working,
    "close_fee": fee_working,
}


def collateral_working(asset: AssetMargin, terms: AssetTerms, *, initial: bool) -> Working:
    """Return how an asset's collateral value came about, in valuation currency."""
    value = asset.collateral_value_initial if initial else asset.collateral_value
    on_balance = terms.haircut_base is HaircutBase.BALANCE
    base = "balance - accrued_interest" if on_balance else "counted"
    with exact():
        worth = value * asset.price
    return Working(
        name=f"asset:{asset.asset}.collateral_value{'_initial' if initial else ''}",
        value=worth,
        unit="valuation currency",
        formula=f"price * (weighted({base}){' + counted profit' if on_balance else ''})",
        inputs=(
            ("price", asset.price),
            ("balance", asset.balance),
            ("accrued_interest", asset.accrued_interest),
            ("unrealized_pnl", asset.unrealized_pnl),
            *((("option_value", asset.option_value),) if asset.option_value else ()),
            ("counted", asset.counted),
            ("weighted value", value),
        ),
        source=terms.source,
        note=_weights(terms),
    )


def _weights(terms: AssetTerms) -> str:
    """Return the haircut schedule in words."""
    rows = (f"{t.weight:f} above {t.floor:f}" for t in terms.schedule.tiers)
    text = "weights by quantity: " + ", ".join(rows)
    loan = terms.schedule.loan_rate
    ask = terms.schedule.ask
    text += f"; a debt counts at {ask:f} times the price" if ask != ONE else ""
    return text + (f"; a debt needs {loan:f} of itself as margin" if loan else "")


def _fee_parts(held: PositionMargin) -> tuple[Working, ...]:
    return (fee_working(held),) if held.close_fee else ()
