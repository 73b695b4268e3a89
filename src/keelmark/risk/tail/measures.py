"""VaR and ES of a sample of profits, with how sure they are.

With losses `L = -pnl` of weights `w`, sorted:

    VaR_q = the smallest loss x with P(L <= x) >= q
    ES_q  = (E[L; L > VaR] + VaR (P(L <= VaR) - q)) / (1 - q)

The interval of VaR is that of order statistics: the count of losses below a quantile is binomial.
The standard error of ES is `sqrt((Var[L | tail] + q (ES - VaR)^2) / (n (1 - q)))`. Both are of the
sample alone: how little a short history tells of the law is not in them. With weights, `n` is the
effective number `1 / sum w^2`.

Source: Acerbi, Tasche, Journal of Banking & Finance 26 (2002); Chen, Journal of Financial
Econometrics 6 (2008); Manistre, Hancock, North American Actuarial Journal 9 (2005).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.core.errors import InvalidInput
from keelmark.risk.returns import Array

NORMAL_95 = 1.959963984540054
"""Two-sided 95 % quantile of a normal law."""

TAIL_MIN = 1.0
"""Observations beyond the quantile without which there is no VaR of a sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TailRisk:
    """VaR and ES at one level; positive numbers are losses.

    Attributes:
        level: Of confidence: 0.99 leaves one in a hundred beyond.
        var: Value at risk, valuation currency.
        es: Expected shortfall.
        var_interval: 95 % interval of the VaR as a quantile of the sample; `None` without one.
        es_error: Standard error of the ES; `None` without one.
        observations: Rows, effective ones where they have weights; `None` of a closed form.
        method: How it was had, in words.
    """

    level: float
    var: float
    es: float
    var_interval: tuple[float, float] | None = None
    es_error: float | None = None
    observations: float | None = None
    method: str = ""

    @property
    def es_interval(self) -> tuple[float, float] | None:
        """95 % interval of the ES; `None` without a standard error."""
        if self.es_error is None:
            return None
        return self.es - NORMAL_95 * self.es_error, self.es + NORMAL_95 * self.es_error


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tail:
    """The worst losses of a sample: whose they are and what share each has in the ES.

    Attributes:
        order: Rows from the least loss to the largest.
        losses: In that order.
        cumulative: Probability up to and with each, in that order.
        quantile: Place of the VaR in that order.
        shares: Weight of each row in the ES, by row, summing to one.
    """

    order: npt.NDArray[np.intp]
    losses: Array
    cumulative: Array
    quantile: int
    shares: Array


def tail_risk(
    pnl: Array,
    level: float,
    *,
    weights: Array | None = None,
    method: str = "",
    independent: int | None = None,
) -> TailRisk:
    """Return the VaR and ES of profits.

    Args:
        pnl: (n,) profits, losses negative.
        level: Between 0 and 1.
        weights: (n,) probabilities; equal ones without.
        method: How the sample was made.
        independent: Rows that tell anything of their own, where those are fewer than the rows.

    Raises:
        InvalidInput: The level is none, or fewer than one observation lies beyond it.
    """
    if independent is not None:
        _require_beyond(float(independent), level)
    tail = tail_of(pnl, level, weights=weights)
    var = float(tail.losses[tail.quantile])
    es = float(np.dot(tail.shares, -pnl))
    count = float(len(pnl)) if weights is None else 1.0 / float(np.dot(weights, weights))
    count = count if independent is None else min(count, float(independent))
    spread = float(np.dot(tail.shares, (-pnl - es) ** 2))
    error = float(np.sqrt((spread + level * (es - var) ** 2) / (count * (1.0 - level))))
    return TailRisk(
        level=level,
        var=var,
        es=es,
        var_interval=_interval(tail, level, count),
        es_error=error,
        observations=count,
        method=method,
    )


def tail_of(pnl: Array, level: float, *, weights: Array | None = None) -> Tail:
    """Return the tail of a sample; arguments and errors as `tail_risk`."""
    require_level(level)
    rows = len(pnl)
    effective = float(rows) if weights is None else 1.0 / float(np.dot(weights, weights))
    _require_beyond(effective if rows else 0.0, level)
    if not bool(np.isfinite(pnl).all()):
        msg = f"{int((~np.isfinite(pnl)).sum())} of {rows} profits are no numbers"
        raise InvalidInput(msg)
    order = np.argsort(-pnl, kind="stable")
    losses = -pnl[order]
    given = np.full(rows, 1.0 / rows) if weights is None else weights[order]
    cumulative = (
        np.arange(1, rows + 1) / rows if weights is None else np.cumsum(given) / given.sum()
    )
    quantile = min(int(np.searchsorted(cumulative, level - 1e-12)), rows - 1)
    shares = np.zeros(rows)
    shares[order[quantile + 1 :]] = given[quantile + 1 :]
    shares[order[quantile]] = max(0.0, float(cumulative[quantile]) - level)
    return Tail(
        order=order,
        losses=losses,
        cumulative=cumulative,
        quantile=quantile,
        shares=shares / shares.sum() if shares.sum() > 0.0 else _last(shares, order),
    )


def require_level(level: float) -> None:
    """Refuse a level that leaves no tail."""
    if not 0.0 < level < 1.0:
        msg = f"a level of {level}; give one between 0 and 1, as 0.99"
        raise InvalidInput(msg)


def _require_beyond(count: float, level: float) -> None:
    """Refuse a level beyond which less than one observation lies."""
    if count * (1.0 - level) < TAIL_MIN * (1.0 - 1e-9):
        msg = (
            f"{count:,.0f} observations hold no {level:.6g} quantile: less than one lies beyond; "
            "give a longer history or a lower --level"
        )
        raise InvalidInput(msg)


def _last(shares: Array, order: npt.NDArray[np.intp]) -> Array:
    shares[order[-1]] = 1.0
    return shares


def _interval(tail: Tail, level: float, count: float) -> tuple[float, float]:
    """Return the order statistics around the quantile, at 95 %, by the normal approximation."""
    half = NORMAL_95 * np.sqrt(level * (1.0 - level) / count)
    last = len(tail.losses) - 1
    low, high = np.searchsorted(tail.cumulative, [level - half, level + half])
    return float(tail.losses[min(int(low), last)]), float(tail.losses[min(int(high), last)])
