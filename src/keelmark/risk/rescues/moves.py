"""The single moves a plan is made of: whole steps of money, of a close, of a hedge.

A move of `count` steps has a change and a cost. Money moves whole quanta; trades move whole lots,
except that the last lot of a close takes what is left. Trades fill at the mark; fee and slippage
are paid from the unit's own balance in the settle asset.
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from keelmark.core.codes import Leg
from keelmark.core.model import InstrumentTerms
from keelmark.core.numbers import ZERO, exact
from keelmark.core.unit import Position
from keelmark.risk.rescues.options import NO_IMPACT, Impact
from keelmark.risk.rescues.scene import NOTHING, Change

Steps = int | Decimal
"""Whole steps; solvers ask for parts of one too."""


class MoveKind(StrEnum):
    """What a move does."""

    TRANSFER = "transfer"
    WALLET = "wallet"
    DEPOSIT = "deposit"
    CLOSE = "close"
    HEDGE = "hedge"

    @property
    def is_money(self) -> bool:
        """Whether it brings money in."""
        return self in {MoveKind.TRANSFER, MoveKind.WALLET, MoveKind.DEPOSIT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What a move costs, valuation currency."""

    fee: Decimal = ZERO
    slippage: Decimal = ZERO
    capital: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """All of it."""
        with exact():
            return self.fee + self.slippage + self.capital


FREE = Cost()


class Move(Protocol):
    """What a plan needs of a move."""

    @property
    def kind(self) -> MoveKind:
        """What it does."""

    @property
    def name(self) -> str:
        """The asset or the leg."""

    @property
    def step(self) -> Decimal:
        """One quantum or one lot."""

    @property
    def count_max(self) -> int | None:
        """Most steps; `None` without a limit."""

    @property
    def is_free(self) -> bool:
        """Whether it costs nothing, however much is moved."""

    @property
    def is_fee_known(self) -> bool:
        """Whether its cost holds its fee."""

    def amount(self, count: Steps) -> Decimal:
        """Return what so many steps move: amount of the asset, or signed size traded."""

    def change(self, count: Steps) -> Change:
        """Return what it does to the unit."""

    def cost(self, count: Steps) -> Cost:
        """Return what it costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyMove:
    """Money that comes in from outside, a wallet or another unit of the account.

    Attributes:
        source: Where it comes from: a unit's id, or empty.
        price: Valuation currency per unit of the asset.
        rate: What a unit of value costs, fraction.
    """

    kind: MoveKind
    name: str
    step: Decimal
    count_max: int | None
    price: Decimal
    rate: Decimal = ZERO
    source: str = ""

    @property
    def is_free(self) -> bool:
        """Whether it costs nothing, however much is moved."""
        return self.rate == ZERO

    @property
    def is_fee_known(self) -> bool:
        """Money moves without a fee."""
        return True

    def amount(self, count: Steps) -> Decimal:
        """Return the amount of the asset."""
        return self.step * count

    def change(self, count: Steps) -> Change:
        """Return the balance it adds to."""
        return Change(cash={self.name: self.amount(count)}) if count else NOTHING

    def cost(self, count: Steps) -> Cost:
        """Return the cost of capital."""
        return Cost(capital=self.amount(count) * self.price * self.rate) if count else FREE


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeMove:
    """Lots closed of a position, or opened in an instrument.

    Attributes:
        row: The unit's position it changes; `None` where it opens one.
        held: That position.
        terms: The contract.
        sign: Direction of the order: 1 buys, -1 sells.
        value_per_size: Signed value of one unit of size at the mark, settle asset.
        price: Valuation currency per unit of the settle asset.
        leg: Leg it belongs to.
        is_fee_known: Whether the fee is: no rulebook has those of options.
    """

    kind: MoveKind
    row: int | None
    held: Position | None
    terms: InstrumentTerms
    sign: int
    count_max: int | None
    value_per_size: Decimal
    price: Decimal
    fee_rate: Decimal
    impact: Impact = NO_IMPACT
    leg: Leg = Leg.NET
    is_fee_known: bool = True

    @property
    def name(self) -> str:
        """The instrument, with its leg in hedge mode."""
        symbol = self.terms.instrument.symbol
        return f"{symbol}/{self.leg.name.lower()}" if self.leg else symbol

    @property
    def step(self) -> Decimal:
        """One lot."""
        return self.terms.instrument.lot

    @property
    def settle(self) -> str:
        """The settle asset."""
        return self.terms.instrument.settle

    @property
    def reach(self) -> Decimal | None:
        """The steps that close all there is, the last of which may be a part of a lot."""
        if self.kind is MoveKind.CLOSE and self.held is not None:
            return abs(self.held.size) / self.step
        return None

    @property
    def is_free(self) -> bool:
        """Whether it costs nothing, however much is traded."""
        return self.fee_rate == ZERO and self.impact == NO_IMPACT

    def amount(self, count: Steps) -> Decimal:
        """Return the signed size traded; a close never trades more than there is."""
        size = self.step * count
        if self.kind is MoveKind.CLOSE and self.held is not None:
            size = min(size, abs(self.held.size))
        return self.sign * size

    def notional(self, count: Steps) -> Decimal:
        """Return the unsigned value traded, settle asset."""
        return abs(self.amount(count) * self.value_per_size)

    def slippage(self, count: Steps) -> Decimal:
        """Return what the order loses to its own impact, settle asset."""
        return self.impact.slippage(self.notional(count) * self.price) / self.price

    def fill_price(self, count: Steps) -> Decimal | None:
        """Return the average price at which so many steps fill, slippage included."""
        size = self.amount(count)
        if not size:
            return None
        return self.terms.instrument.price_at(self.value_per_size + self.slippage(count) / size)

    def change(self, count: Steps) -> Change:
        """Return the position afterwards and what the trade leaves in cash."""
        if not count:
            return NOTHING
        size = self.amount(count)
        paid = self.fee_rate * self.notional(count) + self.slippage(count)
        if self.kind is MoveKind.HEDGE or self.held is None:
            return self._opened(size, paid)
        share = -size / self.held.size
        released = self.held.cost * share
        # an option's premium is cash, paid or received whole
        realised = ZERO if self.terms.option is not None else released
        gained = -size * self.value_per_size - realised
        rest = self.held.size + size
        left = None
        if rest != ZERO:
            left = replace(self.held, size=rest, cost=self.held.cost - released)
        return Change(cash={self.settle: gained - paid}, legs={self._row: left})

    @property
    def _row(self) -> int:
        assert self.row is not None  # noqa: S101 a change of a leg has one
        return self.row

    def _opened(self, size: Decimal, paid: Decimal) -> Change:
        value = size * self.value_per_size
        cash = {self.settle: -paid}
        if self.held is None:
            symbol = self.terms.instrument.symbol
            fresh = Position(instrument=symbol, size=size, cost=value, leg=self.leg)
            return Change(cash=cash, opened=(fresh,))
        grown = replace(self.held, size=self.held.size + size, cost=self.held.cost + value)
        return Change(cash=cash, legs={self._row: grown})

    def cost(self, count: Steps) -> Cost:
        """Return fee and slippage."""
        if not count:
            return FREE
        fee = self.fee_rate * self.notional(count)
        return Cost(fee=fee * self.price, slippage=self.slippage(count) * self.price)
