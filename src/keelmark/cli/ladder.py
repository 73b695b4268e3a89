"""`keelmark ladder`: margin and equity along one price."""

import json
from decimal import Decimal
from pathlib import Path
from typing import TypedDict, Unpack

import click

from keelmark.cli.options import account_argument, account_of, json_option, rulebook_option
from keelmark.cli.spans import move, only_one, plot_option, save_picture, unit_option, vector
from keelmark.risk.ladders import STEPS
from keelmark.risk.ladders import ladder as ladder_of


class _Options(TypedDict):
    """What the command line says."""

    file: str
    name: str | None
    as_json: bool
    rulebook: str | None
    unit_id: str | None
    low: Decimal
    high: Decimal
    steps: int
    vector: dict[str, Decimal]
    plot: Path | None


@click.command()
@account_argument
@click.argument("name", required=False)
@json_option
@rulebook_option
@unit_option
@click.option("--from", "low", callback=move, default="-50%", show_default=True, help="Lowest.")
@click.option("--to", "high", callback=move, default="50%", show_default=True, help="Highest.")
@click.option("--steps", type=int, default=STEPS, show_default=True, help="Rungs of the grid.")
@click.option(
    "--vector",
    callback=vector,
    multiple=True,
    metavar="NAME=STEP",
    help="Move several coins apart, instead of NAME: --vector BTC=1 --vector ETH=1.3.",
)
@plot_option
def ladder(**options: Unpack[_Options]) -> None:
    """Show margin and equity of the account in FILE along the price NAME.

    NAME is an instrument (its mark alone), a coin (every contract on it, and its price as
    collateral), an asset, or `all`, which is meant where it is left out. Besides the grid there is
    a rung where a formula changes and at every liquidation price; each is exact.
    """
    found = ladder_of(
        account_of(options["file"], options["rulebook"]),
        only_one(options["name"], options["vector"]),
        unit_id=options["unit_id"],
        low=options["low"],
        high=options["high"],
        steps=options["steps"],
    )
    save_picture(found.plot_ladder, options["plot"])
    if options["as_json"]:
        click.echo(json.dumps(found.document(), indent=2))
        return
    from keelmark.cli.ladder_table import print_ladder  # noqa: PLC0415 not needed for JSON

    print_ladder(found, options["plot"])
