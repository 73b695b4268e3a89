"""What a rulebook says of itself, as plain values."""

from collections.abc import Iterator
from typing import Any

from keelmark.book.universe import Universe, kernel_rule
from keelmark.core.codes import RuleKind
from keelmark.core.errors import InvalidInput, MissingTable
from keelmark.core.model import MarginPrice
from keelmark.rulebooks import Rulebook, rulebook_names
from keelmark.rulebooks.build import how_to_load
from keelmark.rulebooks.document import OptionDocument, SourcedDocument
from keelmark.rulebooks.extend import GROUPS, SINGLE_GROUPS

RULES = {
    "tiered": "notional * rate - amount by bracket",
    "whole_notional": "notional * rate of its bracket",
    "size_tiers": "notional * rate of the size's bracket",
    "size_scaled": "notional * (base + slope * size)",
}
"""What the maintenance rules are, in words."""


def summary(book: Rulebook) -> dict[str, Any]:
    """Return what the list of rulebooks says of one."""
    document, rules = book.document, book.liquidation
    return {
        "name": book.name,
        "source": document.source,
        "read": document.read,
        "valuation": book.model.valuation,
        "trigger": _trigger(book),
        "instruments": list(book.model.instruments),
        "assets": list(book.model.assets),
        "tables": {name: _kernel_face(book, name) for name in document.tables},
        "stages": [stage.value for stage in rules.stages],
        "policies": {
            "unit order": rules.unit_order.value,
            "sizing": rules.reduce.sizing,
            "position order": rules.reduce.order,
            "price limit": rules.reduce.price_limit,
            "deleverage": rules.deleverage,
            "socialise": rules.socialise,
        },
        "not_covered": list(document.not_covered),
    }


def facts_of(book: Rulebook) -> dict[str, Any]:
    """Return everything that is said about one rulebook."""
    return {
        **summary(book),
        "dates": [n for n in rulebook_names() if n.partition("@")[0] == book.document.name],
        "extends": list(book.extends),
        "formulas": dict(_formulas(book)),
        "engine": _why_not_engine(book),
        "sources": _sources(book),
    }


def _trigger(book: Rulebook) -> str:
    model = book.model
    times = f" {model.trigger_level.normalize():f} times" if model.trigger_level != 1 else ""
    return f"{model.trigger.value}{times}"


def _formulas(book: Rulebook) -> Iterator[tuple[str, str]]:
    """Yield which formulas the rulebook selects."""
    document, model = book.document, book.model
    rules = dict.fromkeys(table.rule for table in document.tables.values())
    yield "maintenance", "; ".join(RULES.get(rule, rule) for rule in rules) or "by document alone"
    prices = dict.fromkeys(t.margin_price for t in model.instruments.values())
    yield "requirements on", ", ".join(p.value for p in prices) or MarginPrice.MARK.value
    initial = dict.fromkeys(type(t.initial).__name__ for t in model.instruments.values())
    words = {
        "InitialRule": "notional / leverage",
        "RuleInitial": "a table of its own",
        "OpenInterestInitial": "a fraction that rises with open interest",
    }
    yield "initial", "; ".join(words.get(name, name) for name in initial) or words["InitialRule"]
    yield "units", "one per settle asset" if model.single_asset else "one across assets"
    sides = "apart, in hedge mode" if document.hedge_mode else "netted: hedge legs are refused"
    yield "both sides of one instrument", sides
    if not model.single_asset:
        bases = dict.fromkeys(t.haircut_base for t in model.assets.values())
        yield "haircuts on", ", ".join(base.value for base in bases)
        if document.ask_side:
            yield "debts and requirements", "at the ask: the price and the document's `ask_buffers`"
        if document.isolated_in_full:
            yield "isolated margin", "counts in full in its settle asset"
    if model.margins_gross_loans:
        yield "loans", "margin on all that is borrowed"
    for name, table in document.options.items():
        yield f"options {name}", _option_words(table)
    if document.group is not None:
        yield "options of one expiry", "the smaller of their sum and their largest loss together"
    if document.auto_exchange is not None:
        limits = document.auto_exchange.thresholds
        shown = ", ".join(f"{amount} {asset}" for asset, amount in limits.items())
        yield "auto-exchange below", shown


def _option_words(table: OptionDocument) -> str:
    """Return what a short option is asked, and whether its value counts; core alone decides it."""
    unit = f"max({table.initial:f} - OTM / {table.price.value}, {table.initial_floor:f})"
    value = "values count in equity" if table.value == "counted" else "values stand apart"
    return (
        f"short: initial {unit} of the underlying + mark, maintenance "
        f"{table.maintenance:f} + mark; {value}; core alone, no engine"
    )


def _kernel_face(book: Rulebook, table: str) -> str:
    """Return whether kernels screen a table's instruments or `core` decides them alone."""
    users = [s for s, row in book.document.instruments.items() if row.table == table]
    if not users:
        return "for symbols that are not listed"
    faces = {_face(book, symbol) for symbol in users}
    screened = "core alone" if RuleKind.CORE_ONLY in faces else "screened by kernels"
    return f"{', '.join(users)}: {screened}"


def _face(book: Rulebook, symbol: str) -> RuleKind:
    return kernel_rule(book.model.instruments[symbol], book.model)


def _why_not_engine(book: Rulebook) -> str | None:
    """Return why an engine cannot run the rulebook; `None` where it can."""
    if not book.model.instruments:
        return f"no instrument with a table: load one; {how_to_load(book.document)}"
    try:
        Universe.build(book.model)
    except (InvalidInput, MissingTable) as error:
        return str(error)
    return None


def _sources(book: Rulebook) -> list[dict[str, Any]]:
    """Return every source with the day it was read and the entries it is for."""
    found: dict[tuple[str, str | None], list[str]] = {}
    for name, entry in _entries(book):
        found.setdefault((entry.source, entry.read), []).append(name)
    return [
        {"source": source, "read": read, "entries": names}
        for (source, read), names in found.items()
    ]


def _entries(book: Rulebook) -> Iterator[tuple[str, SourcedDocument]]:
    for section in GROUPS:
        for name, entry in getattr(book.document, section).items():
            yield f"{section}.{name}", entry
    for section in SINGLE_GROUPS:
        entry = getattr(book.document, section)
        if entry is not None and entry.source:
            yield section, entry
