"""Whole-number arithmetic of a takeover: transfer values, and how they split with the lots.

The transfer value of a position is its value at the mark less its share of the unit's equity, so
that a unit which hands over everything ends at exactly nothing. Shares are in proportion to the
maintenance requirements, whole quanta by largest remainder.

Source: docs/model.md, "Bankruptcy and transfer"; dYdX v4, bankruptcy price.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from keelmark.core.allocation import largest_remainder
from keelmark.core.numbers import Rounding, mul_div


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A position to be handed over, whole numbers; value and loss in settle quanta.

    Attributes:
        instrument: Row of the instrument.
        leg: Leg of the position.
        lots: Signed.
        value: Signed value at the mark.
        loss: Its share of the unit's deficit; negative for a share of positive equity.
    """

    instrument: int
    leg: int
    lots: int
    value: int
    loss: int

    @property
    def transfer_value(self) -> int:
        """Signed value at which it changes hands if the receiver takes the share along."""
        return self.value + self.loss

    def part(self, lots: int) -> "Holding":
        """Return the part with these lots (signed alike); values split in proportion."""
        if lots == self.lots:
            return self
        return Holding(
            instrument=self.instrument,
            leg=self.leg,
            lots=lots,
            value=mul_div(self.value, lots, self.lots, Rounding.FLOOR),
            loss=mul_div(self.loss, lots, self.lots, Rounding.FLOOR),
        )

    def rest(self, part: "Holding") -> "Holding":
        """Return what is left after a part; nothing is lost between them."""
        return Holding(
            instrument=self.instrument,
            leg=self.leg,
            lots=self.lots - part.lots,
            value=self.value - part.value,
            loss=self.loss - part.loss,
        )


def with_losses(equity: int, holdings: Sequence[Holding], weights: Sequence[int]) -> list[Holding]:
    """Return the holdings with the unit's equity shared over them.

    Args:
        equity: Quanta; negative is a deficit.
        holdings: Positions of the unit, losses not yet known.
        weights: Maintenance requirement of each, whole and not negative; all zero counts alike.
    """
    usable = list(weights) if any(weights) else [1] * len(holdings)
    shares = largest_remainder(abs(equity), usable)
    sign = -1 if equity > 0 else 1
    return [
        Holding(instrument=h.instrument, leg=h.leg, lots=h.lots, value=h.value, loss=sign * share)
        for h, share in zip(holdings, shares, strict=True)
    ]


def carried_lots(holding: Holding, money: int) -> int:
    """Return the most lots (signed alike) whose share of the loss `money` can pay."""
    if holding.loss <= 0:
        return holding.lots
    if money >= holding.loss:
        return holding.lots
    carried = mul_div(abs(holding.lots), max(0, money), holding.loss, Rounding.FLOOR)
    return carried if holding.lots > 0 else -carried


def split_value(value: int, lots: Sequence[int]) -> list[int]:
    """Return the value of each part of a whole, in proportion to lots, summing exactly."""
    shares = largest_remainder(abs(value), [abs(part) for part in lots])
    return [share if value >= 0 else -share for share in shares]
