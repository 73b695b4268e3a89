"""The demand that a plan for a distance still misses between the ends of a path."""

from collections.abc import Iterator
from decimal import Decimal

from keelmark.accounts import Account
from keelmark.core.numbers import ONE, ZERO
from keelmark.core.unit import MarginUnit
from keelmark.risk.rescues.scene import whole_total
from keelmark.risk.rescues.target import Aim, Path, paths_of

SAMPLES = 16
JUST_BEFORE = ONE - Decimal("1e-9")


def missed_aim(unit: MarginUnit, distance: Decimal, account: Account) -> Aim | None:
    """Return the lowest point of the paths of a unit within a distance; `None` if none is below.

    Points between the ends matter where the excess is not concave along a path: where a table
    jumps, or a coin held as collateral falls with its contract.
    """
    model = account.model
    points = [
        (whole_total(unit, aim, model), number, aim)
        for path in paths_of(unit, model)
        for number, aim in enumerate(_along(path, unit, distance, account))
    ]
    total, _, aim = min(points, key=lambda point: point[:2], default=(ZERO, 0, None))
    return aim if total < ZERO else None


def _along(path: Path, unit: MarginUnit, distance: Decimal, account: Account) -> Iterator[Aim]:
    """Yield points of a path up to just before the distance."""
    for share in range(1, SAMPLES + 1):
        size = distance * share / SAMPLES * (JUST_BEFORE if share == SAMPLES else ONE)
        market = path.moved(size, unit, account.market, account.model)
        yield Aim.not_liquidatable(f"{path.name} {size:f}", market, account.model)
