"""`keelmark compare`: the same book by venue, and cross against isolated."""

import json
from decimal import Decimal

import click

from keelmark.cli.options import (
    account_argument,
    account_of,
    json_option,
    rulebook_option,
    warn_option,
)
from keelmark.risk.comparison import compare_modes, compare_venues


@click.command()
@account_argument
@json_option
@rulebook_option
@click.option(
    "--venue",
    "venues",
    multiple=True,
    metavar="VENUE[@YYYY-MM]",
    help="Only this rulebook beside the account's own; repeatable.",
)
@warn_option("Red below this distance: 0.15 or 15%.")
def compare(
    *, file: str, as_json: bool, rulebook: str | None, venues: tuple[str, ...], warn: Decimal
) -> None:
    """Show the book in FILE under every venue's rules, and cross against isolated.

    Contracts are found by coin, payoff and settle asset, dollars count one to one, coins are
    compared in dollars at the marks of FILE. What a venue cannot margin is unknown, with the
    reason.
    """
    account = account_of(file, rulebook)
    by_venue = compare_venues(account, venues or None, warn_distance=warn)
    by_mode = compare_modes(account, warn_distance=warn)
    if as_json:
        document = {"venues": by_venue.document(), "modes": by_mode.document()}
        click.echo(json.dumps(document, indent=2))
        return
    from keelmark.cli.compare_table import print_comparison  # noqa: PLC0415 not needed for JSON

    print_comparison(by_venue, by_mode, file)
