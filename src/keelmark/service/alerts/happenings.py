"""What happened between two looks at an account: collateral came in, a position was reduced.

A desk sees balances and sizes, not the venue's own events, so these are conclusions: money that
comes in is told from profit by positions that did not change, and a reduction is called the venue's
only where the account stood at its trigger, or nearly, before.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from keelmark.core.numbers import ZERO, exact
from keelmark.service.alerts.values import Alert, Kind

COLLATERAL_ADDED = "collateral_added"
PARTIAL_LIQUIDATION = "partial_liquidation"

NOTED_SHARE = Decimal("0.001")
"""Money that comes in is told from this share of what was held: below it may be funding."""

AT_TRIGGER = Decimal("0.9")
"""Maintenance over equity from which a reduction is taken for the venue's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What an account held at one look.

    Attributes:
        time_ms: When.
        balances: By asset, isolated margin included.
        sizes: Signed size by instrument and leg.
        usage: Maintenance over equity; `None` where it is not known.
    """

    time_ms: int
    balances: Mapping[str, Decimal]
    sizes: Mapping[tuple[str, str], Decimal]
    usage: Decimal | None


def happenings(
    subject: str,
    before: Holdings,
    now: Holdings,
    channels: Mapping[str, tuple[str, ...]],
) -> Iterator[Alert]:
    """Return what happened from one look to the next.

    Args:
        subject: The account.
        before: The earlier look.
        now: The later one.
        channels: Where each kind of event is told.
    """
    for name, text in (*_added(before, now), *_reduced(before, now)):
        yield Alert(
            subject=subject,
            kind=Kind.EVENT,
            level=name,
            rank=-1,
            since_ms=now.time_ms,
            time_ms=now.time_ms,
            text=f"{subject}: {text}",
            channels=channels.get(name, ()),
        )


def _added(before: Holdings, now: Holdings) -> Iterator[tuple[str, str]]:
    if dict(before.sizes) != dict(now.sizes):
        return  # what was realised with a trade cannot be told from a deposit
    with exact():
        for asset, quantity in sorted(now.balances.items()):
            held = before.balances.get(asset, ZERO)
            gain = quantity - held
            if gain > ZERO and gain >= NOTED_SHARE * abs(held):
                yield COLLATERAL_ADDED, f"collateral added: {gain:f} {asset}, now {quantity:f}"


def _reduced(before: Holdings, now: Holdings) -> Iterator[tuple[str, str]]:
    if before.usage is None or before.usage < AT_TRIGGER:
        return
    with exact():
        for (instrument, leg), size in sorted(before.sizes.items()):
            left = now.sizes.get((instrument, leg), ZERO)
            if left == size or left * size < ZERO or abs(left) > abs(size):
                continue
            name = f"{instrument} {leg}".strip()
            text = f"partial liquidation: {name} went from {size:f} to {left:f}"
            yield PARTIAL_LIQUIDATION, f"{text} while maintenance took {before.usage:.1%} of equity"
