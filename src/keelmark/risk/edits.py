"""Changes to an account that nobody has made yet, as plain values.

A leg is named `BTCUSDT`, or `BTCUSDT/long` and `BTCUSDT/short` where both sides are held.
"""

from dataclasses import dataclass
from decimal import Decimal

from keelmark.accounts.document import MarginMode
from keelmark.core.numbers import ONE

ALL = "all"
"""Stands for every leg, or every price."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A number told as what it becomes, or as a share of what it is.

    Attributes:
        to: The new number.
        by: Relative change, -0.1 for ten per cent less.
    """

    to: Decimal | None = None
    by: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Add:
    """Trade `size` (signed) of an instrument: opens, adds, reduces or flips.

    Attributes:
        leg: Which one.
        size: Bought where positive, in the units of the document.
        price: Of the fill; the mark where left out. For what has no mark yet it is the mark too.
    """

    leg: str
    size: Decimal
    price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Close a share of a leg, or a size of it, at the mark.

    Attributes:
        leg: Which one, or `all`.
        share: Fraction of the size; ignored where `size` is given.
        size: Unsigned size.
    """

    leg: str
    share: Decimal = ONE
    size: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resize:
    """Trade a leg at the mark until it has this signed size."""

    leg: str
    size: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposit:
    """Add to the collateral that positions share."""

    asset: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdraw:
    """Take from the collateral that positions share."""

    asset: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Move settle asset from the shared collateral into an isolated leg; negative: back."""

    leg: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLeverage:
    """Set the leverage of a leg, or of all."""

    leg: str
    leverage: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class SetMarginMode:
    """Make a leg, or all, cross or isolated.

    Attributes:
        leg: Which one, or `all`.
        mode: What it becomes.
        margin: Settle asset that moves into an isolated leg; where left out, its initial margin and
            what it has lost so far.
    """

    leg: str
    mode: MarginMode
    margin: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MovePrice:
    """Move a price, all else held.

    Attributes:
        name: An instrument: its mark, with the index it is margined on. A coin: every mark and
            index on it and its price as collateral. An asset: its price. `all`: every coin.
        change: The new price, or the relative change; of `all` relative only.
        only_collateral: Move the price of the asset as collateral, and no mark.
    """

    name: str
    change: Change
    only_collateral: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SetVenue:
    """Put the book under another rulebook: `bybit-uta`, `binance-usdm@2024-01`, `my.toml`.

    A reference that begins with `@` is another date of the present venue.
    """

    reference: str


Edit = (
    Add
    | Close
    | Resize
    | Deposit
    | Withdraw
    | Transfer
    | SetLeverage
    | SetMarginMode
    | MovePrice
    | SetVenue
)
