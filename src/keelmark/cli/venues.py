"""`keelmark venues`: which rulebooks there are, where their numbers come from, what is missing."""

import json
from typing import Any

import click

from keelmark.book.universe import kernel_rule
from keelmark.cli.options import json_option
from keelmark.core.codes import RuleKind
from keelmark.rulebooks import Rulebook, load_rulebook, rulebook_names


@click.command()
@click.argument("venue", required=False, metavar="[VENUE[@YYYY-MM]]")
@json_option
def venues(venue: str | None, as_json: bool) -> None:  # noqa: FBT001 an option
    """List the rulebooks, or say everything about one: name, VENUE@YYYY-MM or a TOML file."""
    if venue is None:
        rows = [summary(load_rulebook(name)) for name in rulebook_names()]
        click.echo(json.dumps(rows, indent=2) if as_json else "\n".join(map(_line, rows)))
        return
    facts = summary(load_rulebook(venue))
    click.echo(json.dumps(facts, indent=2) if as_json else _page(facts))


def summary(book: Rulebook) -> dict[str, Any]:
    """Return what a rulebook says of itself, as plain values."""
    document, rules = book.document, book.liquidation
    return {
        "name": book.name,
        "source": document.source,
        "read": document.read,
        "valuation": book.model.valuation,
        "trigger": book.model.trigger.value,
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


def _kernel_face(book: Rulebook, table: str) -> str:
    """Return whether kernels screen a table's instruments or `core` decides them alone."""
    users = [s for s, row in book.document.instruments.items() if row.table == table]
    if not users:
        return "for symbols that are not listed"
    faces = {kernel_rule(book.model.instruments[symbol], book.model) for symbol in users}
    screened = "core alone" if RuleKind.CORE_ONLY in faces else "screened by kernels"
    return f"{', '.join(users)}: {screened}"


def _line(row: dict[str, Any]) -> str:
    return f"{row['name']:<24} {_when(row) or 'own figures':<15}  {row['source']}"


def _when(row: dict[str, Any]) -> str:
    """Return when the source was read; empty where the figures are nobody else's."""
    return "" if row["read"] is None else f"read {row['read']}"


def _page(row: dict[str, Any]) -> str:
    when = _when(row)
    lines = [
        f"{row['name']}  valued in {row['valuation']}, liquidates {row['trigger']} maintenance",
        f"  source: {row['source']}{f' ({when})' if when else ''}",
        f"  instruments: {', '.join(row['instruments']) or 'by naming pattern'}",
        f"  assets: {', '.join(row['assets'])}",
        *(f"  table {name}: {text}" for name, text in row["tables"].items()),
        f"  stages: {' - '.join(row['stages'])}",
        *(f"  {what}: {name}" for what, name in row["policies"].items()),
    ]
    gaps = row["not_covered"] or ["the file does not say; its key `not_covered` is for that"]
    return "\n".join([*lines, "  not covered:", *(f"    - {gap}" for gap in gaps)])
