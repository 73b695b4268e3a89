"""`keelmark size`: how large a position may be, by every rule, and which binds."""

import json
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import click

from keelmark.accounts.decode import decimal_of
from keelmark.accounts.volatilities import Volatilities
from keelmark.cli.exit_codes import ExitCode
from keelmark.cli.options import (
    account_of,
    fraction,
    json_option,
    maybe_fraction,
    rulebook_option,
    span,
)
from keelmark.cli.painting import say
from keelmark.cli.rates import yearly, yearly_deviation
from keelmark.cli.size_sigmas import Source, sigmas_of
from keelmark.cli.size_table import account_lines, wish_lines
from keelmark.risk.sizing.account_size import Chance, SizeWish, account_size
from keelmark.risk.sizing.document import account_size_document, recommendation_document
from keelmark.risk.sizing.empirical import FallLimit
from keelmark.risk.sizing.kelly import Drift
from keelmark.risk.sizing.liquidation_leverage import Bound
from keelmark.risk.sizing.recommend import Wish, recommend

DAY_S = 86_400.0


def price(ctx: click.Context, param: click.Parameter, value: str | None) -> Decimal | None:
    """Return a price above nothing; an option callback."""
    found = None if value is None else decimal_of(value)
    if value is not None and (found is None or found <= 0):
        msg = f"{value!r} is no price above 0"
        raise click.BadParameter(msg, ctx=ctx, param=param)
    return found


