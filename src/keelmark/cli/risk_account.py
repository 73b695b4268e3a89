"""`keelmark risk FILE`: how much the account can lose, how likely, and what contributes."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keelmark.accounts import Account
from keelmark.accounts.bulk import is_book
from keelmark.accounts.check import check
from keelmark.cli.check import CODES
from keelmark.cli.options import (
    account_argument,
    account_of,
    coin_fractions,
    fraction,
    json_option,
    maybe_fraction,
    named_number,
    rulebook_option,
    span,
)
from keelmark.cli.painting import say
from keelmark.cli.spans import unit_option
from keelmark.core.errors import InvalidInput, StorageFailed

if TYPE_CHECKING:
    from keelmark.risk.returns import Returns
    from keelmark.risk.tail.account_risk import RiskOptions

DAY = timedelta(days=1)
HORIZON_MAX = timedelta(days=365)
METHODS = (
    "fhs",
    "historical",
    "scaled",
    "cornish-fisher",
    "pot",
    "t-copula",
    "normal",
    "t",
    "table",
)
AUTO = "auto"
PERIODS = {
    "8h": timedelta(hours=8),
    "4h": timedelta(hours=4),
    "1h": timedelta(hours=1),
    "15m": timedelta(minutes=15),
    "5m": timedelta(minutes=5),
    "1m": timedelta(minutes=1),
}
"""Of a change, where the horizon is shorter than a day."""

FILTERS = ("asymmetric-ewma", "ewma", "gjr-t")
END = "end"


def level_of(ctx: click.Context, param: click.Parameter, value: str) -> float:
    """Return a level written as 0.99 or 99%; an option callback."""
    number = float(fraction(ctx, param, value))
    if not 0.0 < number < 1.0:
        msg = f"{value!r} is no level; write 0.99 or 99%"
        raise click.BadParameter(msg, ctx=ctx, param=param)
    return number


def horizon_of(ctx: click.Context, param: click.Parameter, value: str) -> timedelta:
    """Return a horizon written as 8h or 10d; an option callback."""
    found = span(ctx, param, value)
    if not timedelta(0) < found <= HORIZON_MAX:
        msg = f"{value!r} is no horizon above 0, up to {HORIZON_MAX.days}d; write 8h, 1d or 10d"
        raise click.BadParameter(msg, ctx=ctx, param=param)
    return found


def standing(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    """Return coins by the coin they stand for, written as POL=ETH; an option callback."""
    found: dict[str, str] = {}
    for value in values:
        coin, _, other = (part.strip() for part in value.partition("="))
        if not coin or not other:
            msg = f"{value!r} names no two coins; write COIN=OTHER"
            raise click.BadParameter(msg, ctx=ctx, param=param)
        found[coin] = other
    return found


def named_volumes(
    ctx: click.Context,  # noqa: ARG001 click's signature
    param: click.Parameter,  # noqa: ARG001 click's signature
    values: tuple[str, ...],
) -> dict[str, float]:
    """Return daily volumes by coin; an option callback."""
    pairs = (named_number(v, "--volume", "daily volume", "SOL=2.5e9") for v in values)
    return {coin: float(number) for coin, number in pairs}


def moment_ms(value: str | None) -> int | None:
    """Return the end of a history in milliseconds; all of it where that is asked for.

    Raises:
        InvalidInput: It is no date.
    """
    if value is None:
        return None
    if value == END:
        return 2**62
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        msg = f"--until {value!r} is no date; write 2025-10-10, 2025-10-10T21:00 or end"
        raise InvalidInput(msg) from error
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1_000)


def written(page: str, path: str) -> str:
    """Write a page, and say where it is.

    Raises:
        StorageFailed: It cannot be written there.
    """
    content = page.encode()
    try:
        Path(path).write_bytes(content)
    except OSError as error:
        msg = f"{path}: cannot be written ({error.strerror}); name a file in a folder that exists"
        raise StorageFailed(msg) from error
    return f"{path}: {len(content) / 1000:,.0f} kB, one file; open it in a browser"


def period_within(every: str, horizon: timedelta) -> str:
    """Return the period asked for; where it is chosen, one of which the horizon is a multiple."""
    if every != AUTO or horizon >= DAY:
        return every
    return next((text for text, size in PERIODS.items() if not horizon % size), every)


def under_given(file: str, held: Account, given: dict[str, Any], *, as_json: bool) -> None:
    """Show an account under scenarios of one's own."""
    from keelmark.cli.risk_given import given_lines  # noqa: PLC0415 heavy
    from keelmark.risk.scenarios.files import read_scenarios  # noqa: PLC0415 heavy
    from keelmark.risk.tail.given import risk_under  # noqa: PLC0415 heavy

    kept = {"--returns": "sources", "--peg": "pegs", "--volatility": "volatilities"}
    named = {option: given[name] for option, name in kept.items()}
    for option in (name for name, value in named.items() if value):
        msg = f"--scenarios stand instead of these; leave {option} out"
        raise InvalidInput(msg)
    level = given["level"]
    scenarios = read_scenarios(given["scenarios"])
    found = risk_under(held, scenarios, level=level, unit_id=given["unit_id"])
    if as_json:
        click.echo(json.dumps(found.document(), indent=2))
        return
    for line in given_lines(found, file, level):
        say(line)


