"""`keelmark risk` on a book of documents: what many accounts can lose together."""

import json
from collections.abc import Iterator
from typing import Any

import click

from keelmark.accounts.bulk import sources
from keelmark.accounts.check_document import statistic_text
from keelmark.accounts.figures import brief
from keelmark.cli.exit_codes import ExitCode
from keelmark.cli.painting import GAP, INDENT, WIDTH, say, wrapped
from keelmark.risk.liquidation.result import days_text
from keelmark.risk.stress.words import decimal
from keelmark.risk.tail.accounts import FIGURES, AccountsRisk, BookRisk, History, risk_of_accounts

LEVELS = (0.95, 0.99)
NAMES = {
    "liquidated": "accounts liquidated",
    "notional": "notional liquidated (LaR)",
    "equity_lost": "lost by the liquidated",
    "deficit": "deficit, a fund's draw",
    "lost": "lost by all together",
}
NAMED = 10
"""Documents that are named with why they are left out."""


def print_book(
    path: str, history: History | None, *, days: float, seed: int, as_json: bool
) -> ExitCode:
    """Print what a book of documents can lose; return the code of its health now.

    Raises:
        InvalidInput: Nothing there can be read, or no coin has returns.
    """
    found = risk_of_accounts(sources(path), history, days=days, seed=seed)
    if as_json:
        click.echo(json.dumps(book_document(found), indent=2))
    else:
        for line in book_lines(found, path):
            say(line)
    if any(book.liquidatable_now for book in found.books.values()):
        return ExitCode.LIQUIDATABLE
    if found.unread:
        return ExitCode.BAD_INPUT
    return ExitCode.UNKNOWN if found.unknown else ExitCode.OK


def book_lines(found: AccountsRisk, path: str) -> Iterator[str]:
    """Return the view line by line, within eighty columns."""
    for book in found.books.values():
        count = "1 account" if book.accounts == 1 else f"{book.accounts:,} accounts"
        worth = f"worth {_amount(book.worth)} {book.currency}"
        due = f"{GAP}{book.liquidatable_now:,} liquidatable now" if book.liquidatable_now else ""
        yield f"{count}{GAP}{worth}{GAP}within {days_text(found.days)}{due}"
        yield from _table(book)
        yield from wrapped(_draw(book), WIDTH)
        yield ""
    for name, why in (*found.unread.items(), *found.unknown.items())[:NAMED]:
        yield from wrapped(f"{name}: left out, {why}", WIDTH)
    rest = len(found.unread) + len(found.unknown) - NAMED
    if rest > 0:
        yield f"and {rest:,} more left out"
    yield from wrapped(
        f"{found.scenarios:,} scenarios, seed {found.seed}, from {found.law.source}; prices are "
        "looked at once, at the horizon; closing costs nothing here; notional is that of now; "
        "pegs without returns hold",
        WIDTH,
    )
    for note in found.law.notes:
        yield from wrapped(f"note: {note}", WIDTH)
    yield f"next: `keelmark stress {path}`"


def _table(book: BookRisk) -> Iterator[str]:
    heads = ("mean", *(f"{level:.0%}".replace("%", " %") for level in LEVELS), "beyond 99 %")
    yield f"{INDENT}{'':<27}" + "".join(f"{head:>12}" for head in heads)
    for figure in FIGURES:
        mean = float(book.of(figure).mean())
        levels = (book.at_risk(figure, level) for level in LEVELS)
        cells = [mean, *levels, book.beyond(figure, LEVELS[-1])]
        yield (f"{INDENT}{NAMES[figure]:<27}" + "".join(f"{_cell(c, figure):>12}" for c in cells))


def _cell(value: float, figure: str) -> str:
    return f"{value:,.3g}" if figure == "liquidated" else _amount(value)


def _draw(book: BookRisk) -> str:
    deficit = book.of("deficit")
    share = float((deficit > 0.0).mean())
    return (
        f"a fund pays {_amount(book.expected_draw)} on average and something in "
        f"{100 * share:.3g} % of scenarios; {_amount(book.at_risk('deficit', 0.999))} covers 99.9 %"
    )


def book_document(found: AccountsRisk) -> dict[str, Any]:
    """Return the result as JSON; statistics are text of a float."""
    return {
        "horizon_days": statistic_text(found.days),
        "scenarios": found.scenarios,
        "seed": found.seed,
        "source": found.law.source,
        "books": [_book_document(book) for book in found.books.values()],
        "unread": dict(found.unread),
        "unknown": dict(found.unknown),
    }


def _book_document(book: BookRisk) -> dict[str, Any]:
    figures = {
        figure: {
            "mean": statistic_text(float(book.of(figure).mean())),
            **{f"{level:g}": statistic_text(book.at_risk(figure, level)) for level in LEVELS},
            "beyond_0.99": statistic_text(book.beyond(figure, LEVELS[-1])),
        }
        for figure in FIGURES
    }
    return {
        "currency": book.currency,
        "accounts": book.accounts,
        "worth": statistic_text(book.worth),
        "liquidatable_now": book.liquidatable_now,
        "expected_draw": statistic_text(book.expected_draw),
        "fund_for_0.999": statistic_text(book.at_risk("deficit", 0.999)),
        "figures": figures,
    }


def _amount(value: float) -> str:
    return brief(decimal(value)) if abs(value) > 1e-9 else "0"  # noqa: PLR2004 rounding
