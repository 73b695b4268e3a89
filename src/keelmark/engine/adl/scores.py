"""ADL scores of venues: larger is deleveraged first."""

import numpy as np

from keelmark.engine.adl.candidates import Candidates
from keelmark.engine.apportion import Float64Array

TINY = float(np.finfo(np.float64).tiny)


def leverage(candidates: Candidates) -> Float64Array:
    """Notional of all positions over equity."""
    result: Float64Array = candidates.notional_total / candidates.equity
    return result


def profit_share(candidates: Candidates) -> Float64Array:
    """Unrealised profit over the position's notional at entry."""
    entry = np.abs(candidates.lots * candidates.entry_value)
    result: Float64Array = candidates.pnl / np.maximum(entry, TINY)
    return result


def leverage_times_profit(candidates: Candidates) -> Float64Array:
    """Binance and BitMEX: profit share times leverage, divided by it for a loss."""
    share, factor = profit_share(candidates), leverage(candidates)
    return np.where(share > 0, share * factor, share / np.maximum(factor, TINY))


def price_ratio_times_leverage(candidates: Candidates) -> Float64Array:
    """Hyperliquid: `(mark / entry) * (notional / account value)`, inverted for shorts.

    The venue prints the form for longs. The price ratio of an inverse instrument is the ratio of
    its values turned round.
    """
    entry = np.maximum(np.abs(candidates.entry_value), TINY)
    value_ratio = np.abs(candidates.mark_value) / entry
    is_short = candidates.lots < 0
    is_inverse = candidates.mark_value < 0
    ratio = np.where(is_short != is_inverse, 1 / np.maximum(value_ratio, TINY), value_ratio)
    result: Float64Array = ratio * leverage(candidates)
    return result


def leverage_pnl(candidates: Candidates) -> Float64Array:
    """Binance's published LeveragePnl: profit over wallet balance times the margin ratio.

    `max(0, pnl) / max(1, wallet) * maintenance / (wallet + pnl)`. The wallet balance is equity
    less the profit of this position: the venue does not say what a cross account counts.
    """
    wallet = candidates.equity - candidates.pnl
    profit = np.maximum(candidates.pnl, 0) / np.maximum(wallet, 1)
    result: Float64Array = profit * candidates.maintenance / candidates.equity
    return result
