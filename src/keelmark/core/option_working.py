"""How the numbers of an option came about, and those of options margined together."""

from decimal import Decimal
from typing import TYPE_CHECKING

from keelmark.core.groups import GroupMargin
from keelmark.core.option_margin import option_terms
from keelmark.core.option_rules import OptionFacts

if TYPE_CHECKING:
    from keelmark.core.margin import PositionMargin

Inputs = tuple[tuple[str, Decimal], ...]


def option_formula(held: "PositionMargin", facts: OptionFacts, *, initial: bool) -> str:
    """Return the formula of a requirement, with the venue's numbers."""
    return option_terms(held.terms).rule.formula(facts, initial=initial)


def option_inputs(held: "PositionMargin", facts: OptionFacts) -> Inputs:
    """Return what a requirement reads; prices that are unknown or not read are left out."""
    payoff = facts.instrument.payoff
    reads_index = option_terms(held.terms).rule.reads_index(facts.instrument)
    named: list[tuple[str, Decimal | None]] = [
        ("units", facts.units),
        ("mark", facts.mark),
        ("entry", facts.entry),
        ("forward", facts.forward),
        ("index", facts.index if reads_index else None),
        ("strike", None if payoff is None else payoff.strike),
    ]
    return tuple((name, value) for name, value in named if value is not None)


def exposure_formula(facts: OptionFacts) -> tuple[str, Inputs]:
    """Return how the exposure of an option came about."""
    inputs = (("size", abs(facts.size)), ("contract_size", facts.instrument.contract_size))
    price = facts.index if facts.forward is None else facts.forward
    if facts.exposure == facts.units or price is None:
        return "abs(size) * contract_size", inputs
    return "abs(size) * contract_size * forward", (*inputs, ("forward", price))


def group_name(group: GroupMargin, *, initial: bool) -> str:
    """Return the name of a group's number."""
    return f"group:{group.name}.{'initial' if initial else 'maintenance'}"
