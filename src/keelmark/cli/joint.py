"""`keelmark joint`: the least unusual joint move that liquidates, from historical returns."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypedDict, Unpack

import click

from keelmark.accounts import Account
from keelmark.accounts.check import check as check_account
from keelmark.accounts.check_document import JsonTable
from keelmark.accounts.decode import decimal_of
from keelmark.accounts.figures import percent
from keelmark.cli.check import CODES
from keelmark.cli.exit_codes import ExitCode
from keelmark.cli.joint_table import ESTIMATOR, Answer, joint_lines
from keelmark.cli.options import (
    account_argument,
    account_of,
    json_option,
    rulebook_option,
    span,
    warn_option,
)
from keelmark.cli.painting import say, wrapped
from keelmark.cli.risk_account import END, moment_ms, standing
from keelmark.cli.spans import unit_option
from keelmark.core.errors import InvalidInput, nearest
from keelmark.risk.beta_move import find_beta_move
from keelmark.risk.history.closes import when
from keelmark.risk.history.periods import DAY_MS, Every
from keelmark.risk.returns import Returns, read_returns
from keelmark.risk.reverse import (
    ReverseStress,
    ReverseStressByUnit,
    ShockCovariance,
    find_by_unit,
    find_reverse_stress,
)
from keelmark.risk.reverse.covariance import PEG
from keelmark.risk.tail.inputs import end_of, names_read

WIDTH = 80
OLD_DAYS = 30
"""Days before the account's own time at which a history that ends is said to be old."""

LEADER = "BTC"
"""What leads the betas where nothing else is asked for and there are returns of it."""

NOTHING_HELD = "no unit holds a position, and only those are looked at"
OF_NOBODY = "the account tells no time (as_of): the history is taken to its own end"
NO_LEADER = f"no returns of {LEADER}: no betas are followed; --market COIN names another leader"
NO_TIMES = (
    "the file does not tell when its changes were: what came after the account's own time cannot "
    "be left out"
)


class _Options(TypedDict):
    """What the command line gives."""

    file: str
    as_json: bool
    rulebook: str | None
    unit_id: str | None
    sources: tuple[str, ...]
    every: str | None
    until: str | None
    clock: timedelta
    like: dict[str, str]
    market: str | None
    pegs: tuple[str, ...]
    volatilities: tuple[str, ...]
    warn: Decimal


@click.command()
@account_argument
@json_option
@rulebook_option
@unit_option
@click.option(
    "--returns",
    "sources",
    required=True,
    multiple=True,
    metavar="PATH",
    help="Bars (ts_ms, symbol, close) or returns by coin, Parquet or CSV; bars of several files.",
)
@click.option("--every", metavar="TIME", help="Period of a change, with bars: 5m, 1h, 1d, auto.")
@click.option(
    "--until", metavar="DATE", help="End of the history; without, the account's own time. Or: end."
)
@click.option(
    "--clock", default="0", callback=span, help="How far the bars' clock is ahead of UTC: 8h."
)
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
    metavar="ASSET=SIGMA",
    help="Standard deviation of a collateral asset's own price: USDE=0.004. Several may be given.",
)
@click.option(
    "--volatility",
    "volatilities",
    multiple=True,
    metavar="COIN=SIGMA",
    help="The same of the implied volatilities on a coin, relative: BTC=0.06.",
)
@click.option("--market", show_default=LEADER, help="The coin that leads the betas.")
@warn_option("Exit code 1 below this distance: 0.15 or 15%.")
def joint(**options: Unpack[_Options]) -> None:
    """Show the joint moves that liquidate the account in FILE, from historical returns.

    The least unusual one, in standard deviations, with what would make it more unusual, and how far
    the market can move when every coin follows it by its beta. Both are checked by the exact core.
    Of several units the one that goes first is shown, with a line for each other. The exit code is
    of the account now, and 3 where a unit cannot be told.
    """
    ctx = click.get_current_context()
    account = account_of(options["file"], options["rulebook"])
    health = check_account(account, warn_distance=options["warn"], reasons=False).verdict
    if not any(unit.positions for unit in account.units):
        _nothing_held(account, health.value, as_json=options["as_json"])
        ctx.exit(CODES[health])
    answer = _answer(account, health.value, options)
    if options["as_json"]:
        click.echo(json.dumps(_document(answer), indent=2))
    else:
        for line in joint_lines(answer):
            say(line)
    code = CODES[health]
    is_open = bool(answer.units.unknown) and code is not ExitCode.LIQUIDATABLE
    ctx.exit(ExitCode.UNKNOWN if is_open else code)


