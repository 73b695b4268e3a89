"""`whatif`: an account now, and after edits that nobody has made yet, side by side."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING

from keelmark.accounts.account import Account
from keelmark.accounts.check import AccountCheck
from keelmark.accounts.check import check as check_account
from keelmark.accounts.document import AccountDocument
from keelmark.accounts.figures import percent
from keelmark.accounts.levels import WARN_DISTANCE
from keelmark.accounts.position import PositionCheck
from keelmark.accounts.snapshot_age import Freshness
from keelmark.accounts.table import Table
from keelmark.accounts.unit_check import UnitCheck
from keelmark.core.codes import UnitKind
from keelmark.core.numbers import ZERO, exact
from keelmark.risk.apply import applied
from keelmark.risk.edit_text import edit_words, parse_edit
from keelmark.risk.edits import Edit

if TYPE_CHECKING:
    import polars as pl

TOTALS = (
    "equity",
    "initial_margin",
    "maintenance_margin",
    "maintenance_excess",
    "available",
    "margin_ratio",
    "effective_leverage",
    "distance",
)
"""What is compared of a unit; the last three are ratios."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One number now and after; `None` where it is unknown or there is none."""

    name: str
    now: Decimal | None
    after: Decimal | None

    @property
    def difference(self) -> Decimal | None:
        """After less now."""
        if self.now is None or self.after is None:
            return None
        with exact():
            return self.after - self.now


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitPair:
    """One margin unit now and after; `None` where it does not exist."""

    unit_id: str
    now: UnitCheck | None
    after: UnitCheck | None

    @property
    def figures(self) -> tuple[Compared, ...]:
        """Every total and ratio."""
        return tuple(
            Compared(name=name, now=_figure(self.now, name), after=_figure(self.after, name))
            for name in TOTALS
        )

    def figure(self, name: str) -> Compared:
        """Return a number by name."""
        return next(figure for figure in self.figures if figure.name == name)

    @property
    def has_changed(self) -> bool:
        """Whether any number has."""
        return any(figure.now != figure.after for figure in self.figures)


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionPair:
    """One position now and after; `None` where it is not held."""

    name: str
    now: PositionCheck | None
    after: PositionCheck | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WhatIf:
    """An account now and after.

    Attributes:
        edits: In the order they were applied.
        now: Its check before.
        after: Its check after.
        fee_rate: Fraction of notional that fills were charged.
        fees: What that came to, by asset.
        notes: What was assumed on the way, and what a venue would refuse.
    """

    edits: tuple[Edit, ...]
    now: AccountCheck
    after: AccountCheck
    fee_rate: Decimal
    fees: Mapping[str, Decimal]
    notes: tuple[str, ...]

    @property
    def document(self) -> AccountDocument:
        """The account document after: `accounts.written` turns it into JSON."""
        return self.after.account.document

    @property
    def words(self) -> str:
        """The edits in words."""
        return ", ".join(edit_words(edit) for edit in self.edits) or "nothing changes"

    @property
    def units(self) -> tuple[UnitPair, ...]:
        """Every unit that exists now or after, the main one first.

        A cross unit that is called otherwise after (`cross` is `cross:USDT` once another asset
        stands beside it) is told by what it holds.
        """
        renamed = _renamed(self.now.units, self.after.units)
        names = {unit.unit.unit_id: unit.unit.unit_id for unit in self.now.units} | renamed
        now = {names[unit.unit.unit_id]: unit for unit in self.now.units}
        after = {unit.unit.unit_id: unit for unit in self.after.units}
        main = [check.main.unit.unit_id for check in (self.now, self.after) if check.main]
        main = [names.get(name, name) for name in main]
        return tuple(
            UnitPair(unit_id=name, now=now.get(name), after=after.get(name))
            for name in dict.fromkeys((*main[:1], *now, *after))
        )

    @property
    def positions(self) -> tuple[PositionPair, ...]:
        """Every leg that is held now or after."""
        now = {_leg(position): position for position in self.now.positions}
        after = {_leg(position): position for position in self.after.positions}
        return tuple(
            PositionPair(name=" ".join(leg), now=now.get(leg), after=after.get(leg))
            for leg in dict.fromkeys((*now, *after))
        )

    @property
    def table(self) -> Table:
        """Every number of every unit now and after, with the difference."""
        rows = [
            (pair.unit_id, figure.name, figure.now, figure.after, figure.difference)
            for pair in self.units
            for figure in pair.figures
        ]
        return Table.of(self.words, ("unit", "number", "now", "after", "difference"), rows)

    @property
    def positions_table(self) -> Table:
        """Every position now and after, with the prices that end it."""
        names = ("size", "notional", "liquidation_price", "liquidation_status", "distance")
        heads = [f"{name}_{when}" for when in ("now", "after") for name in names]
        rows = [
            (pair.name, *_position_cells(pair.now), *_position_cells(pair.after))
            for pair in self.positions
        ]
        return Table.of("positions", ("position", *heads), rows)

    def to_polars(self) -> "pl.DataFrame":
        """Return `table` as a frame; numbers are float64."""
        return self.table.to_polars()

    def _repr_html_(self) -> str:
        parts = [f"<p><b>{escape(self.words)}</b>: {self.now.verdict.value} &rarr; "]
        parts.append(f"{self.after.verdict.value}</p>{''.join(self._bars())}")
        parts += [self.table._repr_html_(), self.positions_table._repr_html_()]
        parts += [f"<p>{escape(note)}</p>" for note in self.notes]
        return "".join(parts)

    def _bars(self) -> Iterator[str]:
        """Return the two bars of margin used, now and after, as HTML."""
        for when, check in (("now", self.now), ("after", self.after)):
            used = None if check.main is None else _figure(check.main, "margin_ratio")
            if used is None:
                yield f"<div>{when}: margin used unknown or none</div>"
                continue
            share = min(max(used, ZERO), Decimal(1)) * 100
            bar = f"width:{share:.1f}%;height:0.8em;background:#0072B2"
            yield (
                f'<div>{when}: {percent(used)} of equity is maintenance margin<div style="'
                f'width:20em;border:1px solid currentColor"><div style="{bar}"></div></div></div>'
            )