@click.command()
@account_argument
@json_option
@rulebook_option
@unit_option
@click.option(
    "--returns",
    "sources",
    multiple=True,
    metavar="PATH",
    help="Bars (ts_ms, symbol, close) or returns by coin, Parquet or CSV; several files of bars.",
)
@click.option(
    "--scenarios",
    metavar="PATH",
    help="Joint returns of your own instead: TOML, JSON, CSV or Parquet, one row a scenario.",
)
@click.option(
    "--every",
    default="auto",
    show_default=True,
    help="Period of a change: 5m, 1h, 8h, 1d; auto: up to a day, 500 of them.",
)
@click.option(
    "--until", metavar="DATE", help="End of the history; without, the account's own time. Or: end."
)
@click.option(
    "--clock", default="0", callback=span, help="How far the bars' clock is ahead of UTC: 8h."
)
@click.option(
    "--horizon", default="1d", show_default=True, callback=horizon_of, help="8h, 1d, 10d."
)
@click.option("--level", default="0.99", show_default=True, callback=level_of, help="0.99 or 99%.")
@click.option("--method", type=click.Choice(METHODS), help="The one that leads.")
@click.option(
    "--filter",
    "filter_",
    type=click.Choice(FILTERS),
    default=FILTERS[0],
    show_default=True,
    help="What tells variances of a history.",
)
@click.option("--paths", default=50_000, show_default=True, type=click.IntRange(1_000, 5_000_000))
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0))
@click.option(
    "--like",
    multiple=True,
    callback=standing,
    metavar="COIN=OTHER",
    help="A coin without returns moves as another.",
)
@click.option(
    "--peg",
    "pegs",
    multiple=True,
    callback=coin_fractions,
    metavar="ASSET=SIGMA",
    help="Standard deviation of a day of a collateral asset's own price: USDE=0.004 or 0.4%.",
)
@click.option(
    "--volatility",
    "volatilities",
    multiple=True,
    callback=coin_fractions,
    metavar="COIN=SIGMA",
    help="The same of the implied volatilities on a coin, relative: BTC=0.06.",
)
@click.option(
    "--volume",
    "volumes",
    multiple=True,
    callback=named_volumes,
    metavar="COIN=NOTIONAL",
    help="Dollars traded in a day; the bars' own without.",
)
@click.option("--half-spread", callback=maybe_fraction, help="Half the spread, 0.0002 or 0.02%.")
@click.option(
    "--report", metavar="PATH", help="Write it all as one page of HTML, with stress and what sizes."
)
def account(file: str, *, as_json: bool, **given: Any) -> None:  # noqa: ANN401 click's options
    """Show how much the account in FILE can lose by a horizon; or a book of them together.

    VaR and ES by one method with the others beside it, what contributes, what it costs to get out,
    and what is lost where liquidation comes first. Without --returns a built-in table of major
    coins is used, and named. A folder of documents, or a file with one a line (.jsonl), is a book:
    who is liquidated, what is lost, what a fund would pay. The exit code is of the account as it
    stands: 0 healthy, 1 inside the warning distance, 2 liquidatable, 3 unknown.
    """
    ctx = click.get_current_context()
    if is_book(file):
        ctx.exit(of_book(file, given, as_json=as_json))
    held = account_of(file, given["rulebook"])
    now = check(held, reasons=False)
    code = CODES[now.verdict]
    if given["scenarios"] is not None:
        under_given(file, held, given, as_json=as_json)
        ctx.exit(code)
    returns = returns_of(held, given)
    options = options_of(held, given)
    if given["report"] is not None:
        from keelmark.risk.risk_report import ReportOptions, risk_report  # noqa: PLC0415 heavy

        title = "standard input" if file == "-" else Path(file).stem
        asked = ReportOptions(title=f"Risk of {title}", unit_id=options.unit_id, risk=options)
        say(written(risk_report(held, returns, asked), given["report"]))
        say(f"{'UNKNOWN' if now.level is None else now.level.value}  {now.headline}")
        say("next: `keelmark risk FILE` for the same in the terminal")
    else:
        show(file, held, returns, options, as_json=as_json)
    ctx.exit(code)


