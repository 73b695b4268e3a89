"""`keelmark check --bulk`: who of many is near, and which documents cannot be read."""

import json
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal

import click

from keelmark.accounts.bulk import BulkTerms, sources, summaries
from keelmark.accounts.check import Verdict
from keelmark.accounts.check_document import JsonTable
from keelmark.accounts.figures import figure, percent
from keelmark.cli.exit_codes import ExitCode
from keelmark.cli.painting import GAP, INDENT, painted, say, wrapped

SHOWN = 20
"""Accounts listed, the nearest first."""

CODES = (
    (Verdict.LIQUIDATABLE.value, ExitCode.LIQUIDATABLE),
    (None, ExitCode.BAD_INPUT),
    (Verdict.UNKNOWN.value, ExitCode.UNKNOWN),
    (Verdict.WARNING.value, ExitCode.WARNING),
)
"""The exit code is of the first verdict that any document has; `None` is of one without."""


def check_bulk(path: str, terms: BulkTerms, *, as_json: bool) -> ExitCode:
    """Print what many documents come to; JSON is one result a line, in their order.

    Args:
        path: A folder, or a file with one document a line.
        terms: How each is checked.
        as_json: Whether to print JSON lines instead of the table.

    Raises:
        InvalidInput: Nothing there can be read.
    """
    verdicts: Counter[object] = Counter()
    rows: list[JsonTable] = []
    for result in summaries(sources(path), terms):
        verdicts[result["verdict"]] += 1
        if as_json:
            click.echo(json.dumps(result))
        else:
            rows.append(result)
    if not as_json:
        _print_table(rows, verdicts)
    return next((code for verdict, code in CODES if verdicts[verdict]), ExitCode.OK)


def _print_table(rows: Sequence[JsonTable], verdicts: Counter[object]) -> None:
    """Print how many there are of each verdict, the nearest, and every problem."""
    named = [f"{verdicts[verdict.value]:,} {verdict.value}" for verdict in Verdict]
    unread = [row for row in rows if row["verdict"] is None]
    say(f"{len(rows):,} accounts: {', '.join(named)}, {len(unread):,} unreadable")
    stale = sum(_is_stale(row) for row in rows)
    if stale:
        say(
            painted(f"STALE: {stale:,} of them; `snapshot` of --json says how old each is", "AMBER")
        )
    nearest = sorted((row for row in rows if row["verdict"] is not None), key=_nearness)[:SHOWN]
    if nearest:
        say("")
        for line in _lines(nearest):
            say(line)
    for row in unread:
        for line in wrapped(f"{row['name']}: {row['error']}", 80):
            say(line)


def _is_stale(row: JsonTable) -> bool:
    snapshot = row.get("snapshot")
    return isinstance(snapshot, dict) and snapshot["is_stale"] is True


def _nearness(row: JsonTable) -> tuple[bool, Decimal]:
    distance = row["distance"]
    return (distance is None, Decimal(str(distance or 0)))


def _lines(rows: Sequence[JsonTable]) -> list[str]:
    heads = ("account", "level", "distance", "equity", "maintenance", "", "")
    cells = [heads, *(_cells(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(heads))]
    return [
        (INDENT + GAP.join(_padded(row, widths, is_head=row is heads))).rstrip() for row in cells
    ]


def _padded(row: Sequence[str], widths: Sequence[int], *, is_head: bool) -> list[str]:
    name, level, *numbers, currency, unit = row
    padded = [n.rjust(w) for n, w in zip(numbers, widths[2:-2], strict=True)]
    word = level.ljust(widths[1])
    last = (currency.ljust(widths[-2]), unit)
    return [name.ljust(widths[0]), word if is_head else painted(word, level), *padded, *last]


def _cells(row: JsonTable) -> tuple[str, ...]:
    """Return one account; where it has several units all numbers are of the worst, named last."""
    units = row.get("units")
    several = units if isinstance(units, list) else []
    own = next((u for u in several if isinstance(u, dict) and u["unit"] == row["unit"]), row)
    distance = own["distance"]
    return (
        str(row["name"]),
        str(row["level"] or "").upper(),
        "none" if distance is None else percent(Decimal(str(distance))),
        _figure(row.get("equity")),
        _figure(row.get("maintenance_margin")),
        str(row.get("currency") or ""),
        str(row["unit"]) if several else "",
    )


def _figure(value: object) -> str:
    return "unknown" if value is None else figure(Decimal(str(value)))