def _nothing_held(account: Account, health: str, *, as_json: bool) -> None:
    """Say that there is nothing to look for."""
    if as_json:
        document: JsonTable = {
            "verdict": health,
            "nearest": None,
            "reason": NOTHING_HELD,
            "units": [],
        }
        click.echo(json.dumps(document, indent=2))
        return
    for line in wrapped(f"{account.rulebook.name}: {NOTHING_HELD}", WIDTH, depth=0):
        say(line)


def _answer(account: Account, verdict: str, options: _Options) -> Answer:
    """Work it all out."""
    market, read = options["market"] or LEADER, names_read(account)
    _require(options["like"], (*read, market), "--like")
    own = _history(account, options)
    standing_in = {c: o for c, o in options["like"].items() if c not in own.coins}
    returns = own.like(standing_in)
    units = _by_unit(account, returns, standing_in, options)
    betas = {
        one.unit_id: find_beta_move(account, returns, market=market, unit_id=one.unit_id)
        for one in units.found
        if not one.is_liquidatable_now and market in returns.coins
    }
    return Answer(
        rulebook=account.rulebook.name,
        verdict=verdict,
        units=units,
        betas=betas,
        history=returns,
        notes=(
            *_needless(own, options["like"]),
            *([] if market in returns.coins else [NO_LEADER]),
            *_in_time(account, returns, options["until"]),
            *_held_pegs(units.nearest, own),
        ),
        file=options["file"],
    )


def _history(account: Account, options: _Options) -> Returns:
    """Return the returns of what is held and of the market, up to the account's own time.

    Raises:
        InvalidInput: The market has no returns, or the file cannot be cut where it is to end.
    """
    end, like = moment_ms(options["until"]), options["like"]
    market = options["market"] or LEADER
    returns = read_returns(
        options["sources"],
        every=Every(period=options["every"], row=options["every"]),
        coins=(*names_read(account), *like.values(), market),
        until_ms=end_of(account, end),
        ahead_ms=options["clock"] // timedelta(milliseconds=1),
    )
    if end is not None and options["until"] != END and returns.times is None:
        returns = returns.until(end)  # says that it cannot
    if options["market"] is not None and market not in {*returns.coins, *like}:
        msg = (
            f"{returns.source} has no returns of {market}, which is to lead the betas; name "
            f"another with --market: {', '.join(returns.coins)}"
        )
        raise InvalidInput(msg)
    return returns


def _by_unit(
    account: Account, returns: Returns, standing_in: Mapping[str, str], options: _Options
) -> ReverseStressByUnit:
    """Return the likeliest way down of every unit, or of the one that is asked for."""
    covariance = ShockCovariance.of_returns(
        returns,
        pegs=_own_deviations(account, options["pegs"], "--peg"),
        volatilities=_own_deviations(account, options["volatilities"], "--volatility"),
    ).parted(standing_in)
    if options["unit_id"] is None:
        return find_by_unit(account, covariance)
    found = find_reverse_stress(account, covariance, unit_id=options["unit_id"])
    return ReverseStressByUnit(found=(found,), unknown={})


def _own_deviations(account: Account, texts: tuple[str, ...], option: str) -> dict[str, float]:
    found = deviations(texts, option)
    _require(found, names_read(account), option)
    return found