def whatif(
    account: Account,
    *edits: Edit | str,
    fee_rate: Decimal | None = None,
    warn_distance: Decimal = WARN_DISTANCE,
    freshness: Freshness | None = None,
) -> WhatIf:
    """Return an account now and after edits, applied in the order given.

    Args:
        account: From `load_account`.
        edits: Values of `keelmark.risk`, or their words: `"close BTCUSDT=50%"`.
        fee_rate: Fraction of notional a fill costs; `None` for the rulebook's taker fee.
        warn_distance: Distance below which a verdict is a warning.
        freshness: As of `check`.

    Raises:
        InvalidInput: An edit cannot be read or made; names it, and what to do.

    Source: docs/model.md, "What if".
    """
    read = tuple(parse_edit(edit) if isinstance(edit, str) else edit for edit in edits)
    draft = applied(account, read, fee_rate=fee_rate)
    return WhatIf(
        edits=read,
        now=check_account(account, warn_distance=warn_distance, freshness=freshness),
        after=check_account(draft.account, warn_distance=warn_distance, freshness=freshness),
        fee_rate=draft.fee,
        fees=draft.fees,
        notes=draft.notes,
    )


def _renamed(now: Sequence[UnitCheck], after: Sequence[UnitCheck]) -> dict[str, str]:
    """Return the name after of every cross unit now whose name is another's or nobody's then."""
    then = {unit.unit.unit_id for unit in after}
    before = {unit.unit.unit_id for unit in now}
    gone = [u.unit for u in now if u.unit.kind is UnitKind.CROSS and u.unit.unit_id not in then]
    come = [u.unit for u in after if u.unit.kind is UnitKind.CROSS and u.unit.unit_id not in before]
    found: dict[str, str] = {}
    for unit in gone:
        same = [u for u in come if set(u.balances) & set(unit.balances)]
        best = max(same, key=lambda other: len(other.positions), default=None)
        if best is not None:
            found[unit.unit_id] = best.unit_id
            come.remove(best)
    return found


def _figure(unit: UnitCheck | None, name: str) -> Decimal | None:
    if unit is None:
        return None
    if name == "distance":
        return unit.distance
    found = unit.total(name)
    return found if found is None or isinstance(found, Decimal) else found.value


def _leg(position: PositionCheck) -> tuple[str, str]:
    held = position.held.position
    return held.instrument, "long" if held.size > ZERO else "short"


def _position_cells(position: PositionCheck | None) -> tuple[Decimal | str | None, ...]:
    if position is None:
        return (None, None, None, "not held", None)
    price = position.liquidation
    held = position.held
    return held.position.size, held.notional, price.value, price.status.value, position.distance
