"""Margin, equity and usage along one price: every rung is the exact margin at that market."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from keelmark.accounts.account import Account
from keelmark.accounts.check_document import JsonTable, decimal_text
from keelmark.accounts.figures import figure, percent
from keelmark.accounts.table import Table
from keelmark.core.errors import InvalidInput
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.risk.axes import Axis, MarginAt, axis_along, axis_of, unit_for
from keelmark.risk.crossing import crossing
from keelmark.risk.edges import Edge, edges

if TYPE_CHECKING:
    import polars as pl

SPAN = Decimal("0.5")
STEPS = 41
NOW = "now"
LIQUIDATION = "liquidation"
_STEPS_MIN, _STEPS_MAX = 2, 2_001
_BESIDE = Decimal("1e-12")
_SAME = Decimal("1e-30")
"""Moves this close are one: an entry price at the mark comes back off by the last digit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One place of a ladder.

    Attributes:
        move: Relative change of the price.
        price: What it comes to; `None` where several prices move apart.
        margin: The margin there.
        what: What is special there: now, a liquidation, edges of formulas; empty on the grid.
    """

    move: Decimal
    price: Decimal | None
    margin: MarginAt
    what: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """Margin along one axis.

    Attributes:
        rulebook: Under which it was computed.
        unit_id: The margin unit.
        currency: What totals are in.
        axis: What moves.
        rungs: Rising.
    """

    rulebook: str
    unit_id: str
    currency: str
    axis: Axis
    rungs: tuple[Rung, ...]

    @property
    def liquidations(self) -> tuple[Rung, ...]:
        """The rungs at which the unit begins or ceases to be liquidatable, rising."""
        return tuple(rung for rung in self.rungs if LIQUIDATION in rung.what)

    @property
    def nearest(self) -> Rung | None:
        """The liquidation nearest to now."""
        return min(self.liquidations, key=lambda rung: abs(rung.move), default=None)

    @property
    def table(self) -> Table:
        """Every rung, amounts in the currency of the unit."""
        names = ("move", "price", "equity", "initial_margin", "maintenance_margin", "excess")
        return Table.of(
            f"{self.rulebook} {self.unit_id} along {self.axis.name}, in {self.currency}",
            (*names, "margin_ratio", "liquidatable", "what"),
            [
                (
                    rung.move,
                    rung.price,
                    rung.margin.equity,
                    rung.margin.initial_margin,
                    rung.margin.maintenance_margin,
                    rung.margin.excess,
                    rung.margin.usage,
                    "yes" if rung.margin.is_liquidatable else "no",
                    ", ".join(rung.what),
                )
                for rung in self.rungs
            ],
        )

    def to_polars(self) -> "pl.DataFrame":
        """Return `table` as a frame; numbers are float64."""
        return self.table.to_polars()

    def document(self) -> JsonTable:
        """Return the ladder as JSON, decimals as text."""
        return {
            "rulebook": self.rulebook,
            "unit": self.unit_id,
            "currency": self.currency,
            "along": self.axis.name,
            "slopes": {
                f"{factor.kind.value}:{factor.name}": decimal_text(slope)
                for factor, slope in sorted(self.axis.path.slopes.items(), key=lambda i: str(i[0]))
            },
            "liquidations": [decimal_text(rung.move) for rung in self.liquidations],
            "recoveries": [decimal_text(rung.move) for rung in recoveries(self)],
            "rungs": [rung_document(rung) for rung in self.rungs],
        }

    def plot_ladder(self, path: str | Path) -> Path:
        """Draw the ladder into a `.png`, `.svg` or `.html` file, and return its path.

        Raises:
            MissingExtra: matplotlib is not installed.
        """
        from keelmark.risk.pictures import draw_ladder, write  # noqa: PLC0415 heavy and optional

        return write(draw_ladder(self), self, Path(path))

    def _repr_html_(self) -> str:
        return self.table._repr_html_()


Stretch = tuple[Rung | None, Rung | None]
"""From a liquidation to the next; `None` where it goes beyond the ladder."""


def stretches(found: Ladder) -> tuple[Stretch, ...]:
    """Return where the unit is liquidatable, rising."""
    ends = [None, *found.liquidations, None]
    places = [found.rungs[0].move, *(r.move for r in found.liquidations), found.rungs[-1].move]
    answers = []
    for (first, last), (low, high) in zip(pairwise(ends), pairwise(places), strict=True):
        inside = next((r for r in found.rungs if low < r.move < high), None)
        if inside is None:
            with exact():
                is_in = found.axis.at((low + high) / 2).is_liquidatable
        else:
            is_in = inside.margin.is_liquidatable
        if is_in:
            answers.append((first, last))
    return tuple(answers)


def recoveries(found: Ladder) -> tuple[Rung, ...]:
    """Return the liquidations at which, going outwards from now, the unit is healthy again."""
    ends = []
    for first, last in stretches(found):
        if first is not None and first.move < ZERO:
            ends.append(first)
        if last is not None and last.move > ZERO:
            ends.append(last)
    return tuple(ends)


def stretch_words(found: Ladder) -> str:
    """Return in words where the unit is liquidatable."""
    words = [_stretch_word(first, last) for first, last in stretches(found)]
    low, high = (percent(found.rungs[i].move, signed=True) for i in (0, -1))
    return f"liquidated {', '.join(words)}" if words else f"not liquidated from {low} to {high}"


def _stretch_word(first: Rung | None, last: Rung | None) -> str:
    if first is None and last is None:
        return "everywhere here"
    if first is None or last is None:
        side, rung = ("above", first) if last is None else ("below", last)
        return f"{side} {rung_words(rung)}"
    return f"from {rung_words(first)} to {rung_words(last)}"


def rung_words(rung: Rung | None) -> str:
    """Return the place of a rung in words."""
    if rung is None:
        return ""
    moved = percent(rung.move, signed=True)
    return moved if rung.price is None else f"{figure(rung.price)} ({moved})"


def rung_document(rung: Rung) -> JsonTable:
    """Return one rung as JSON."""
    return {
        "move": decimal_text(rung.move),
        "price": decimal_text(rung.price),
        **margin_document(rung.margin),
        "what": list(rung.what),
    }


def margin_document(margin: MarginAt) -> JsonTable:
    """Return a margin as JSON."""
    return {
        "equity": decimal_text(margin.equity),
        "initial_margin": decimal_text(margin.initial_margin),
        "maintenance_margin": decimal_text(margin.maintenance_margin),
        "excess": decimal_text(margin.excess),
        "margin_ratio": decimal_text(margin.usage),
        "is_liquidatable": margin.is_liquidatable,
    }


def ladder(
    account: Account,
    along: str | Mapping[str, Decimal] = "all",
    *,
    unit_id: str | None = None,
    low: Decimal = -SPAN,
    high: Decimal = SPAN,
    steps: int = STEPS,
) -> Ladder:
    """Return the margin of a unit along one price, exact on every rung.

    Besides the grid there is a rung at present prices, where a formula changes (a tier floor, an
    entry price) and where the unit begins or ceases to be liquidatable.

    Args:
        account: From `load_account`.
        along: An instrument, a coin, an asset, `all`, or a vector of relative changes by name.
        unit_id: Margin unit; the one that holds it where left out.
        low: Smallest relative move, above -1.
        high: Largest relative move.
        steps: Rungs of the grid.

    Raises:
        InvalidInput: Nothing of that name moves the unit, or the grid is none.
        MissingNumber: A price the unit reads is missing.

    Source: docs/model.md, "Ladder and surface".
    """
    name = along if isinstance(along, str) else None
    unit = unit_for(account, name, unit_id)
    axis = (
        axis_of(account, unit, along)
        if isinstance(along, str)
        else axis_along(account, unit, along, vector_words(along))
    )
    moves = grid(axis, low, high, steps)
    return Ladder(
        rulebook=account.rulebook.name,
        unit_id=unit.unit_id,
        currency=currency_of(account, axis),
        axis=axis,
        rungs=_rungs(axis, moves, edges(axis, moves[0], moves[-1])),
    )


def vector_words(vector: Mapping[str, Decimal]) -> str:
    """Return a joint move in words."""
    return ", ".join(f"{name} {step:+f}" for name, step in vector.items() if step)


def currency_of(account: Account, axis: Axis) -> str:
    """Return what the totals of a unit are in."""
    model = account.model
    if not model.single_asset:
        return model.valuation
    unit = axis.path.unit
    settle = model.instrument(unit.positions[0].instrument).instrument.settle
    return next(iter(unit.balances), settle)


def grid(axis: Axis, low: Decimal, high: Decimal, steps: int) -> list[Decimal]:
    """Return evenly spaced moves; prices stay above zero on all of them.

    Raises:
        InvalidInput: The bounds or the number of steps make no grid.
    """
    if not _STEPS_MIN <= steps <= _STEPS_MAX:
        msg = f"{steps} steps: between {_STEPS_MIN} and {_STEPS_MAX} are drawn"
        raise InvalidInput(msg)
    if not low < high:
        msg = f"from {low:f} to {high:f}: the lower end must be below the upper one"
        raise InvalidInput(msg)
    with exact():
        ends = [-ONE / slope for slope in axis.path.slopes.values()]
        worst = max((end for end in ends if end < ZERO), default=None)
        best = min((end for end in ends if end > ZERO), default=None)
        if (worst is not None and low <= worst) or (best is not None and high >= best):
            bound = worst if worst is not None and low <= worst else best
            msg = f"a move of {bound:.4f} takes a price of {axis.name} to zero; stay inside it"
            raise InvalidInput(msg)
        return [low + (high - low) * i / (steps - 1) for i in range(steps)]


def _rungs(axis: Axis, moves: Sequence[Decimal], found: Iterable[Edge]) -> tuple[Rung, ...]:
    """Return grid, edges, now and liquidations as rungs, rising."""
    words: dict[Decimal, list[str]] = {move: [] for move in moves}
    if moves[0] <= ZERO <= moves[-1]:
        words.setdefault(ZERO, []).append(NOW)
    for edge in found:
        same = (place for place in words if abs(place - edge.move) <= _SAME)
        words.setdefault(next(same, edge.move), []).append(edge.what)
    places = sorted(words)
    margins = {move: axis.at(move) for move in places}
    for move in _liquidations(axis, places):
        words.setdefault(move, []).append(LIQUIDATION)
        margins.setdefault(move, axis.at(move))
    return tuple(
        Rung(move=move, price=axis.price(move), margin=margins[move], what=tuple(words[move]))
        for move in sorted(words)
    )


def _liquidations(axis: Axis, places: Sequence[Decimal]) -> list[Decimal]:
    """Return where the trigger changes its answer; both sides of each place are looked at.

    Between two places the excess of linear contracts is a straight line, and at a place it may
    jump: so no crossing of theirs is missed.
    """
    trigger = axis.path.model.trigger
    with exact():
        probes = [p + side * _BESIDE for p in places for side in (-1, 0, 1)][1:-1]
    answers = [trigger.holds(excess=axis.excess(probe)) for probe in probes]
    found = []
    for (one, fallen), (other, falls) in pairwise(zip(probes, answers, strict=True)):
        if fallen != falls:
            good, bad = (other, one) if fallen else (one, other)
            found.append(crossing(axis.excess, trigger, good, bad))
    return found
