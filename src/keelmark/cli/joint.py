"""`keelmark joint`: the least unusual joint move that liquidates, from historical returns."""

import json
from collections.abc import Iterator

import click

from keelmark.accounts.figures import percent
from keelmark.cli.options import account_argument, account_of, json_option, rulebook_option
from keelmark.cli.painting import GAP, INDENT, say, wrapped
from keelmark.cli.spans import unit_option
from keelmark.core.joint_move import JointMove
from keelmark.core.liquidation_price import PriceStatus
from keelmark.risk.beta_move import BetaMove, find_beta_move
from keelmark.risk.nearest_move import NearestMove, find_nearest_move
from keelmark.risk.returns import read_returns

WIDTH = 80


@click.command()
@account_argument
@json_option
@rulebook_option
@unit_option
@click.option(
    "--returns",
    "source",
    required=True,
    metavar="PATH",
    help="Bars (ts_ms, symbol, close) or returns by coin, Parquet or CSV.",
)
@click.option("--market", default="BTC", show_default=True, help="The coin that leads the betas.")
def joint(
    *,
    file: str,
    as_json: bool,
    rulebook: str | None,
    unit_id: str | None,
    source: str,
    market: str,
) -> None:
    """Show the joint moves that liquidate the account in FILE, from historical returns.

    The least unusual one, in standard deviations, and how far the market can move when every coin
    follows it by its beta. Both are checked by the exact core.
    """
    account = account_of(file, rulebook)
    returns = read_returns(source)
    least = find_nearest_move(account, returns, unit_id=unit_id)
    along = find_beta_move(account, returns, market=market, unit_id=unit_id)
    if as_json:
        document = {"nearest": least.document(), "betas": along.document(), "returns": source}
        click.echo(json.dumps(document, indent=2))
        return
    for line in joint_lines(account.rulebook.name, least, along, source):
        say(line)


def joint_lines(rulebook: str, least: NearestMove, along: BetaMove, source: str) -> Iterator[str]:
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
    for name, move in (("falls", along.down), ("rises", along.up)):
        yield from wrapped(f"{along.market} {name}, betas followed: {_size(move)}", WIDTH)
    yield from wrapped(f"returns: {source}; a sigma spans {least.horizon}", WIDTH)
    yield from wrapped(
        "alone: its own move over its own sigma, while the others stand still; how unusual it is "
        "that they do is counted in the joint move only",
        WIDTH,
    )


def _nearest_words(least: NearestMove) -> Iterator[str]:
    if least.distance is None:
        yield f"nearest joint move: {least.status.value}, {least.reason}"
        return
    yield f"nearest joint move that liquidates: {least.distance:.2f} sigma ({least.method})"
    if least.is_proved:
        yield "no nearer move does: proved"
    elif least.at_least is not None:
        yield f"nothing nearer than {least.at_least:.2f} sigma does: proved"
    else:
        yield "nearer ones were searched for, not excluded: the book has no bound here"


def _rows(least: NearestMove, along: BetaMove) -> Iterator[tuple[str, ...]]:
    for coin, beta in along.betas.items():
        move = (least.moves or {}).get(coin)
        far = (least.alone or {}).get(coin)
        yield (
            coin,
            f"{beta:.2f}",
            "" if move is None else percent(move, signed=True),
            "none" if far is None else f"{far:.2f}",
        )


def _size(move: JointMove) -> str:
    if move.size is None:
        if move.status is PriceStatus.NONE:
            return "nothing liquidates before a price is nothing or eleven times itself"
        return f"{move.status.value} ({move.reason})"
    return f"liquidated at {percent(move.size)}"
