"""What happened, once more: each past stretch of a horizon is a scenario."""

from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from keelmark.core.errors import InvalidInput
from keelmark.risk.returns import Array, Returns
from keelmark.risk.scenarios.scenarios import Scenarios, Shocks


def historical(returns: Returns, *, rows: int = 1, half_life: float | None = None) -> Scenarios:
    """Return each stretch of so many changes in a row, compounded, as a scenario.

    Stretches overlap, so neighbours are not independent; that is noted. A stretch over a gap is
    left out.

    Args:
        returns: History.
        rows: Changes in a stretch.
        half_life: Age in changes at which a scenario weighs half; all weigh alike without.

    Raises:
        InvalidInput: There are fewer than two stretches, or the half-life is not above 0.
    """
    ends = stretch_ends(returns, rows)
    if len(ends) < 2:  # noqa: PLR2004 a distribution of one
        msg = (
            f"{returns.source}: {len(returns.values)} changes of {returns.period} hold no two "
            f"stretches of {rows}; give a longer history or a shorter horizon"
        )
        raise InvalidInput(msg)
    sums = np.vstack([np.zeros(len(returns.coins)), np.cumsum(returns.logs, axis=0)])
    values = np.expm1(sums[ends + 1] - sums[ends + 1 - rows])
    overlap = f"stretches of {rows} changes overlap: {len(ends) // rows} are independent"
    return Scenarios(
        returns=Shocks(names=returns.coins, values=values),
        days=rows * (returns.days or 1.0),
        weights=_weights(returns, ends, half_life),
        labels=_labels(returns, ends),
        source=f"{len(ends):,} past stretches of {returns.source}",
        notes=(*returns.notes, *((overlap,) if rows > 1 else ())),
    )


def stretch_ends(returns: Returns, rows: int) -> npt.NDArray[np.intp]:
    """Return the last row of every stretch without a gap."""
    if rows < 1:
        msg = f"a stretch of {rows} changes; give at least one"
        raise InvalidInput(msg)
    ends = np.arange(rows - 1, len(returns.values))
    times = returns.times
    if times is None or returns.days is None:
        return ends
    step = round(returns.days * 86_400_000)
    is_whole = times[ends] - times[ends + 1 - rows] == (rows - 1) * step
    found: npt.NDArray[np.intp] = ends[is_whole]
    return found


def _weights(returns: Returns, ends: npt.NDArray[np.intp], half_life: float | None) -> Array | None:
    if half_life is None:
        return None
    if not half_life > 0.0:
        msg = f"a half-life of {half_life} changes; give a number above 0"
        raise InvalidInput(msg)
    weights = 0.5 ** ((len(returns.values) - 1 - ends) / half_life)
    found: Array = weights / weights.sum()
    return found


def _labels(returns: Returns, ends: npt.NDArray[np.intp]) -> tuple[str, ...] | None:
    if returns.times is None:
        return None
    moments = (datetime.fromtimestamp(int(t) / 1_000, tz=UTC) for t in returns.times[ends])
    return tuple(moment.strftime("%Y-%m-%d %H:%M") for moment in moments)
