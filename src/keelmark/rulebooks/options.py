"""Option margin of a rulebook: `[options.NAME]`, `[group]`, and what a symbol says of an option."""

from decimal import Decimal, InvalidOperation

from keelmark.core.errors import InvalidDocument, nearest
from keelmark.core.groups import ExpiryOffset, GroupRule
from keelmark.core.instrument import Instrument
from keelmark.core.model import InstrumentTerms
from keelmark.core.option_rules import NoTable, OptionTerms, ShortOptionRule, SizeFactor
from keelmark.core.payoff import Right
from keelmark.rulebooks.document import OptionDocument, RulebookDocument

OPTION_RULES = ("short_option",)
GROUP_RULES = ("expiry_offset",)
VALUES = ("counted", "apart")


def option_terms(
    instrument: Instrument, name: str | None, document: RulebookDocument
) -> InstrumentTerms:
    """Return the terms of an option under a named table.

    Raises:
        InvalidDocument: The rulebook margins no options, or has no such table.
    """
    table = document.options.get(name or "")
    if table is None:
        text = f"no options table {name!r}; {nearest(name or '', document.options)}"
        if not document.options:
            text = "it margins no options (no [options] table); leave the position out"
        raise _refused(document.name, f"{instrument.symbol}: {text}")
    return InstrumentTerms(
        instrument=instrument,
        maintenance=NoTable(),
        option=OptionTerms(rule=_rule(table, document), counts_value=_counts(table, document)),
        source=f"{table.source} (read {table.read})" if table.read else table.source,
    )


def _rule(table: OptionDocument, document: RulebookDocument) -> ShortOptionRule:
    if table.rule not in OPTION_RULES:
        text = f"options: rule {table.rule!r}; {nearest(table.rule, OPTION_RULES)}"
        raise _refused(document.name, text)
    return ShortOptionRule(
        initial_share=table.initial,
        initial_floor=table.initial_floor,
        maintenance_share=table.maintenance,
        mark_shares=table.mark,
        fee=table.fee,
        price=table.price,
        at_least=table.at_least,
        counts_entry=table.counts_entry,
        factors=tuple(SizeFactor(floor=r.floor, factor=r.factor) for r in table.factors),
    )


def _counts(table: OptionDocument, document: RulebookDocument) -> bool:
    """Return whether values count in equity; raises where the word is unknown."""
    if table.value not in VALUES:
        text = f"options: value {table.value!r}; {nearest(table.value, VALUES)}"
        raise _refused(document.name, text)
    return table.value == "counted"


def group_rule(document: RulebookDocument) -> GroupRule | None:
    """Return the rule across positions; raises `InvalidDocument` where it is unknown."""
    table = document.group
    if table is None:
        return None
    if table.rule not in GROUP_RULES:
        text = f"group: rule {table.rule!r}; {nearest(table.rule, GROUP_RULES)}"
        raise _refused(document.name, text)
    return ExpiryOffset(
        naked_initial=table.naked_initial, naked_maintenance=table.naked_maintenance
    )


def named_right(text: str | None) -> Right | None:
    """Return the right a symbol names by its first letter."""
    return {"C": Right.CALL, "P": Right.PUT}.get((text or "")[:1].upper())


def named_strike(text: str | None) -> Decimal | None:
    """Return the strike a symbol names; Deribit writes its decimal point as `d`, Derive as `_`."""
    try:
        return Decimal((text or "").replace("d", ".").replace("_", "."))
    except InvalidOperation:
        return None


def _refused(name: str, problem: str) -> InvalidDocument:
    title = f"rulebook {name}"
    return InvalidDocument(title, [problem])