def _require(names: Iterable[str], known: Sequence[str], option: str) -> None:
    """Refuse a name that moves nothing here.

    Raises:
        InvalidInput: It is none of those that are read.
    """
    for name in names:
        if name not in known:
            msg = f"{option} {name}: no margin of this account reads it; {nearest(name, known)}"
            raise InvalidInput(msg)


def _needless(own: Returns, like: Mapping[str, str]) -> tuple[str, ...]:
    """Name the coins that need no other to stand for them."""
    return tuple(
        f"{coin} has returns of its own: --like {coin}={other} is not needed"
        for coin, other in like.items()
        if coin in own.coins
    )


def _held_pegs(least: ReverseStress, own: Returns) -> Iterator[str]:
    """Say what a peg's history cannot tell; a deviation given stands in the notes already."""
    for asset in least.pegs:
        if asset in own.coins and not any(
            note.startswith(f"{asset}{PEG} ") for note in least.notes
        ):
            day = percent(Decimal(repr(least.deviations.get(asset, 0.0))), digits=3)
            yield (
                f"{asset}: a sigma of its peg is {day}, as it held in this history; how it would "
                f"break is not in it: --peg {asset}=0.05 says another"
            )


def _in_time(account: Account, returns: Returns, until: str | None) -> Iterator[str]:
    """Say how the history lies to the account's own time."""
    if account.as_of is None:
        if until is None and returns.times is not None:
            yield OF_NOBODY
        return
    if returns.times is None:
        yield NO_TIMES
        return
    now, last = int(account.as_of.timestamp() * 1_000), int(returns.times[-1])
    if last > now:
        yield (
            f"the history goes on to {when(last)} UTC, after the account's own time, "
            f"{when(now)} UTC: nobody knew it then"
        )
    elif now - last > OLD_DAYS * DAY_MS:
        yield f"the history ends {(now - last) // DAY_MS:,} days before the account's own time"


def _document(answer: Answer) -> dict[str, object]:
    """Return the answer as JSON: the unit that goes first, then every unit, nearest first."""
    least, returns = answer.units.nearest, answer.history
    rows = [{**one.document(), "betas": _betas(answer, one.unit_id)} for one in answer.units.found]
    unknown = [
        {"unit": unit, "status": "unknown", "reason": why}
        for unit, why in answer.units.unknown.items()
    ]
    ends = (None, None) if returns.times is None else (returns.times[0], returns.times[-1])
    return {
        "verdict": answer.verdict,
        "unit": least.unit_id,
        "nearest": least.document(),
        "betas": _betas(answer, least.unit_id),
        "units": [*rows, *unknown],
        "returns": returns.source,
        "history": {
            "period": returns.period,
            "changes": len(returns.values),
            "first": _instant(ends[0]),
            "last": _instant(ends[1]),
            "sigma": ESTIMATOR,
        },
        "notes": list(answer.notes),
    }


def _betas(answer: Answer, unit_id: str) -> JsonTable | None:
    """Return the moves along betas of a unit; none where it is liquidatable already."""
    along = answer.betas.get(unit_id)
    return None if along is None else along.document()


def _instant(time_ms: int | None) -> str | None:
    if time_ms is None:
        return None
    moment = datetime.fromtimestamp(int(time_ms) / 1_000, tz=UTC)
    return moment.isoformat().replace("+00:00", "Z")


def deviations(texts: tuple[str, ...], option: str) -> dict[str, float]:
    """Return standard deviations by name, from `NAME=SIGMA`.

    Raises:
        InvalidInput: A text is none.
    """
    found: dict[str, float] = {}
    for text in texts:
        name, _, number = (part.strip() for part in text.partition("="))
        share = decimal_of(number.removesuffix("%").strip())
        if not name or share is None or name in found:
            msg = f"{option} {text!r}; give each name once with a fraction, as {option} USDE=0.4%"
            raise InvalidInput(msg)
        found[name] = float(share) / (100 if number.endswith("%") else 1)
    return found
