"""What another unit of the account can spare while it keeps its own margin and the target."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import ROUND_FLOOR, Decimal

from keelmark.accounts import Account
from keelmark.accounts.prices import missing_prices
from keelmark.core.margin import margin_report
from keelmark.core.numbers import ZERO
from keelmark.core.unit import MarginUnit
from keelmark.risk.rescues.scene import Change, Scene
from keelmark.risk.rescues.target import Target, aims_of


def spare_counts(donor: MarginUnit, account: Account, target: Target) -> dict[str, int]:
    """Return the quanta of each asset a unit can give away, each alone.

    What leaves must leave the initial margin covered without unrealised profit, and the donor at
    the target itself: a rescue must not make another unit the next one in need.
    """
    model, market = account.model, account.market
    if missing_prices(donor, market, model) is not None:
        return {}
    scenes = [Scene(donor, aim, model) for aim in aims_of(target, donor, market, model)]

    def left(asset: str, amount: Decimal) -> Decimal:
        change = Change(cash={asset: -amount})
        report = margin_report(change.after(donor), market, model)
        return min((report.excess_to_leave, *(s.total(change) for s in scenes)))

    return dict(_spare(donor, account, left))


def _spare(
    donor: MarginUnit, account: Account, left: Callable[[str, Decimal], Decimal]
) -> Iterator[tuple[str, int]]:
    for asset, balance in donor.balances.items():
        quantum = account.model.asset(asset).quantum
        whole = int((balance / quantum).to_integral_value(rounding=ROUND_FLOOR))
        if whole <= 0 or left(asset, ZERO) < ZERO:
            continue
        low, high = 0, whole
        if left(asset, quantum * whole) >= ZERO:
            low = whole
        while high - low > 1:
            middle = (low + high) // 2
            if left(asset, quantum * middle) >= ZERO:
                low = middle
            else:
                high = middle
        yield asset, low


def without(unit: MarginUnit, asset: str, amount: Decimal) -> MarginUnit:
    """Return a unit after an amount has left it."""
    balances = {**unit.balances, asset: unit.balances.get(asset, ZERO) - amount}
    return replace(unit, balances=balances)
