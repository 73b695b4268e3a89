"""Differences between the venue's own figures and ours: shown, never tuned away."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from keelmark.accounts.agreement import Likely, agrees
from keelmark.accounts.document import TOTAL
from keelmark.accounts.figures import figure
from keelmark.accounts.known import KnownMargin
from keelmark.accounts.legs import SIDES, is_named, leg_key
from keelmark.accounts.position import PositionCheck
from keelmark.core.margin import MarginReport
from keelmark.core.numbers import ZERO, exact

HELD_FORM = "the venue holds maintenance at the present mark; the report solves for the true price"

SAME_DIGITS = 4
"""Digits of a difference."""

Checked = tuple[MarginReport | KnownMargin, Sequence[PositionCheck], str | None]
"""The margin of a unit, its positions, and why it has no report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """One figure the venue reports beside ours.

    Attributes:
        number: As `explain` is asked for it.
        reported: The venue's figure.
        computed: Ours, `None` where there is none.
        reason: Why there is none.
        form: What the venue's figure means, where that is not what ours of this name does.
        likely: The most likely reason of a difference, where one was looked for and found.
    """

    number: str
    reported: Decimal
    computed: Decimal | None
    reason: str | None = None
    form: str | None = None
    likely: Likely | None = None

    @property
    def instrument(self) -> str:
        """The instrument the figure is of, empty of a total."""
        return self.number.partition(":")[2].partition("/")[0]

    @property
    def difference(self) -> Decimal | None:
        """Reported less computed."""
        if self.computed is None:
            return None
        with exact():
            return self.reported - self.computed

    @property
    def matches(self) -> bool:
        """Whether the two agree to one unit of the last digit the venue prints.

        Venues print 0 where no price exists.
        """
        return agrees(self.reported, self.computed)

    @property
    def beside(self) -> str:
        """The venue's figure beside ours, with the difference where both exist."""
        theirs = f"venue {figure(self.reported)}"
        if self.computed is None or self.difference is None:
            return f"{theirs}, computed none"
        gap = figure(self.difference, signed=True, digits=SAME_DIGITS)
        return f"{theirs}, computed {figure(self.computed)}, difference {gap}"

    @property
    def likely_reason(self) -> str:
        """Why the two differ, as far as is known; that they match, where they do."""
        if self.matches:
            return "matches to the printed digits"
        if self.likely is None and self.computed is None and self.reason:
            return self.reason
        return "unexplained" if self.likely is None else self.likely.verdict


def residuals_of(
    reported: Mapping[str, Mapping[str, Decimal]],
    units: Sequence[Checked],
) -> tuple[Residual, ...]:
    """Return every reported figure beside the computed one.

    Args:
        reported: By number, then by instrument, leg (`BTCUSDT/long`) or `TOTAL`.
        units: Each unit; totals are compared with the first.
    """
    found: list[Residual] = []
    for number, figures in reported.items():
        for key, value in figures.items():
            if key == TOTAL:
                found.append(_total(number, value, units))
            else:
                found.append(_position(number, key, value, units))
    return tuple(found)


def _total(number: str, reported: Decimal, units: Sequence[Checked]) -> Residual:
    figure = getattr(units[0][0], number, None) if units else None
    if figure is None:
        reason = (units[0][2] if units else None) or "nothing is held"
        return Residual(number=number, reported=reported, computed=None, reason=reason)
    if isinstance(figure, Decimal):
        return Residual(number=number, reported=reported, computed=figure)
    return Residual(number=number, reported=reported, computed=figure.value, reason=figure.reason)


def _position(
    number: str,
    key: str,
    reported: Decimal,
    units: Sequence[Checked],
) -> Residual:
    rows = [p for _, held, _ in units for p in held if is_named(p.held.position, key)]
    name = f"{number}:{key}"
    if not rows:
        return Residual(
            number=name, reported=reported, computed=None, reason=f"no position in {key}"
        )
    if number in {"liquidation_price", "bankruptcy_price"} and _are_apart(rows):
        legs = " or ".join(leg_key(key, side) for side in SIDES)
        text = f"{key} has two legs that end at prices of their own: name one, {legs}"
        return Residual(number=name, reported=reported, computed=None, reason=text)
    if number in {"liquidation_price", "bankruptcy_price"}:
        return _price(name, reported, rows[0], is_end=number == "bankruptcy_price")
    missing = next((row.missing for row in rows if row.missing), None)
    if missing and number in {"initial_margin", "maintenance_margin"}:
        return Residual(number=name, reported=reported, computed=None, reason=missing)
    with exact():
        computed = sum((getattr(row.held, number) for row in rows), ZERO)
    return Residual(number=name, reported=reported, computed=computed)


def _are_apart(rows: Sequence[PositionCheck]) -> bool:
    """Whether legs are liquidated apart: one of them at least is isolated."""
    return len({row.unit_id for row in rows}) > 1


def _price(name: str, reported: Decimal, row: PositionCheck, *, is_end: bool) -> Residual:
    """Return a reported price beside ours, computed in the venue's own form."""
    price = row.bankruptcy if is_end else row.shown or row.liquidation
    return Residual(
        number=name,
        reported=reported,
        computed=price.value,
        reason=price.reason,
        form=HELD_FORM if row.shown is not None and not is_end else None,
    )
