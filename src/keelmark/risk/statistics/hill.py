"""The tail index from the largest losses alone (Hill)."""

import math
from dataclasses import dataclass

import numpy as np

from keelmark.core.errors import InvalidInput
from keelmark.risk.statistics.pareto import ROUNDING
from keelmark.risk.statistics.series import Array, series_of, share_of
from keelmark.risk.statistics.tail_figures import TailFigures
from keelmark.risk.statistics.unknown import Unknown

LARGEST_MIN = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class HillTail:
    """A power law of losses beyond a threshold.

    Attributes:
        xi: One over the tail's exponent.
        error: Standard error of xi, xi / sqrt(largest), for independent losses.
        threshold: The largest loss that is not in the tail.
        largest: How many losses are.
        observations: How many losses there were.
    """

    xi: float
    error: float
    threshold: float
    largest: int
    observations: int

    def tail(self, level: float) -> TailFigures:
        """Return VaR (Weissman 1978) and ES at a level inside the tail.

        VaR = threshold * (share / (1 - level))^xi, ES = VaR / (1 - xi).

        Raises:
            InvalidInput: The level is not between 0 and 1.
        """
        share = self.largest / self.observations
        ratio = share / (1.0 - share_of(level, "level"))
        if ratio < 1.0 - ROUNDING:
            reason = Unknown(f"the level {level:g} lies below the tail, {share:.3g} of losses")
            return TailFigures(reason, reason)
        var = self.threshold * max(ratio, 1.0) ** self.xi
        if self.xi >= 1.0:
            return TailFigures(var, Unknown(f"with xi {self.xi:.2f} the tail has no mean"))
        return TailFigures(var, var / (1.0 - self.xi))


def fit_hill(losses: Array, largest: int) -> HillTail:
    """Return the tail of the `largest` losses: xi is the mean log of each over the next one.

    Args:
        losses: Shape (T,), positive where money is lost.
        largest: How many are in the tail, at least 10.

    Raises:
        InvalidInput: Too few losses, or the next one is not above 0.

    Source: Hill, Annals of Statistics 3 (1975) 1163-1174.
    """
    if largest < LARGEST_MIN:
        msg = f"a tail of {largest} losses; at least {LARGEST_MIN} are needed"
        raise InvalidInput(msg)
    ordered = np.sort(series_of(losses, least=largest + 1, what="losses"))
    threshold = float(ordered[-largest - 1])
    if threshold <= 0.0:
        msg = f"loss {largest + 1} by size is {threshold:g}; the tail must lie above 0: take fewer"
        raise InvalidInput(msg)
    xi = float(np.log(ordered[-largest:] / threshold).mean())
    return HillTail(
        xi=xi,
        error=xi / math.sqrt(largest),
        threshold=threshold,
        largest=largest,
        observations=ordered.shape[0],
    )