def of_book(path: str, given: dict[str, Any], *, as_json: bool) -> int:
    """Print what a book of documents can lose; what one account alone is asked is refused."""
    from keelmark.cli.risk_book import print_book  # noqa: PLC0415 heavy
    from keelmark.risk.history.periods import Every  # noqa: PLC0415 heavy
    from keelmark.risk.returns import Returns, read_returns  # noqa: PLC0415 heavy

    alone = ("rulebook", "unit_id", "method", "like", "volumes", "half_spread", "report")
    asked = [name for name in (*alone, "scenarios", "pegs", "volatilities") if given.get(name)]
    if asked:
        msg = f"--{asked[0].replace('_', '-')} is for one account, and {path} is a book of them"
        raise click.UsageError(msg)
    every = Every(period=period_within(given["every"], given["horizon"]), row=given["every"])

    def history(coins: tuple[str, ...], newest: int | None) -> Returns:
        end = moment_ms(given["until"])
        return read_returns(
            list(given["sources"]),
            every=every,
            coins=coins,
            until_ms=newest if end is None else end,
            ahead_ms=given["clock"] // timedelta(milliseconds=1),
        )

    return print_book(
        path,
        history if given["sources"] else None,
        days=given["horizon"] / DAY,
        seed=given["seed"],
        as_json=as_json,
    )


def returns_of(held: Account, given: dict[str, Any]) -> "Returns | None":
    """Return the history that was asked for; nothing where the table is to do."""
    from keelmark.risk.history.periods import Every  # noqa: PLC0415 heavy
    from keelmark.risk.tail.inputs import history_for  # noqa: PLC0415 heavy

    if not given["sources"]:
        return None
    return history_for(
        held,
        given["sources"],
        every=Every(period=period_within(given["every"], given["horizon"]), row=given["every"]),
        like=given["like"],
        until_ms=moment_ms(given["until"]),
        ahead_ms=given["clock"] // timedelta(milliseconds=1),
    )


def options_of(held: Account, given: dict[str, Any]) -> "RiskOptions":
    """Return what was asked."""
    from keelmark.risk.tail.account_risk import FilterKind, RiskOptions  # noqa: PLC0415 heavy
    from keelmark.risk.tail.inputs import like_of, liquidity_for  # noqa: PLC0415 heavy
    from keelmark.risk.tail.methods import Method  # noqa: PLC0415 heavy

    end = moment_ms(given["until"])
    spread = None if given["half_spread"] is None else float(given["half_spread"])
    return RiskOptions(
        level=given["level"],
        days=given["horizon"] / DAY,
        method=None if given["method"] is None else Method(given["method"]),
        paths=given["paths"],
        seed=given["seed"],
        unit_id=given["unit_id"],
        like=like_of(held, given["like"]),
        pegs=given["pegs"],
        volatilities=given["volatilities"],
        until_ms=end,
        liquidity=liquidity_for(
            held, given["sources"], volumes=given["volumes"], half_spread=spread, until_ms=end
        ),
        filter=FilterKind(given["filter_"]),
    )


def show(
    file: str, held: Account, returns: "Returns | None", options: "RiskOptions", *, as_json: bool
) -> None:
    """Work it all out, and print it."""
    from keelmark.cli.risk_table import risk_lines  # noqa: PLC0415 heavy
    from keelmark.risk.tail.account_risk import risk_of  # noqa: PLC0415 heavy
    from keelmark.risk.tail.beside import beside_of, whole_document  # noqa: PLC0415 heavy

    found = risk_of(held, returns, options)
    beside = beside_of(held, found)
    if as_json:
        click.echo(json.dumps(whole_document(found, beside), indent=2))
        return
    for line in risk_lines(found, file, beside):
        say(line)
