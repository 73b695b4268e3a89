"""`keelmark check`: how far is this account from liquidation?"""

import json
from collections.abc import Mapping
from typing import Any

import click

from keelmark.accounts import Account
from keelmark.accounts.check import AccountCheck, Verdict
from keelmark.accounts.check import check as check_account
from keelmark.accounts.levels import Levels
from keelmark.accounts.snapshot_age import Freshness
from keelmark.accounts.volatilities import Volatilities, coins_held
from keelmark.cli.exit_codes import ExitCode
from keelmark.cli.options import (
    account_argument,
    account_of,
    coin_fractions,
    json_option,
    maybe_fraction,
    rulebook_option,
    span,
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
    "--max-age",
    callback=span,
    default="5m",
    show_default=True,
    envvar="KEELMARK_MAX_AGE",
    show_envvar=True,
    metavar="SPAN",
    help="Say that a snapshot older than this is stale: 90s, 5m, 2h, 1d; 0 never.",
)
@click.option(
    "--vol",
    "deviations",
    multiple=True,
    callback=coin_fractions,
    metavar="COIN=FRACTION",
    help="Standard deviation of a coin over a day: distances are told in sigmas too.",
)
@click.option(
    "--returns",
    "source",
    metavar="PATH",
    help="Bars or returns by coin, as of `joint`: sigmas from them.",
)
@click.option(
    "--bulk",
    is_flag=True,
    help="FILE is a folder of documents, or a file with one a line; JSON is one result a line.",
)
def check(*, file: str, as_json: bool, bulk: bool, **given: Any) -> None:  # noqa: ANN401 click's values
    """Say how far the account in FILE (JSON or TOML, `-` for standard input) is from liquidation.

    Exit code 0 when healthy, 1 inside the warning distance, 2 liquidatable, 3 unknown.
    """
    ctx = click.get_current_context()
    if given["deviations"] and given["source"]:
        msg = "--vol and --returns both say how much coins move: give one of the two"
        raise click.UsageError(msg)
    if bulk:
        ctx.exit(_bulk(file, given, as_json=as_json))
    account = account_of(file, given["rulebook"])
    found = check_account(
        account,
        warn_distance=given["warn"],
        amber_distance=given["amber"],
        volatilities=_volatilities(account, given["deviations"], given["source"]),
        freshness=Freshness(max_age=given["max_age"]),
    )
    if as_json:
        _print_json(found)
    else:
        _print_table(found, file)
    ctx.exit(CODES[found.verdict])


def _volatilities(
    account: Account, deviations: dict[str, float], source: str | None
) -> Volatilities | None:
    """Return what the options say of how much coins move; `None` where they say nothing."""
    if source is None:
        return Volatilities(by_coin=deviations, source="--vol") if deviations else None
    from keelmark.risk.returns import read_returns  # noqa: PLC0415 heavy, and rarely needed
    from keelmark.risk.tail.inputs import end_of  # noqa: PLC0415 as above

    known = read_returns(source, until_ms=end_of(account, None))  # what came later nobody knew
    return known.volatilities(coins_held(account))


def _bulk(path: str, given: Mapping[str, Any], *, as_json: bool) -> ExitCode:
    """Check many documents; each names its own rulebook."""
    from keelmark.accounts.bulk import BulkTerms  # noqa: PLC0415 only many need it
    from keelmark.cli.check_bulk import check_bulk  # noqa: PLC0415 as above

    if given["rulebook"] is not None:
        msg = "--rulebook is for one account; with --bulk every document names its own"
        raise click.UsageError(msg)
    if given["deviations"] or given["source"]:
        msg = "--vol and --returns are for one account; give each document its own `volatilities`"
        raise click.UsageError(msg)
    terms = BulkTerms(
        levels=Levels.of(given["warn"], given["amber"]),
        freshness=Freshness(max_age=given["max_age"]),
    )
    return check_bulk(path, terms, as_json=as_json)


def _print_json(found: AccountCheck) -> None:
    from keelmark.accounts.check_document import check_document  # noqa: PLC0415 not needed in tables

    click.echo(json.dumps(check_document(found), indent=2))


def _print_table(found: AccountCheck, file: str) -> None:
    from keelmark.cli.check_table import print_check  # noqa: PLC0415 not needed for JSON

    print_check(found, file)
