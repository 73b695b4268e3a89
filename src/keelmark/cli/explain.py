"""`keelmark explain`: where does this number come from?"""

import json
from dataclasses import replace

import click

from keelmark.accounts import Account
from keelmark.accounts.check_document import JsonTable, JsonValue, decimal_text
from keelmark.accounts.figures import exactly
from keelmark.accounts.prices import unpriced
from keelmark.cli.options import account_argument, account_of, json_option, rulebook_option
from keelmark.core.errors import InvalidInput, nearest
from keelmark.core.explain import ALIASES, explainable
from keelmark.core.explain import explain as explain_number
from keelmark.core.margin import margin_report
from keelmark.core.market import Market
from keelmark.core.numbers import ONE
from keelmark.core.unit import MarginUnit, Position
from keelmark.core.working import TierUsed, Working


@click.command()
@account_argument
@click.argument("number", required=False)
@json_option
@rulebook_option
@click.option("--unit", "unit_id", metavar="ID", help="Margin unit, where there are several.")
def explain(
    *,
    file: str,
    number: str | None,
    as_json: bool,
    rulebook: str | None,
    unit_id: str | None,
) -> None:
    """Show the working of NUMBER for the account in FILE; without it, list what can be shown.

    NUMBER is a total (equity, maintenance, excess, margin_ratio, ...), a price
    (liquidation_price:BTCUSDT, bankruptcy_price:BTCUSDT, joint_move) or a part
    (position:BTCUSDT.maintenance, asset:USDT.collateral_value).
    """
    account = account_of(file, rulebook)
    unit = unit_of(account, unit_id, number or "")
    if number is None:
        _print_list(account, unit, as_json=as_json)
        return
    market = _market_of(account, unit, number)
    working = explain_number(unit, market, account.model, number)
    if as_json:
        click.echo(json.dumps(working_document(working), indent=2))
    else:
        click.echo("\n".join(working_lines(working)))
        click.echo(f"\nrulebook {account.rulebook.name}; next: `keelmark explain {file}`")


def unit_of(account: Account, unit_id: str | None, number: str) -> MarginUnit:
    """Return the unit a number belongs to: the one named, the one that holds it, or the first.

    Raises:
        InvalidInput: There is no such unit, or no unit at all.
    """
    units = {unit.unit_id: unit for unit in account.units}
    if unit_id is not None:
        if unit_id not in units:
            msg = f"no margin unit {unit_id!r}; {nearest(unit_id, units)}"
            raise InvalidInput(msg)
        return units[unit_id]
    if not units:
        msg = "the account holds nothing: there is no number to explain"
        raise InvalidInput(msg)
    key = number.partition(":")[2]
    holders = [u for u in account.units if any(_is_named(p, key) for p in u.positions)]
    return (holders or account.units)[0]


def _is_named(position: Position, key: str) -> bool:
    """Whether what follows the colon of a number is of this position: `ETHUSDT/short.notional`."""
    names = (position.instrument, f"{position.instrument}/{position.leg.name.lower()}")
    return any(key == name or key.startswith(f"{name}.") for name in names)


def _market_of(account: Account, unit: MarginUnit, number: str) -> Market:
    """Return the market of a number: positions read no asset price, so a missing one may be any."""
    market = account.market
    if not number.startswith("position:"):
        return market
    missing = dict.fromkeys(unpriced(unit, market, account.model), ONE)
    return replace(market, asset_prices={**market.asset_prices, **missing})


def _print_list(account: Account, unit: MarginUnit, *, as_json: bool) -> None:
    names = explainable(margin_report(unit, account.market, account.model))
    if as_json:
        click.echo(json.dumps({"unit": unit.unit_id, "numbers": list(names)}, indent=2))
        return
    click.echo(f"{account.rulebook.name}  {unit.unit_id}: numbers that can be explained")
    for name in names:
        value = explain_number(unit, account.market, account.model, name)
        shown = value.note if value.value is None else f"{exactly(value.value)} {value.unit}"
        click.echo(f"  {name:<36} {shown}")
    aliases = ", ".join(sorted(ALIASES))
    click.echo(f"  also: {aliases}")
    others = [other.unit_id for other in account.units if other is not unit]
    if others:
        click.echo(f"  other units, by --unit: {', '.join(others)}")


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


def working_document(working: Working) -> JsonTable:
    """Return a working as JSON, decimals as text."""
    tier = working.tier
    inputs: JsonValue = {name: decimal_text(number) for name, number in working.inputs}
    return {
        "name": working.name,
        "value": decimal_text(working.value),
        "unit": working.unit,
        "formula": working.formula,
        "inputs": inputs,
        "tier": None if tier is None else _tier_document(tier),
        "rounding": working.rounding,
        "source": working.source,
        "note": working.note or None,
        "parts": [working_document(part) for part in working.parts],
    }


def _tier_document(tier: TierUsed) -> JsonTable:
    return {
        "number": None if tier.number is None else str(tier.number),
        "floor": decimal_text(tier.floor),
        "ceiling": decimal_text(tier.ceiling),
        "rate": decimal_text(tier.rate),
        "deduction": decimal_text(tier.deduction),
        "owner": tier.owner,
    }
