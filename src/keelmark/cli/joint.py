"""`keelmark joint`: the least unusual joint move that liquidates, from historical returns."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import TypedDict, Unpack

import click

from keelmark.accounts.decode import decimal_of
from keelmark.accounts.figures import percent
from keelmark.cli.options import account_argument, account_of, json_option, rulebook_option
from keelmark.cli.painting import GAP, INDENT, say, wrapped
from keelmark.cli.spans import unit_option
from keelmark.core.errors import InvalidInput
from keelmark.core.joint_move import JointMove
from keelmark.core.liquidation_price import PriceStatus
from keelmark.risk.beta_move import BetaMove, find_beta_move
from keelmark.risk.returns import read_returns
from keelmark.risk.reverse import ReverseStress, find_reverse_stress
from keelmark.risk.symbols import coin_of

WIDTH = 80
LEGS_SHOWN = 5
"""Positions whose closing is told: those that would help most."""


class _Options(TypedDict):
    """What the command line gives."""

    file: str
    as_json: bool
    rulebook: str | None
    unit_id: str | None
    sources: tuple[str, ...]
    every: str | None
    market: str
    pegs: tuple[str, ...]
    volatilities: tuple[str, ...]


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
@click.option("--market", default="BTC", show_default=True, help="The coin that leads the betas.")
def joint(**options: Unpack[_Options]) -> None:
    """Show the joint moves that liquidate the account in FILE, from historical returns.

    The least unusual one, in standard deviations, with what would make it more unusual, and how far
    the market can move when every coin follows it by its beta. Both are checked by the exact core.
    """
    account, unit_id = account_of(options["file"], options["rulebook"]), options["unit_id"]
    returns = read_returns(options["sources"], every=options["every"])
    source = returns.source
    least = find_reverse_stress(
        account,
        returns,
        unit_id=unit_id,
        pegs=deviations(options["pegs"], "--peg"),
        volatilities=deviations(options["volatilities"], "--volatility"),
    )
    along = find_beta_move(account, returns, market=options["market"], unit_id=unit_id)
    if options["as_json"]:
        document = {"nearest": least.document(), "betas": along.document(), "returns": source}
        click.echo(json.dumps(document, indent=2))
        return
    for line in joint_lines(account.rulebook.name, least, along, source):
        say(line)


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


def joint_lines(rulebook: str, least: ReverseStress, along: BetaMove, source: str) -> Iterator[str]:
    """Return the view line by line, within eighty columns."""
    yield f"{rulebook}{GAP}{least.unit_id}"
    for text in _nearest_words(least):
        yield from wrapped(text, WIDTH)
    yield ""
    rows = [("coin", "beta", "nearest move", "alone, own sigma"), *_rows(least, along)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(size) for cell, size in zip(row[1:], widths[1:], strict=True)]
        yield INDENT + GAP.join(cells)
    yield ""
    yield from _helps(least)
    for name, move in (("falls", along.down), ("rises", along.up)):
        yield from wrapped(f"{along.market} {name}, betas followed: {_size(move)}", WIDTH)
    yield from wrapped(f"returns: {source}; a sigma spans {least.horizon}", WIDTH)
    yield from wrapped(
        "alone: its own move over its own sigma, while the others stand still; how unusual it is "
        "that they do is counted in the joint move only",
        WIDTH,
    )
    for note in least.notes:
        yield from wrapped(note, WIDTH)


def _nearest_words(least: ReverseStress) -> Iterator[str]:
    if least.distance is None:
        yield f"nearest joint move: {least.status.value}, {least.reason}"
        return
    yield f"nearest joint move that liquidates: {least.distance:.2f} sigma ({least.method})"
    yield least.sentence
    if least.is_proved:
        yield "no nearer move does: proved"
    elif least.at_least is not None:
        yield f"nothing nearer than {least.at_least:.2f} sigma does: proved"
    else:
        yield "nearer ones were searched for, not excluded: the book has no bound here"


def _rows(least: ReverseStress, along: BetaMove) -> Iterator[tuple[str, ...]]:
    for name, beta in along.betas.items():
        coin = coin_of(name)[0]
        yield (name, f"{beta:.2f}", _move((least.moves or {}).get(coin)), _alone(least, coin))
    for asset, move in least.pegs.items():
        yield (asset, "", _move(move), _alone(least, asset))
    for coin, move in least.volatilities.items():
        yield (f"{coin} volatility", "", _move(move), _alone(least, f"{coin} volatility"))


def _move(move: Decimal | None) -> str:
    return "" if move is None else percent(move, signed=True)


def _alone(least: ReverseStress, name: str) -> str:
    far = (least.alone or {}).get(name)
    return "none" if far is None else f"{far:.2f}"


def _helps(least: ReverseStress) -> Iterator[str]:
    """Yield what closing a tenth of a position adds to the distance, the largest first."""
    legs = sorted(least.legs, key=lambda leg: -leg.closing_a_tenth)[:LEGS_SHOWN]
    if not legs:
        return
    yield f"{INDENT}closing a tenth of it changes the distance by, to first order"
    width = max(len(leg.name) for leg in legs)
    for leg in legs:
        yield f"{INDENT}{INDENT}{leg.name.ljust(width)}{GAP}{leg.closing_a_tenth:+.2f} sigma"
    yield ""


def _size(move: JointMove) -> str:
    if move.size is None:
        if move.status is PriceStatus.NONE:
            return "nothing liquidates before a price is nothing or eleven times itself"
        return f"{move.status.value} ({move.reason})"
    return f"liquidated at {percent(move.size)}"
