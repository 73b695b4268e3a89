"""What happened between two looks at an account: collateral came in, positions went.

A desk sees balances and sizes, not the venue's own events, so these are conclusions: money that
comes in is told from profit by positions that did not change, and a reduction is called the venue's
only where the account stood at its trigger, or nearly, before; where it cost half of the equity; or
where the margin of an isolated position went with it. A crash between two looks has no "nearly".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from keelmark.core.numbers import ZERO, exact
from keelmark.service.alerts.values import Alert, Kind

COLLATERAL_ADDED = "collateral_added"
PARTIAL_LIQUIDATION = "partial_liquidation"
LIQUIDATION = "liquidation"
MARGIN_OF = "margin of "
"""Begins the name of an isolated position's margin among the balances; its instrument follows."""

NOTED_SHARE = Decimal("0.001")
"""Money that comes in is told from this share of what was held: below it may be funding."""

AT_TRIGGER = Decimal("0.9")
"""Maintenance over equity from which a reduction is taken for the venue's."""

COLLAPSED = Decimal("0.5")
"""Share of the equity, or of a margin, that is left at most where a venue has taken positions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """What an account held at one look.

    Attributes:
        time_ms: When.
        balances: By asset, isolated margin included.
        sizes: Signed size by instrument and leg.
        usage: Maintenance over equity, infinite without equity; `None` where it is not known.
        equity: Of the account; `None` where it is not known, or not in one currency.
    """

    time_ms: int
    balances: Mapping[str, Decimal]
    sizes: Mapping[tuple[str, str], Decimal]
    usage: Decimal | None
    equity: Decimal | None = None


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
    with exact():
        cost = _cost(before, now)
        gone = []
        for (instrument, leg), size in sorted(before.sizes.items()):
            left = now.sizes.get((instrument, leg), ZERO)
            if left == size or left * size < ZERO or abs(left) > abs(size):
                continue
            name = f"{instrument} {leg}".strip()
            if left == ZERO:
                why = cost or _margin_gone(instrument, before, now)
                gone += [(name, size, why)] if why else []
            elif cost:
                text = f"partial liquidation: {name} went from {size:f} to {left:f} {cost}"
                yield PARTIAL_LIQUIDATION, text
        if gone:
            sizes = ", ".join(f"{name} {size:f}" for name, size, _ in gone)
            yield LIQUIDATION, f"liquidation: {sizes} gone {gone[0][2]}"


def _cost(before: Holdings, now: Holdings) -> str:
    """Return why reductions are taken for the venue's; empty where they are not."""
    if before.usage is not None and before.usage.is_infinite():
        return "while equity was gone"
    if before.usage is not None and before.usage >= AT_TRIGGER:
        return f"while maintenance took {before.usage:.1%} of equity"
    if before.equity is not None and now.equity is not None:
        if before.equity > ZERO and now.equity <= COLLAPSED * before.equity:
            return f"while equity went from {before.equity:.2f} to {now.equity:.2f}"
        return ""
    held = {name: b for name, b in before.balances.items() if b > ZERO}
    if held and all(now.balances.get(name, ZERO) <= COLLAPSED * b for name, b in held.items()):
        return "while half of every balance and more went"
    return ""


def _margin_gone(instrument: str, before: Holdings, now: Holdings) -> str:
    """Return that an isolated position's margin went with it; empty where it came back."""
    margin = before.balances.get(f"{MARGIN_OF}{instrument}", ZERO)
    came = [b - before.balances.get(name, ZERO) for name, b in now.balances.items()]
    if margin <= ZERO or max(came, default=ZERO) > (1 - COLLAPSED) * margin:
        return ""
    return f"with its margin of {margin:f}"
