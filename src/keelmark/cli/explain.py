"""`keelmark explain`: where does this number come from?"""

import json
from collections.abc import Iterator
from shlex import quote

import click

from keelmark.accounts import Account
from keelmark.accounts.explain import RESIDUAL, explain_account, unit_of
from keelmark.accounts.explain_document import (
    explain_document,
    numbers_document,
    residual_names,
    rules_source,
)
from keelmark.accounts.figures import exactly
from keelmark.cli.options import account_argument, account_of, json_option, rulebook_option
from keelmark.core.explain import ALIASES, PRICE_ALIASES, PRICES, explainable
from keelmark.core.margin import MarginReport, margin_report
from keelmark.core.unit import MarginUnit
from keelmark.core.working import TierUsed, Working


@click.command()
@account_argument
@click.argument("number", required=False)
@click.argument("instrument", required=False)
@json_option
@rulebook_option
@click.option("--unit", "unit_id", metavar="ID", help="Margin unit, where there are several.")
def explain(
    *,
    file: str,
    number: str | None,
    instrument: str | None,
    as_json: bool,
    rulebook: str | None,
    unit_id: str | None,
) -> None:
    """Show the working of NUMBER for the account in FILE; without it, list what can be shown.

    NUMBER is a total (equity, maintenance, excess, margin_ratio, withdrawable, joint_move,
    nearest_move, ...), with an INSTRUMENT one of its numbers (liquidation_price, distance,
    bankruptcy_price, naive_price, notional, unrealized_pnl, maintenance, initial), an asset's
    (asset:USDT.collateral_value), or why a figure of the venue differs (residual equity,
    residual liquidation_price:BTCUSDT). A colon does for the space: liquidation_price:BTCUSDT.
    """
    account = account_of(file, rulebook)
    if number is None:
        _print_list(account, unit_of(account, unit_id, ""), file, as_json=as_json)
        return
    asked = number if instrument is None else f"{number}:{instrument}"
    working = explain_account(account, asked, unit_id=unit_id)
    if as_json:
        click.echo(json.dumps(explain_document(account, working), indent=2))
        return
    click.echo("\n".join(working_lines(working)))
    click.echo(f"\nrulebook {account.rulebook.name}: {rules_source(account)}")
    click.echo(f"next: `keelmark explain {quote(file)}`")


def _print_list(account: Account, unit: MarginUnit, file: str, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(numbers_document(account, unit), indent=2))
        return
    report = margin_report(unit, account.market, account.model)
    figures = residual_names(account)
    click.echo("\n".join(_overview(account, unit, report, figures, quote(file))))


def _overview(
    account: Account, unit: MarginUnit, report: MarginReport, figures: list[str], file: str
) -> Iterator[str]:
    """Return everything that can be explained, with its value, what belongs together together."""
    yield f"{account.rulebook.name}  {unit.unit_id}: numbers that can be explained"
    names = explainable(report, account.model)
    yield from (_valued(account, unit, name) for name in names if ":" not in name)
    kinds = ("excess:", "coin_move:")
    yield from (_valued(account, unit, name) for name in names if name.startswith(kinds))
    for symbol in dict.fromkeys(p.position.instrument for p in report.positions):
        yield f"of {symbol}, as in `keelmark explain {file} {PRICES[0]} {symbol}`"
        own = [name for name in names if name.endswith(f":{symbol}") and ":" in name]
        own += [
            name
            for name in names
            if name.startswith((f"position:{symbol}.", f"position:{symbol}/"))
        ]
        yield from (_valued(account, unit, name) for name in own)
    yield "of an asset"
    yield from (_valued(account, unit, name) for name in names if name.startswith("asset:"))
    if figures:
        yield f"of the venue's own figures, as in `keelmark explain {file} {figures[0]}`"
        yield from (_valued(account, unit, name) for name in figures)
    others = [other.unit_id for other in account.units if other is not unit]
    if others:
        yield f"other units, by --unit: {', '.join(others)}"
    yield f"short names: {', '.join(sorted({*ALIASES, *PRICE_ALIASES, 'upnl'}))}"


def _valued(account: Account, unit: MarginUnit, name: str) -> str:
    found = explain_account(
        account, name, unit_id=None if name.startswith(RESIDUAL) else unit.unit_id
    )
    shown = found.note if found.value is None else f"{exactly(found.value)} {found.unit}"
    return f"  {name:<36} {shown}"


def working_lines(working: Working, depth: int = 0) -> list[str]:
    """Return a working as indented lines, its parts below it."""
    pad = "  " * depth
    value = "none" if working.value is None else f"{exactly(working.value)} {working.unit}"
    lines = [f"{pad}{working.name} = {value}", f"{pad}  = {working.formula}"]
    lines += [f"{pad}  {name} = {exactly(number)}" for name, number in working.inputs]
    if working.tier is not None:
        lines.append(f"{pad}  {tier_text(working.tier)}")
    if working.note:
        lines.append(f"{pad}  note: {working.note}")
    if depth == 0:
        lines.append(f"{pad}  rounding: {working.rounding}")
    if working.source:
        lines.append(f"{pad}  source: {working.source}")
    for part in working.parts:
        lines += working_lines(part, depth + 1)
    return lines


def tier_text(tier: TierUsed) -> str:
    """Return a row of a table in words."""
    row = f"rate {tier.rate:f}, deduction {tier.deduction:f}"
    if tier.number is None or tier.floor is None:
        return f"row: {row}"
    top = "no end" if tier.ceiling is None else exactly(tier.ceiling)
    return f"tier {tier.number} ({exactly(tier.floor)} to {top}; edge: {tier.owner}): {row}"
