"""`keelmark check`: how far is this account from liquidation?"""

import json
from decimal import Decimal

import click

from keelmark.accounts.check import AccountCheck, Verdict
from keelmark.accounts.check import check as check_account
from keelmark.accounts.levels import Levels
from keelmark.cli.exit_codes import ExitCode
from keelmark.cli.options import (
    account_argument,
    account_of,
    json_option,
    maybe_fraction,
    rulebook_option,
    warn_option,
)

CODES = {
    Verdict.HEALTHY: ExitCode.OK,
    Verdict.WARNING: ExitCode.WARNING,
    Verdict.LIQUIDATABLE: ExitCode.LIQUIDATABLE,
    Verdict.UNKNOWN: ExitCode.UNKNOWN,
}


@click.command()
@account_argument
@json_option
@rulebook_option
@warn_option("Red below this distance, and the exit code is 1: 0.15 or 15%.")
@click.option(
    "--amber",
    callback=maybe_fraction,
    show_default="twice --warn",
    envvar="KEELMARK_AMBER",
    show_envvar=True,
    help="Amber below this distance.",
)
@click.option(
    "--bulk",
    is_flag=True,
    help="FILE is a folder of documents, or a file with one a line; JSON is one result a line.",
)
def check(
    *,
    file: str,
    as_json: bool,
    rulebook: str | None,
    warn: Decimal,
    amber: Decimal | None,
    bulk: bool,
) -> None:
    """Say how far the account in FILE (JSON or TOML, `-` for standard input) is from liquidation.

    Exit code 0 when healthy, 1 inside the warning distance, 2 liquidatable, 3 unknown.
    """
    ctx = click.get_current_context()
    if bulk:
        ctx.exit(_bulk(file, Levels.of(warn, amber), rulebook, as_json=as_json))
    found = check_account(account_of(file, rulebook), warn_distance=warn, amber_distance=amber)
    if as_json:
        _print_json(found)
    else:
        _print_table(found, file)
    ctx.exit(CODES[found.verdict])


def _bulk(path: str, levels: Levels, rulebook: str | None, *, as_json: bool) -> ExitCode:
    """Check many documents; each names its own rulebook."""
    from keelmark.cli.check_bulk import check_bulk  # noqa: PLC0415 only many need it

    if rulebook is not None:
        msg = "--rulebook is for one account; with --bulk every document names its own"
        raise click.UsageError(msg)
    return check_bulk(path, levels, as_json=as_json)


def _print_json(found: AccountCheck) -> None:
    from keelmark.accounts.check_document import check_document  # noqa: PLC0415 not needed in tables

    click.echo(json.dumps(check_document(found), indent=2))


def _print_table(found: AccountCheck, file: str) -> None:
    from keelmark.cli.check_table import print_check  # noqa: PLC0415 not needed for JSON

    print_check(found, file)