@click.command()
@click.argument("file", required=False, type=click.Path())
@json_option
@rulebook_option
@click.option("--instrument", "leg", metavar="LEG", help="What to size in FILE: BTCUSDT.")
@click.option("--side", type=click.Choice(["long", "short"]), default="long", show_default=True)
@click.option("--price", callback=price, metavar="PRICE", help="Its mark, where FILE has none.")
@click.option(
    "--mu", callback=yearly, metavar="RATE", help="Expected return: 40% (a year), 1%/day."
)
@click.option(
    "--sigma",
    callback=yearly_deviation,
    metavar="RATE",
    help="Its standard deviation: 80% (a year), 4%/day.",
)
@click.option(
    "--funding",
    callback=yearly,
    default="0",
    show_default=True,
    metavar="RATE",
    help="What longs pay: 10% (a year), 0.01%/8h.",
)
@click.option(
    "--returns",
    "source",
    metavar="PATH",
    help="Bars (ts_ms, symbol, close) or returns by coin: how coins move, alone and together.",
)
@click.option(
    "--until", metavar="DATE", help="End of the history; without, the account's own time. Or: end."
)
@click.option(
    "--liquidation-probability",
    "probability",
    callback=maybe_fraction,
    metavar="FRACTION",
    help="How likely liquidation may be within the horizon: 1%.",
)
@click.option(
    "--horizon", callback=span, default="7d", show_default=True, metavar="SPAN", help="90s, 2h, 7d."
)
@click.option(
    "--kelly",
    "share",
    callback=fraction,
    default="0.5",
    show_default=True,
    metavar="FRACTION",
    help="Share of Kelly.",
)
@click.option(
    "--maintenance",
    callback=fraction,
    default="0.5%",
    show_default=True,
    metavar="FRACTION",
    help="Maintenance rate, without FILE.",
)
@click.option("--cap", type=float, metavar="LEVERAGE", help="The venue's cap, without FILE.")
@click.option(
    "--fall",
    callback=fraction,
    default="50%",
    show_default=True,
    metavar="FRACTION",
    help="Part of the equity whose chance of being fallen to counts.",
)
@click.option(
    "--fall-probability",
    "fall_probability",
    callback=maybe_fraction,
    metavar="FRACTION",
    help="How likely a fall to it may ever be: risk-constrained Kelly.",
)
def size(**given: Any) -> None:  # noqa: ANN401 click's options
    """Say how large a position may be by every rule, and which rule binds.

    Without FILE, the leverage of one position alone: its share of Kelly, the chance of
    liquidation, the venue's cap. With FILE, the size of a position beside all others in that
    account, margined by its own rulebook: `keelmark size FILE --instrument BTCUSDT --side long`.
    Exit code 3: no rule says anything.
    """
    asked = Asked(**given)
    click.get_current_context().exit(_alone(asked) if asked.file is None else _in_account(asked))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for, as click has it."""

    file: str | None
    as_json: bool
    rulebook: str | None
    leg: str | None
    side: str
    price: Decimal | None
    mu: float | None
    sigma: float | None
    funding: float
    source: str | None
    until: str | None
    probability: Decimal | None
    horizon: timedelta
    share: Decimal
    maintenance: Decimal
    cap: float | None
    fall: Decimal
    fall_probability: Decimal | None

    @property
    def days(self) -> float:
        """The horizon."""
        return self.horizon.total_seconds() / DAY_S

    @property
    def limit(self) -> FallLimit | None:
        """The limit of falls."""
        if self.fall_probability is None:
            return None
        return FallLimit(part=float(self.fall), probability=float(self.fall_probability))

    @property
    def is_long(self) -> bool:
        """Which side."""
        return self.side == "long"


def _alone(asked: Asked) -> ExitCode:
    """Size one position alone."""
    if asked.sigma is None:
        msg = "give --sigma (80% a year, or 4%/day), or FILE with --instrument"
        raise click.UsageError(msg)
    if asked.leg is not None:
        msg = "--instrument sizes a position in an account: give its FILE first"
        raise click.UsageError(msg)
    drift = None
    if asked.mu is not None:
        drift = Drift(mean=asked.mu, volatility=asked.sigma, funding=asked.funding)
    bound = None
    if asked.probability is not None:
        bound = Bound(
            probability=float(asked.probability),
            days=asked.days,
            maintenance_rate=float(asked.maintenance),
        )
    wish = Wish(
        volatility=asked.sigma,
        drift=drift,
        bound=bound,
        share=float(asked.share),
        limit=asked.limit,
        venue_cap=asked.cap,
        is_long=asked.is_long,
    )
    found = recommend(wish, fall=float(asked.fall))
    if asked.as_json:
        click.echo(json.dumps(recommendation_document(found), indent=2))
    else:
        for line in wish_lines(wish, found):
            say(line)
    return ExitCode.OK if found.binding is not None else ExitCode.UNKNOWN


def _chance(asked: Asked, known: Volatilities | None) -> Chance | None:
    """Return what tells how likely a unit is liquidated, where that is asked for and can be."""
    if asked.probability is None or known is None:
        return None
    from keelmark.risk.sizing.chances import chance_of  # noqa: PLC0415 heavy, and rarely needed

    return chance_of(known, days=asked.days)


def _in_account(asked: Asked) -> ExitCode:
    """Size a position beside the others of an account."""
    if asked.leg is None or asked.file is None:
        msg = "give --instrument: what to size in the account"
        raise click.UsageError(msg)
    account = account_of(asked.file, asked.rulebook)
    wish = SizeWish(
        leg=asked.leg,
        is_long=asked.is_long,
        price=asked.price,
        mean=asked.mu,
        funding=asked.funding,
        share=float(asked.share),
        limit=asked.limit,
        probability=None if asked.probability is None else float(asked.probability),
        days=asked.days,
    )
    symbol = asked.leg.partition("/")[0]
    coin = account.rulebook.terms_for(symbol).instrument.base
    source = Source(
        path=asked.source,
        until=asked.until,
        yearly=asked.sigma,
        is_bounded=asked.probability is not None,
    )
    sigmas = sigmas_of(account, coin, source)
    chance = _chance(asked, sigmas.known)
    found = account_size(account, wish, volatilities=sigmas.known, chance=chance)
    found = replace(found, notes=(*found.notes, *sigmas.notes))
    if asked.as_json:
        click.echo(json.dumps(account_size_document(found), indent=2))
    else:
        for line in account_lines(asked.file, account.rulebook.name, found):
            say(line)
    return ExitCode.OK if found.binding is not None else ExitCode.UNKNOWN
