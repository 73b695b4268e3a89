"""The keelmark gauge: how much of what carries an account its maintenance has taken.

Water is maintenance usage, maintenance margin over equity; at one the load line is under water and
the account is liquidated. Where the marks stand is worked out here once; the terminal, the page and
the picture draw the same.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from keelmark.core.margin import MarginReport
from keelmark.core.numbers import ONE, ZERO, exact
from keelmark.core.process import LiquidationRules, Stage


@dataclass(frozen=True, slots=True)
class GaugeMark:
    """A line on the hull.

    Attributes:
        usage: Height, fraction of equity.
        name: What happens there.
    """

    usage: Decimal
    name: str


@dataclass(frozen=True, slots=True)
class Gauge:
    """The hull of one unit.

    Attributes:
        usage: Water level; `None` where equity is gone and the hull is under water.
        marks: Lines, highest first, each height once.
    """

    usage: Decimal | None
    marks: tuple[GaugeMark, ...]

    @property
    def level(self) -> Decimal:
        """How far the hull is under water, at most one."""
        return ONE if self.usage is None else min(ONE, max(ZERO, self.usage))


def gauge_of(report: MarginReport | None, rules: LiquidationRules) -> Gauge | None:
    """Return the gauge of a unit; `None` where its margin is unknown or it holds no position."""
    if report is None or not report.positions:
        return None
    by_usage: dict[Decimal, list[str]] = {}
    for mark in _marks(report, rules):
        by_usage.setdefault(mark.usage, []).append(mark.name)
    rising = sorted(by_usage.items(), reverse=True)
    marks = tuple(GaugeMark(usage, ", ".join(names)) for usage, names in rising)
    return Gauge(report.margin_ratio.value, marks)


def _marks(report: MarginReport, rules: LiquidationRules) -> Iterator[GaugeMark]:
    """Return every line, the load line first."""
    needed = report.maintenance_margin
    with exact():
        yield GaugeMark(ONE / report.trigger_level, "liquidation")
        if ZERO < needed * report.trigger_level < report.liquidation_end_margin:
            yield GaugeMark(needed / report.liquidation_end_margin, "liquidation ends")
        if Stage.MARGIN_CALL in rules.stages and rules.margin_call.usage < ONE:
            yield GaugeMark(rules.margin_call.usage, "margin call")
        if Stage.WARN in rules.stages:
            yield from (GaugeMark(level, "warning") for level in rules.warn.levels)
        if ZERO < needed < report.initial_margin:
            yield GaugeMark(needed / report.initial_margin, "initial margin")


CURVE = (0.0, 0.01, 0.03, 0.06, 0.1, 0.15, 0.21, 0.28, 0.35)
"""Heights at which the curve of the hull below its straight sides is drawn."""

STRAIGHT_FROM = CURVE[-1]


def beam(height: float) -> float:
    """Return half the width of the hull at a height, of one where its sides are straight."""
    return min(1.0, math.pow(max(0.0, height) / STRAIGHT_FROM, 0.4))


def outline(top: float) -> list[tuple[float, float]]:
    """Return the corners of the hull filled up to a height: across from -1 to 1, up from 0 to 1."""
    heights = [*(height for height in CURVE if height < top), top]
    right = [(beam(height), height) for height in heights]
    return [*right, *((-x, height) for x, height in reversed(right))]
