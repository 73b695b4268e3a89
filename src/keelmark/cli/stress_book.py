"""`keelmark stress` on a book of documents: per scenario who falls, what is lost and missing."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from keelmark.accounts.bulk import sources
from keelmark.accounts.check_document import JsonTable, statistic_text
from keelmark.accounts.figures import brief
from keelmark.cli.exit_codes import ExitCode
from keelmark.cli.painting import GAP, INDENT, WIDTH, say, wrapped
from keelmark.cli.progress import progress_bar
from keelmark.core.errors import InvalidInput
from keelmark.risk.stress.library import StressScenario
from keelmark.risk.stress.many import FIGURES, BookStress, BookTotals, stress_many
from keelmark.risk.stress.moves import require_known
from keelmark.risk.stress.words import DEFICIT, decimal

HEADS = ("scenario", "accounts", "notional", "lost", "deficit", "largest deficit")
UNREAD = 10
"""Documents that cannot be read named in the table."""
COINS = 8


def print_book(path: str, wanted: Sequence[StressScenario], given: Mapping[str, Any]) -> ExitCode:
    """Print a book under stress; return what `check --bulk` would: of the accounts now.

    Args:
        path: A folder, or a file with one document a line.
        wanted: Scenarios.
        given: `scale`, `as_json`, and `moves`: the coin that they move, if it is they.

    Raises:
        InvalidInput: Nothing there can be read, or nobody holds the coin that is to move.
    """
    scale = given["scale"]
    with progress_bar(hidden=given["as_json"]) as part:
        bar = part("")
        found = stress_many(
            sources(path), wanted, scale=scale, tell=lambda done, all_: bar("accounts", done, all_)
        )
    if not found.totals:
        first = next(iter(found.unread.items()), None)
        why = "it holds no document" if first is None else f"{first[0]}: {first[1]}"
        msg = f"{path}: no account can be stressed; {why}"
        raise InvalidInput(msg)
    if given["moves"] is not None:
        require_known(given["moves"], found.coins)
    if given["as_json"]:
        click.echo(json.dumps(book_document(found, scale), indent=2))
    else:
        for line in book_lines(found, path, scale):
            say(line)
    return _code(found)


def _code(found: BookStress) -> ExitCode:
    if any(totals.liquidatable_now for totals in found.totals.values()):
        return ExitCode.LIQUIDATABLE
    if found.unread:
        return ExitCode.BAD_INPUT
    return ExitCode.UNKNOWN if found.unknown else ExitCode.OK


def book_lines(found: BookStress, path: str, scale: float) -> Iterator[str]:
    """Return the view line by line, within eighty columns."""
    times = "" if scale == 1.0 else f"{GAP}every shock times {scale:g}"
    for at, totals in enumerate(found.totals.values()):
        unread = f", {len(found.unread):,} unreadable" if found.unread and not at else ""
        equity = f"equity {brief(decimal(totals.equity))} {totals.currency}"
        count = "1 account" if totals.accounts == 1 else f"{totals.accounts:,} accounts"
        yield f"{count}{unread}{GAP}{equity}{times}"
        yield from _table(found, totals)
        yield from wrapped(_most(found, totals), WIDTH)
        yield ""
    for name, why in list(found.unread.items())[:UNREAD]:
        yield from wrapped(f"{name}: {why}", WIDTH)
    for name, why in list(found.unknown.items())[:UNREAD]:
        yield from wrapped(f"{name}: UNKNOWN, {why}", WIDTH)
    for note in _notes(found):
        yield from wrapped(f"note: {note}", WIDTH)
    yield click.style(f"{INDENT}next: `keelmark check --bulk {path}` says who is near", dim=True)


def _table(found: BookStress, totals: BookTotals) -> Iterator[str]:
    cells = [
        ("now", f"{totals.liquidatable_now:,}", "", "", "", ""),
        *(_cells(row.name, at, totals) for at, row in enumerate(found.wanted)),
    ]
    table = [HEADS, *cells]
    widths = [max(len(row[i]) for row in table) for i in range(len(HEADS))]
    for name, *rest in table:
        numbers = [c.rjust(w) for c, w in zip(rest[:-1], widths[1:-1], strict=True)]
        line = INDENT + GAP.join((name.ljust(widths[0]), *numbers, ""))
        most = rest[-1]
        if len(line) + len(most) > WIDTH:
            most = most.partition(":")[0]
        yield (line + most)[:WIDTH].rstrip()


def _most(found: BookStress, totals: BookTotals) -> str:
    """Return the most that liquidated units lose of their own, and the most that is missing."""
    told: list[str] = []
    for figure, words in (
        ("equity_lost", "liquidated units lose of what they were worth at most"),
        ("deficit", "a fund that pays deficits would pay at most"),
    ):
        amounts = totals.values[:, FIGURES.index(figure)]
        worst = int(amounts.argmax())
        where = f" ({found.wanted[worst].name})" if amounts[worst] else ""
        told.append(f"{words} {_amount(float(amounts[worst]))}{where}")
    return "; ".join(told)


def _cells(name: str, at: int, totals: BookTotals) -> tuple[str, ...]:
    figures = dict(zip(FIGURES, totals.values[at].tolist(), strict=True))
    worst = totals.worst_name[at]
    return (
        name,
        f"{figures['liquidated']:,.0f}",
        _amount(figures["notional"]),
        _amount(figures["lost"]),
        _amount(figures["deficit"]),
        f"{worst}: {_amount(float(totals.worst[at]))}" if worst else "",
    )


def _amount(value: float) -> str:
    return brief(decimal(value)) if value else "0"


def _notes(found: BookStress) -> Iterator[str]:
    yield (
        "accounts: with a unit that is liquidated; notional: of such units, at the marks after, of "
        "options their underlying; lost: by the accounts that lose"
    )
    if found.stand_ins:
        common = [f"{coin} ({count:,})" for coin, count in found.stand_ins.most_common(COINS)]
        more = len(found.stand_ins) - len(common)
        rest = f" and {more} more" if more > 0 else ""
        yield (
            f"coins that took a figure not their own in some scenario, with how many accounts hold "
            f"them: {', '.join(common)}{rest}"
        )
    yield f"{DEFICIT}, closing costs included"
    yield "no mean over scenarios is told: the library gives them no probabilities"


def book_document(found: BookStress, scale: float) -> JsonTable:
    """Return the machine-readable result."""
    groups: list[JsonTable] = []
    for totals in found.totals.values():
        rows: list[JsonTable] = []
        for at, scenario in enumerate(found.wanted):
            figures = dict(zip(FIGURES, totals.values[at].tolist(), strict=True))
            rows.append(
                {
                    "name": scenario.name,
                    "title": scenario.title,
                    "accounts_liquidated": f"{figures['liquidated']:.0f}",
                    "liquidated_notional": statistic_text(figures["notional"]),
                    "lost": statistic_text(figures["lost"]),
                    "gained": statistic_text(figures["gained"]),
                    "equity_lost_by_liquidated": statistic_text(figures["equity_lost"]),
                    "deficit": statistic_text(figures["deficit"]),
                    "deficit_max": statistic_text(float(totals.worst[at])),
                    "deficit_max_account": totals.worst_name[at] or None,
                }
            )
        groups.append(
            {
                "currency": totals.currency,
                "accounts": str(totals.accounts),
                "equity": statistic_text(totals.equity),
                "accounts_liquidatable_now": str(totals.liquidatable_now),
                "scenarios": [*rows],
            }
        )
    return {
        "scale": statistic_text(scale),
        "groups": [*groups],
        "stand_ins": {coin: str(count) for coin, count in sorted(found.stand_ins.items())},
        "unread": dict(found.unread.items()),
        "unknown": dict(found.unknown.items()),
    }
