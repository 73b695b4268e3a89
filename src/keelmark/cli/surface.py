"""`keelmark surface`: margin over two prices, with the line on which it is liquidated."""

import json
from decimal import Decimal
from pathlib import Path
from typing import TypedDict, Unpack

import click

from keelmark.cli.options import account_argument, account_of, json_option, rulebook_option
from keelmark.cli.spans import move, plot_option, save_picture, unit_option
from keelmark.risk.ladders import STEPS
from keelmark.risk.surfaces import surface as surface_of


class _Options(TypedDict):
    """What the command line says."""

    file: str
    x: str
    y: str
    as_json: bool
    rulebook: str | None
    unit_id: str | None
    low: Decimal
    high: Decimal
    steps: int
    plot: Path | None


@click.command()
@account_argument
@click.argument("x")
@click.argument("y")
@json_option
@rulebook_option
@unit_option
@click.option("--from", "low", callback=move, default="-50%", show_default=True, help="Lowest.")
@click.option("--to", "high", callback=move, default="50%", show_default=True, help="Highest.")
@click.option("--steps", type=int, default=STEPS, show_default=True, help="Columns, and rows.")
@plot_option
def surface(**options: Unpack[_Options]) -> None:
    """Show the margin of the account in FILE over the prices X (across) and Y (up).

    Each is an instrument, a coin or an asset, as for `keelmark ladder`; Y may be `volatility`.
    Every point is exact.
    """
    found = surface_of(
        account_of(options["file"], options["rulebook"]),
        options["x"],
        options["y"],
        unit_id=options["unit_id"],
        span=(options["low"], options["high"]),
        steps=options["steps"],
    )
    save_picture(found.plot_surface, options["plot"])
    if options["as_json"]:
        click.echo(json.dumps(found.document(), indent=2))
        return
    from keelmark.cli.surface_table import print_surface  # noqa: PLC0415 not needed for JSON

    print_surface(found, options["plot"])
