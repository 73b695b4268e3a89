"""Arguments and options that several commands share."""

import sys
from decimal import Decimal

import click

from keelmark.accounts import Account, load_account, read_account
from keelmark.accounts.decode import decimal_of
from keelmark.rulebooks import load_rulebook

PERCENT = Decimal(100)


def fraction(ctx: click.Context, param: click.Parameter, value: str) -> Decimal:
    """Return a fraction written as 0.15 or 15%; an option callback."""
    text = value.strip()
    number = decimal_of(text.removesuffix("%").strip())
    if number is None or number < 0:
        msg = f"{value!r} is no fraction; write 0.15 or 15%"
        raise click.BadParameter(msg, ctx=ctx, param=param)
    return number / PERCENT if text.endswith("%") else number


account_argument = click.argument("file", metavar="FILE", type=click.Path())
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, decimals as text.")
rulebook_option = click.option(
    "--rulebook",
    metavar="VENUE[@YYYY-MM]",
    help="Use this rulebook instead of the one the document names.",
)


def account_of(file: str, rulebook: str | None) -> Account:
    """Return the account in a file, or on standard input where the file is `-`."""
    rules = None if rulebook is None else load_rulebook(rulebook)
    if file == "-":
        return read_account(sys.stdin.read(), title="standard input", rulebook=rules)
    return load_account(file, rulebook=rules)
