"""The terminal view of the likeliest way down: the unit that goes first, then the others."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from shlex import quote

import click

from keelmark.accounts.figures import percent
from keelmark.cli.painting import GAP, INDENT, painted, wrapped
from keelmark.core.joint_move import JointMove
from keelmark.core.liquidation_price import PriceStatus
from keelmark.risk.beta_move import BetaMove
from keelmark.risk.history.closes import when
from keelmark.risk.returns import Returns
from keelmark.risk.reverse import ReverseStress, ReverseStressByUnit
from keelmark.risk.symbols import coin_of

WIDTH = 80
LEGS_SHOWN = 5
"""Positions whose closing is told: those that would help most."""

ESTIMATOR = (
    "by the sample covariance of all these changes alike, not by how wild the market is now, as "
    "that of `keelmark risk` is"
)
"""What measures a sigma: two commands that say sigma need not mean the same."""

NO_CHANCE = (
    "it is a distance, no chance: on 10 October 2025 half of 60 coins fell by 13 such sigmas and "
    "more within two hours"
)
"""Measured by `tests/risk/reverse/test_october_2025.py` on recorded bars."""

UNITS_SHOWN = 8
"""Other units that have a line of their own: those that go next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the view tells.

    Attributes:
        rulebook: Its name.
        verdict: Health of the account now.
        units: The likeliest way down of each.
        betas: Moves along betas by unit, but for units that are liquidatable already.
        history: Where sigmas come from.
        notes: How it lies to the account's own time.
        file: Of the account, for the command that comes next.
    """

    rulebook: str
    verdict: str
    units: ReverseStressByUnit
    betas: Mapping[str, BetaMove]
    history: Returns
    notes: tuple[str, ...]
    file: str

    @property
    def count(self) -> int:
        """How many units were asked about."""
        return len(self.units.found) + len(self.units.unknown)


def joint_lines(answer: Answer) -> Iterator[str]:
    """Return the view line by line, within eighty columns."""
    least = answer.units.nearest
    yield f"{answer.rulebook}{GAP}{least.unit_id}{_of_how_many(answer)}{GAP}now {answer.verdict}"
    for text in _nearest_words(least):
        yield from wrapped(text, WIDTH)
    yield from _other_units(answer.units)
    if not least.is_liquidatable_now:
        yield ""
        yield from _table(least, answer.betas.get(least.unit_id))
        yield ""
        yield from _helps(least)
    yield from _along_betas(answer)
    yield from wrapped(history_words(answer.history), WIDTH)
    if not least.is_liquidatable_now:
        yield from wrapped(f"a sigma is {ESTIMATOR}; {NO_CHANCE}", WIDTH)
        yield from wrapped(
            "alone: its own move over its own sigma, while the others stand still; how unusual it "
            "is that they do is counted in the joint move only",
            WIDTH,
        )
    for note in dict.fromkeys((*answer.notes, *least.notes)):
        yield from wrapped(note, WIDTH)
    yield click.style(f"{INDENT}{_next(answer)}", dim=True)


def history_words(returns: Returns) -> str:
    """Return where sigmas come from, and from when."""
    rows = f"{returns.source}: {len(returns.values):,} changes of {returns.period}"
    if returns.times is not None:
        rows += f", {when(returns.times[0])} to {when(returns.times[-1])} UTC"
    return f"returns: {rows}; a sigma spans {returns.horizon}"


def _of_how_many(answer: Answer) -> str:
    return f", the nearest of {answer.count} units" if answer.count > 1 else ""


def _nearest_words(least: ReverseStress) -> Iterator[str]:
    if least.is_liquidatable_now:
        yield painted(f"LIQUIDATABLE now: {least.unit_id}; no price needs to move", "LIQUIDATABLE")
        return
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


def _other_units(units: ReverseStressByUnit) -> Iterator[str]:
    """Yield a line a unit: those that go next, what is left of them, those that are unknown."""
    others = units.found[1:]
    for one in others[:UNITS_SHOWN]:
        yield from wrapped(f"{one.unit_id}: {_in_short(one)}", WIDTH)
    if len(others) > UNITS_SHOWN:
        yield f"{INDENT}and {len(others) - UNITS_SHOWN} units more, none of them nearer"
    for unit, why in units.unknown.items():
        yield from wrapped(f"{unit}: unknown, {why}; it may go sooner", WIDTH)


def _in_short(one: ReverseStress) -> str:
    if one.is_liquidatable_now:
        return "LIQUIDATABLE now"
    if one.distance is None:
        return one.sentence
    proof = "" if one.is_proved else ", not proved"
    return f"{one.sentence.rpartition(':')[0]}: {one.distance:.2f} sigma{proof}"


def _table(least: ReverseStress, along: BetaMove | None) -> Iterator[str]:
    rows = [("coin", "beta", "nearest move", "alone, own sigma"), *_rows(least, along)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(size) for cell, size in zip(row[1:], widths[1:], strict=True)]
        yield INDENT + GAP.join(cells)


def _rows(least: ReverseStress, along: BetaMove | None) -> Iterator[tuple[str, ...]]:
    moves = least.moves or {}
    betas = {} if along is None else {name: f"{beta:.2f}" for name, beta in along.betas.items()}
    for name in betas or least.alone or {}:
        coin = coin_of(name)[0]
        if coin in moves or betas:
            yield (name, betas.get(name, ""), _move(moves.get(coin)), _alone(least, coin))
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


def _along_betas(answer: Answer) -> Iterator[str]:
    """Yield how far the market can fall and rise until the first unit is gone."""
    is_one_of_many = answer.count > 1
    for side, verb in (("down", "falls"), ("up", "rises")):
        moves = {unit: getattr(along, side) for unit, along in answer.betas.items()}
        if not moves:
            return
        unit = min(moves, key=lambda name: _order(moves[name]))
        market = answer.betas[unit].market
        which = f", {unit}" if is_one_of_many and moves[unit].size is not None else ""
        yield from wrapped(f"{market} {verb}, betas followed: {_size(moves[unit])}{which}", WIDTH)
        for name, move in moves.items():
            if name != unit and move.status is PriceStatus.UNKNOWN:
                yield from wrapped(f"{name}: {_size(move)}; it may go sooner", WIDTH, depth=2)


def _order(move: JointMove) -> tuple[bool, bool, Decimal]:
    """Sort key: found before unknown before none, the nearest first."""
    is_unknown = move.status is PriceStatus.UNKNOWN
    return (move.size is None, not is_unknown, move.size or Decimal(0))


def _size(move: JointMove) -> str:
    if move.size is None:
        if move.status is PriceStatus.NONE:
            return "nothing liquidates before a price is nothing or eleven times itself"
        return f"{move.status.value} ({move.reason})"
    return f"liquidated at {percent(move.size)}"


def _next(answer: Answer) -> str:
    """Return the command a reader is likely to want next, within the width."""
    name = "FILE" if answer.file == "-" else quote(answer.file)
    verb = "rescue" if answer.verdict in {"warning", "liquidatable"} else "stress"
    text = f"next: `keelmark {verb} {name}`"
    return text if len(INDENT + text) <= WIDTH else f"next: `keelmark {verb} FILE`"
