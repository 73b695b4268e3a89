"""What a population looks like: the figures its specification was calibrated to."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from keelmark.core.codes import UnitKind
from keelmark.lab.arrays import Float64Array, totals
from keelmark.lab.population.check import starting_margin
from keelmark.lab.population.records import AccountKind
from keelmark.lab.population.values import Population

HILL_SHARE = 500 / 19_337
"""Part of accounts the Hill index is taken over: the published 0.76 is of 500 among 19,337."""
LEVERAGE_QUANTILES = (0.1, 0.5, 0.9, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class PopulationSummary:
    """Statistics of a population; sizes, leverage and sides are of traders, not market makers.

    Attributes:
        accounts: All of them, by kind in `accounts_by_kind`.
        units: Margin units.
        positions: Positions.
        open_interest: One side, settle asset.
        notional_median: Of accounts, settle asset.
        notional_p99: Of accounts, settle asset.
        notional_largest: Of accounts, settle asset.
        share_of_top_percent: Part of the notional that the largest 1 % of accounts hold.
        hill_index: Tail exponent over the largest `HILL_SHARE` of accounts.
        long_share: Part of directional accounts' positions that are long.
        long_notional_share: Part of traders' notional that is long.
        leverage_quantiles: Notional over equity of accounts, at `LEVERAGE_QUANTILES`.
        isolated_share: Part of traders' positions that are isolated.
        collateral: Value deposited by asset, settle asset.
    """

    accounts: int
    accounts_by_kind: dict[str, int]
    units: int
    positions: int
    open_interest: float
    notional_median: float
    notional_p99: float
    notional_largest: float
    share_of_top_percent: float
    hill_index: float
    long_share: float
    long_notional_share: float
    leverage_quantiles: tuple[float, ...]
    isolated_share: float
    collateral: dict[str, float]


def describe(population: Population) -> PopulationSummary:
    """Return the statistics."""
    rows, opening = population.positions, population.opening
    kinds = population.accounts["kind"]
    account = population.units["account"][rows["unit"]]
    notional = np.abs(rows["lots"]) * opening.lot_notionals[rows["instrument"]]
    trades = kinds[account] != AccountKind.MARKET_MAKER
    directional = kinds[account] == AccountKind.DIRECTIONAL
    is_long = rows["lots"] > 0
    isolated = population.units["kind"][rows["unit"]] == UnitKind.ISOLATED
    per_account = totals(account, notional, kinds.size)
    traders = kinds != AccountKind.MARKET_MAKER
    sizes = np.sort(per_account[traders])
    leverage = per_account[traders] / _equity(population)[traders]
    top = max(1, sizes.size // 100)
    return PopulationSummary(
        accounts=kinds.size,
        accounts_by_kind={kind.name.lower(): int(np.sum(kinds == kind)) for kind in AccountKind},
        units=population.units.size,
        positions=rows.size,
        open_interest=float(population.open_interest().sum()),
        notional_median=float(np.median(sizes)),
        notional_p99=float(np.quantile(sizes, 0.99)),
        notional_largest=float(sizes[-1]),
        share_of_top_percent=float(sizes[-top:].sum() / sizes.sum()),
        hill_index=hill_index(sizes, max(2, round(sizes.size * HILL_SHARE))),
        long_share=_mean(is_long[directional]),
        long_notional_share=float(notional[trades & is_long].sum() / notional[trades].sum()),
        leverage_quantiles=tuple(np.quantile(leverage, LEVERAGE_QUANTILES).tolist()),
        isolated_share=_mean(isolated[trades]),
        collateral={
            asset.asset: float(
                population.deposits["quanta"][population.deposits["asset"] == index].sum(
                    dtype=np.float64,
                )
                * float(asset.quantum)
                * opening.asset_prices[asset.asset],
            )
            for index, asset in enumerate(opening.assets)
        },
    )


def hill_index(sizes: Float64Array, largest: int) -> float:
    """Return Hill's estimate of a tail exponent from the `largest` of sorted sizes."""
    edge = sizes[-largest - 1] if largest < sizes.size else sizes[0]
    excess = np.log(sizes[-largest:] / edge)
    return float(1.0 / excess.mean())


def _equity(population: Population) -> Float64Array:
    """Return the equity of each account, settle asset."""
    equity = starting_margin(population).equity
    return totals(population.units["account"], equity, population.accounts.size)


def _mean(claims: npt.NDArray[np.bool_]) -> float:
    return float(claims.mean()) if claims.size else 0.0
